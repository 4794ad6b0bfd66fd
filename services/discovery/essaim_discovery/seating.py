"""From the state to the places that `placement` works on, and back."""

from dataclasses import replace

from essaim.protocol.view import NodeState, Role
from essaim_discovery.events import Event, EventKind
from essaim_discovery.placement import Placed, Turn, step
from essaim_discovery.registration import REMEMBERED_MS
from essaim_discovery.seat import Seat
from essaim_discovery.state import Member, State


def place(state: State, serial: int, seed: bytes) -> tuple[State, tuple[Event, ...]]:
    """The storage nodes as the view of `serial` shows them. Who leaves and has no place is listed no longer."""
    seats = [seat_of(member, state) for member in state.members.values() if member.descriptor.role == Role.STORAGE]
    limit_ms = state.parameters.drop_seconds * 1_000
    turn = Turn(serial, state.now_ms, seed, state.parameters.swarm_sizes, limit_ms)
    placed = step(seats, state.moves, turn)
    events = _events(state, placed)
    for seat in placed.seats.values():
        member = state.members[seat.node_id]
        if (seat.now, seat.then) != (member.swarm_id, member.next_id):
            state = state.with_member(replace(member, swarm_id=seat.now, next_id=seat.then))
    return _without_leavers(replace(state, moves=placed.moves), events)


def seat_of(member: Member, state: State) -> Seat:
    """A storage node as placement sees it."""
    return Seat(
        member.node_id,
        member.swarm_id,
        member.next_id,
        alive=is_alive(member, state),
        departing=is_departing(member, state),
        gone=is_gone(member, state),
        willing=member.state == NodeState.ACTIVE,
        shown=member.shown_serial > 0,
    )


def is_alive(member: Member, state: State) -> bool:
    """It gave a sign of life within `away_seconds`."""
    return not member.gone and state.now_ms - member.proven_ms < state.parameters.away_seconds * 1_000


def is_gone(member: Member, state: State) -> bool:
    """It does not come back: an authority said so, or it was silent for `drop_seconds`."""
    return member.gone or state.now_ms - member.proven_ms >= state.parameters.drop_seconds * 1_000


def is_departing(member: Member, state: State) -> bool:
    """It is to give up its place."""
    return member.state in (NodeState.LEAVING, NodeState.DECOMMISSIONED) or is_gone(member, state)


def _without_leavers(state: State, events: tuple[Event, ...]) -> tuple[State, tuple[Event, ...]]:
    done = [
        member
        for _, member in sorted(state.members.items())
        if member.descriptor.role == Role.STORAGE
        and not member.placed
        and (_was_told(member) or is_gone(member, state))
    ]
    for member in done:
        state = state.without(member.node_id, state.now_ms + REMEMBERED_MS)
    return state, (*events, *(Event(EventKind.RETIRED, Role.STORAGE) for _ in done))


def _was_told(member: Member) -> bool:
    """An earlier view showed it LEAVING, and it still is."""
    return member.state == NodeState.LEAVING and member.leaving_serial > 0


def _events(state: State, placed: Placed) -> tuple[Event, ...]:
    former = {member.swarm_id for member in state.members.values()} - {None}
    present = {seat.now for seat in placed.seats.values()} - {None}
    begun = len(placed.moves) - len(state.moves) + placed.ended + placed.aborted
    counts = (
        (EventKind.SWARM_FORMED, len(present - former)),
        (EventKind.SWARM_DISSOLVED, len(former - present)),
        (EventKind.MOVE_BEGUN, begun),
        (EventKind.MOVE_ENDED, placed.ended),
        (EventKind.MOVE_ABORTED, placed.aborted),
        (EventKind.SWARM_LOST, placed.lost),
    )
    return tuple(Event(kind, Role.STORAGE) for kind, count in counts for _ in range(count))
