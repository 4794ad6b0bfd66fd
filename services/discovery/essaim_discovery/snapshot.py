"""The state as bytes: the same state gives the same bytes."""

from essaim.discovery.v1 import state_pb2
from essaim.protocol.view import Descriptor, KeyRecord, NodeState, Parameters
from essaim.protocol.view.wire import parse
from essaim.view.v1 import view_pb2
from essaim_discovery.state import Departed, Member, PublishedKeys, Seen, State


def dump(state: State) -> bytes:
    """A serialised Snapshot, everything in order of node id."""
    message = state_pb2.Snapshot(
        network_id=state.network_id,
        now_ms=state.now_ms,
        members=[_member(state.members[node_id]) for node_id in sorted(state.members)],
        departed=[
            state_pb2.Departed(node_id=node_id, seen=_seen(each.seen), until_ms=each.until_ms)
            for node_id, each in sorted(state.departed.items())
        ],
    )
    return message.SerializeToString(deterministic=True)


def load(raw: bytes, parameters: Parameters) -> State:
    """What `dump` gave, with every signature verified anew. MalformedError, BadSignatureError."""
    message = parse(state_pb2.Snapshot, raw)
    members = [_read(each) for each in message.members]
    return State(
        network_id=message.network_id,
        parameters=parameters,
        now_ms=message.now_ms,
        members={member.node_id: member for member in members},
        departed={each.node_id: Departed(_read_seen(each.seen), each.until_ms) for each in message.departed},
    )


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
    )


def _seen(seen: Seen) -> state_pb2.Seen:
    return state_pb2.Seen(sequence=seen.sequence, digest=seen.digest)


def _read_seen(message: state_pb2.Seen) -> Seen:
    return Seen(message.sequence, message.digest)
