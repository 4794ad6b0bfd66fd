"""The state as bytes: the same state gives the same bytes."""

from essaim.discovery.v1 import discovery_pb2, state_pb2
from essaim.protocol.view import Descriptor, Genesis, KeyRecord, NodeState
from essaim.protocol.view.testers import Candidate, TestKind
from essaim.protocol.view.wire import parse
from essaim.view.v1 import view_pb2
from essaim_discovery.move import Move
from essaim_discovery.state import Departed, Expelled, Member, PublishedKeys, Seen, State
from essaim_discovery.trial import Round, Votes


def dump(state: State) -> bytes:
    """A serialised Snapshot, everything in order of node id."""
    message = state_pb2.Snapshot(
        network_id=state.network_id,
        now_ms=state.now_ms,
        members=[_member(state.members[node_id]) for node_id in sorted(state.members)],
        departed=[_departed(node_id, each) for node_id, each in sorted(state.departed.items())],
        serial=state.serial,
        moves=[_move(each) for each in state.moves],
        round=_round(state.round),
        spoken=[state_pb2.Spoken(authority=key, seen=_seen(each)) for key, each in sorted(state.spoken.items())],
    )
    return message.SerializeToString(deterministic=True)


def load(raw: bytes, genesis: Genesis) -> State:
    """What `dump` gave, with every signature verified anew. MalformedError, BadSignatureError."""
    message = parse(state_pb2.Snapshot, raw)
    members = [_read(each) for each in message.members]
    spoken = {each.authority: _read_seen(each.seen) for each in message.spoken}
    return State(
        network_id=message.network_id,
        parameters=genesis.parameters,
        now_ms=message.now_ms,
        members={member.node_id: member for member in members},
        departed={each.node_id: _read_departed(each) for each in message.departed},
        serial=message.serial,
        moves=tuple(_read_move(each) for each in message.moves),
        round=_read_round(message.round),
        spoken={**State.of(genesis).spoken, **spoken},
    )


# Nodes


def _member(member: Member) -> state_pb2.Member:
    return state_pb2.Member(
        descriptor=member.descriptor_piece,
        key_records=[each.piece for each in member.keys],
        state=view_pb2.NodeState.ValueType(member.state),
        swarm_id=member.swarm_id or 0,
        has_swarm=member.swarm_id is not None,
        registered_ms=member.registered_ms,
        proven_ms=member.proven_ms,
        seen=_seen(member.seen),
        next_swarm_id=member.next_id or 0,
        has_next_swarm=member.next_id is not None,
        shown_serial=member.shown_serial,
        leaving_serial=member.leaving_serial,
        retired=member.retired,
        gone=member.gone,
        credit=member.credit,
        expelled=state_pb2.Expelled.ValueType(member.expelled),
    )


def _read(message: state_pb2.Member) -> Member:
    records = [KeyRecord.parse(parse(view_pb2.SignedKeyRecord, piece)) for piece in message.key_records]
    return Member(
        descriptor=Descriptor.parse(parse(view_pb2.SignedDescriptor, message.descriptor)),
        descriptor_piece=message.descriptor,
        keys=tuple(map(PublishedKeys, records, message.key_records)),
        state=NodeState(message.state),
        swarm_id=message.swarm_id if message.has_swarm else None,
        registered_ms=message.registered_ms,
        proven_ms=message.proven_ms,
        seen=_read_seen(message.seen),
        next_id=message.next_swarm_id if message.has_next_swarm else None,
        shown_serial=message.shown_serial,
        leaving_serial=message.leaving_serial,
        retired=message.retired,
        gone=message.gone,
        credit=message.credit,
        expelled=Expelled(message.expelled),
    )


def _departed(node_id: bytes, departed: Departed) -> state_pb2.Departed:
    return state_pb2.Departed(
        node_id=node_id,
        seen=_seen(departed.seen),
        until_ms=departed.until_ms,
        expelled=state_pb2.Expelled.ValueType(departed.expelled),
    )


def _read_departed(message: state_pb2.Departed) -> Departed:
    return Departed(_read_seen(message.seen), message.until_ms, Expelled(message.expelled))


def _seen(seen: Seen) -> state_pb2.Seen:
    return state_pb2.Seen(sequence=seen.sequence, digest=seen.digest)


def _read_seen(message: state_pb2.Seen) -> Seen:
    return Seen(message.sequence, message.digest)


# Moves


def _move(move: Move) -> state_pb2.Move:
    return state_pb2.Move(
        serial=move.serial,
        began_ms=move.began_ms,
        swarms=move.swarms,
        receiving=move.receiving,
        complete=[state_pb2.Complete(swarm_id=swarm_id, node_id=each) for swarm_id, each in sorted(move.complete)],
    )


def _read_move(message: state_pb2.Move) -> Move:
    complete = frozenset((each.swarm_id, each.node_id) for each in message.complete)
    return Move(message.serial, message.began_ms, tuple(message.swarms), tuple(message.receiving), complete)


# Node tests


def _round(tests: Round) -> state_pb2.TestRound:
    return state_pb2.TestRound(
        serial=tests.serial,
        began_ms=tests.began_ms,
        seed=tests.seed,
        candidates=[_candidate(each) for each in tests.candidates],
        votes=[_votes(kind, node_id, each) for (kind, node_id), each in sorted(tests.votes.items())],
    )


def _read_round(message: state_pb2.TestRound) -> Round:
    candidates = tuple(
        Candidate(each.node_id, each.tests, each.swarm_id if each.has_swarm else None) for each in message.candidates
    )
    votes = {
        (TestKind(each.kind), each.node_id): Votes(each.passed, each.failed, each.silent) for each in message.votes
    }
    return Round(message.serial, message.began_ms, message.seed, candidates, votes)


def _candidate(candidate: Candidate) -> state_pb2.Candidate:
    return state_pb2.Candidate(
        node_id=candidate.node_id,
        tests=candidate.tests,
        swarm_id=candidate.swarm_id or 0,
        has_swarm=candidate.swarm_id is not None,
    )


def _votes(kind: TestKind, node_id: bytes, votes: Votes) -> state_pb2.Votes:
    return state_pb2.Votes(
        kind=discovery_pb2.TestKind.ValueType(kind),
        node_id=node_id,
        passed=votes.passed,
        failed=votes.failed,
        silent=votes.silent,
    )
