"""The passing of time: who goes away, who is dropped, which keys have ended, and when something of that is next due."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from essaim.protocol.view import NodeState, Parameters
from essaim_discovery import keys, verdict
from essaim_discovery.events import Event, EventKind
from essaim_discovery.registration import REMEMBERED_MS
from essaim_discovery.state import Member, State
from essaim_discovery.transaction import Resume, Tick


def tick(state: State, at: Tick) -> tuple[State, tuple[Event, ...]]:
    """Everything that is due at `at.now_ms`."""
    state = replace(state, now_ms=max(state.now_ms, at.now_ms))
    departed = {key: value for key, value in state.departed.items() if value.until_ms > state.now_ms}
    state, events = replace(state, departed=departed), []
    for node_id in sorted(state.members):
        member = state.members[node_id]
        role = member.descriptor.role
        if _dropped_ms(member, state.parameters) <= state.now_ms and not member.placed:
            state = state.without(node_id, state.now_ms + REMEMBERED_MS)
            events.append(Event(EventKind.DROPPED, role))
            continue
        aged, kinds = _aged(member, state.parameters, state.now_ms)
        if kinds:
            state = state.with_member(aged)
            events.extend(Event(kind, role) for kind in kinds)
    return state, tuple(events)


def resume(state: State, at: Resume) -> tuple[State, tuple[Event, ...]]:
    """The time since the last tick is given to everybody."""
    gap = max(0, at.now_ms - state.now_ms)
    members: Mapping[bytes, Member] = {
        node_id: replace(member, proven_ms=member.proven_ms + gap) for node_id, member in state.members.items()
    }
    moves = tuple(replace(move, began_ms=move.began_ms + gap) for move in state.moves)
    tests = replace(state.round, began_ms=state.round.began_ms + gap)
    return tick(replace(state, members=members, moves=moves, round=tests), Tick(at.now_ms))


def next_due_ms(state: State) -> int | None:
    """When a tick, or a view that would be made then, has something to do; None when it never has."""
    dues = [due for member in state.members.values() for due in _dues(member, state.parameters)]
    dues += [move.began_ms + state.parameters.drop_seconds * 1_000 for move in state.moves]
    tests_ms = verdict.due_ms(state)
    return min((due for due in (*dues, tests_ms or 0) if due > state.now_ms), default=None)


def _aged(member: Member, parameters: Parameters, now_ms: int) -> tuple[Member, list[EventKind]]:
    kinds = []
    if member.state == NodeState.ACTIVE and _away_ms(member, parameters) <= now_ms:
        member = replace(member, state=NodeState.AWAY)
        kinds.append(EventKind.WENT_AWAY)
    left = keys.alive(member.keys, parameters.key_periods, now_ms)
    if len(left) < len(member.keys):
        member = replace(member, keys=tuple(left))
        kinds.append(EventKind.KEYS_EXPIRED)
    return member, kinds


def _dues(member: Member, parameters: Parameters) -> Iterator[int]:
    yield _away_ms(member, parameters)
    yield _dropped_ms(member, parameters)
    for each in member.keys:
        yield keys.end_ms(each, parameters.key_periods)


def _away_ms(member: Member, parameters: Parameters) -> int:
    return member.proven_ms + parameters.away_seconds * 1_000


def _dropped_ms(member: Member, parameters: Parameters) -> int:
    return member.proven_ms + parameters.drop_seconds * 1_000
