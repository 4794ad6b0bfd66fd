"""What a round of node tests does to the nodes: credit, expulsion, and the way back. docs/protocol/node-tests.md."""

from collections.abc import Iterable
from dataclasses import replace

from essaim.protocol.view import NodeState, Role
from essaim.protocol.view.testers import Candidate, TestKind, takes_part
from essaim_discovery.events import Event, EventKind
from essaim_discovery.move import quorum
from essaim_discovery.seating import is_alive, is_departing
from essaim_discovery.state import Expelled, Member, State
from essaim_discovery.trial import Round, failed_kinds

RETURN_CREDIT = 8
"""An expelled node that was unreachable is taken back with so much: it has passed 8 rounds."""
EXPELLED_SHARE = 10
"""At most one of so many nodes is DECOMMISSIONED by tests at a time, and one in any case."""
_CAUSE = {TestKind.REACHABILITY: Expelled.UNREACHABLE, TestKind.STORAGE: Expelled.FORGETFUL}


def due_ms(state: State) -> int | None:
    """When the next round begins; None while there are not two nodes to take part."""
    grace_ms = _round_ms(state)
    ready = sorted(
        member.registered_ms + grace_ms
        for member in state.members.values()
        if member.state in (NodeState.ACTIVE, NodeState.DECOMMISSIONED)
    )
    return max(state.round.began_ms + grace_ms, ready[1]) if len(ready) > 1 else None


def turn_round(state: State, serial: int, seed: bytes) -> tuple[State, tuple[Event, ...]]:
    """In the view of `serial`: when the next round is due, the last one is judged and the next begins."""
    due = due_ms(state)
    if due is None or due > state.now_ms or serial < 2:  # the first view follows none: it has no seed
        return state, ()
    state, events = _judged(state)
    return replace(state, round=Round(serial, state.now_ms, seed, tuple(_candidates(state)))), events


def _candidates(state: State) -> list[Candidate]:
    members = [state.members[node_id] for node_id in sorted(state.members)]
    return [
        Candidate(
            member.node_id,
            member.state == NodeState.ACTIVE,
            member.swarm_id if member.descriptor.role == Role.STORAGE else None,
        )
        for member in members
        if takes_part(member.state, member.registered_ms, state.now_ms, state.parameters.away_seconds)
    ]


def _judged(state: State) -> tuple[State, tuple[Event, ...]]:
    judgement = state.round.judge()
    tested = [state.members[each.node_id] for each in state.round.candidates if each.node_id in state.members]
    credited = [replace(each, credit=judgement.credit_of(each.node_id, each.credit)) for each in tested]
    state, events = _taken_back(state.with_members(credited), credited)
    for member in credited:
        causes = failed_kinds(judgement, member.node_id)
        if causes and _may_expel(state, member.node_id):
            state = state.with_member(expelled(member, _CAUSE[max(causes)]))
            events.append(Event(EventKind.DECOMMISSIONED, member.descriptor.role))
    return state, tuple(events)


def _taken_back(state: State, tested: Iterable[Member]) -> tuple[State, list[Event]]:
    back = [each for each in tested if each.expelled == Expelled.UNREACHABLE and each.credit >= RETURN_CREDIT]
    state = state.with_members(recommissioned(each) for each in back)
    return state, [Event(EventKind.RECOMMISSIONED, each.descriptor.role) for each in back]


def expelled(member: Member, cause: Expelled) -> Member:
    """DECOMMISSIONED, its credit spent."""
    return replace(member, state=NodeState.DECOMMISSIONED, expelled=cause, credit=0)


def recommissioned(member: Member) -> Member:
    """ACTIVE again; one that is silent is soon AWAY."""
    return replace(member, state=NodeState.ACTIVE, expelled=Expelled.NO, credit=max(member.credit, RETURN_CREDIT))


def _may_expel(state: State, node_id: bytes) -> bool:
    """Its credit is spent, and the network, and its swarm, can do without one more."""
    member = state.members.get(node_id)
    if member is None or member.state != NodeState.ACTIVE or member.credit > 0:
        return False
    already = sum(each.expelled in (Expelled.UNREACHABLE, Expelled.FORGETFUL) for each in state.members.values())
    if already >= max(1, len(state.members) // EXPELLED_SHARE):
        return False
    return all(_spares_one(state, swarm_id, node_id) for swarm_id in {member.swarm_id, member.next_id} - {None})


def _spares_one(state: State, swarm_id: int | None, node_id: bytes) -> bool:
    """Whether a swarm has a quorum of members who live and stay without that one."""
    members = [each for each in state.members.values() if swarm_id in (each.swarm_id, each.next_id)]
    others = [each for each in members if each.node_id != node_id]
    sound = sum(is_alive(each, state) and not is_departing(each, state) for each in others)
    return sound >= quorum(len(members))


def _round_ms(state: State) -> int:
    """How long a round takes, and how long a node is listed before it takes part."""
    return state.parameters.away_seconds * 1_000
