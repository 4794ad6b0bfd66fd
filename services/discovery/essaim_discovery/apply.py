"""The one pure function of discovery: `apply(state, step) -> (state, events)`.

A step is a node's signed transaction or a `Tick`; time enters by ticks alone. The same steps give the same states,
events and views, byte for byte, on every machine: it can be replayed from a log, or stand behind a consensus engine.
Between two views, the order in which different nodes' transactions came does not change the next view.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import Entry, Header, NodeState
from essaim.protocol.view.entry import ordered, root_of
from essaim.view.v1 import view_pb2
from essaim_discovery.assignment import assign
from essaim_discovery.refusal import SequenceError
from essaim_discovery.rules import RULES
from essaim_discovery.state import Answered, Member, State
from essaim_discovery.transaction import Checked, check, kind_of


@dataclass(frozen=True)
class Tick:
    """It is now (at least) so late."""

    now_ms: int


@dataclass(frozen=True)
class Applied:
    """A transaction had its effect, now or when it first came."""

    kind: str
    repeated: bool = False


@dataclass(frozen=True)
class Refused:
    """A transaction had none. `error` is told to the node."""

    kind: str
    error: ProtocolError


@dataclass(frozen=True)
class WentAway:
    """A member has not proved its uptime."""

    node_id: bytes


@dataclass(frozen=True)
class Dropped:
    """A member has been AWAY for too long."""

    node_id: bytes


@dataclass(frozen=True)
class ViewMade:
    """The next view, not yet signed."""

    header: Header
    entries: Mapping[bytes, Entry]


Event = Applied | Refused | WentAway | Dropped | ViewMade


def apply(state: State, step: Tick | bytes) -> tuple[State, tuple[Event, ...]]:
    """The next state. `step` is a Tick, or the bytes of a SignedTransaction, which may be anything at all."""
    return _tick(state, step) if isinstance(step, Tick) else _transact(state, step)


def _transact(state: State, signed: bytes) -> tuple[State, tuple[Event, ...]]:
    try:
        checked = check(signed, state.network_id)
    except ProtocolError as error:
        return state, (Refused(kind_of(signed), error),)
    last = state.answered.get(checked.node_id)
    if last is not None and checked.message.sequence <= last.sequence:
        return state, (_again(checked, last),)
    try:
        after = RULES[checked.kind](state, checked)
    except ProtocolError as error:
        # Not remembered: who holds a node's old bytes could otherwise not be told from the node that corrects itself.
        return state, (Refused(checked.kind, error),)
    answer = Answered(checked.message.sequence, checked.digest)
    return replace(after, answered={**after.answered, checked.node_id: answer}), (Applied(checked.kind),)


def _again(checked: Checked, last: Answered) -> Event:
    """The same one is answered as the first time; an older one was seen, or never came in time."""
    if (checked.message.sequence, checked.digest) == (last.sequence, last.digest):
        return Applied(checked.kind, repeated=True)
    return Refused(checked.kind, SequenceError("older than this node's last transaction"))


def _tick(state: State, tick: Tick) -> tuple[State, tuple[Event, ...]]:
    state = replace(state, now_ms=max(state.now_ms, tick.now_ms))
    events: list[Event] = []
    for node_id, member in sorted(state.members.items()):
        if state.deadline_ms(member) <= state.now_ms:
            state, event = _miss(state, node_id, member)
            events.append(event)
    if state.view_due_ms <= state.now_ms:
        state, made = _make_view(state)
        events.append(made)
    return state, tuple(events)


def _miss(state: State, node_id: bytes, member: Member) -> tuple[State, Event]:
    if member.state == NodeState.AWAY:
        return state.without(node_id), Dropped(node_id)
    return state.with_member(replace(member, state=NodeState.AWAY)), WentAway(node_id)


def _make_view(state: State) -> tuple[State, ViewMade]:
    state = _tidied(state)
    periods, parameters = state.parameters.key_periods, state.parameters
    entries = ordered(member.entry(periods) for member in state.members.values())
    message = view_pb2.Header(
        network_id=state.network_id,
        epoch=state.epoch,
        serial=state.serial + 1,
        previous_hash=state.previous_hash,
        valid_from_ms=state.now_ms,
        fresh_until_ms=state.now_ms + parameters.fresh_seconds * 1_000,
        valid_until_ms=state.now_ms + parameters.valid_seconds * 1_000,
        nodes_root=root_of(entries.values()),
        parameters=parameters.to_message(),
    )
    header = Header.parse(message.SerializeToString(deterministic=True))
    after = replace(state, serial=header.serial, previous_hash=header.hash, made_ms=state.now_ms, changed=False)
    return after, ViewMade(header, entries)


def _tidied(state: State) -> State:
    """Swarms assigned, keys of the past forgotten; a member that is as before stays the same object."""
    storage, periods = state.storage, state.parameters.key_periods
    before = {key: member.swarm_id for key, member in storage.items() if member.swarm_id is not None}
    swarms = assign(before, storage, state.parameters.swarm_sizes)
    members = {}
    for node_id, member in state.members.items():
        records = tuple(each for each in member.records if each.end_ms(periods) > state.now_ms)
        same = records == member.records and swarms.get(node_id) == member.swarm_id
        members[node_id] = member if same else replace(member, records=records, swarm_id=swarms.get(node_id))
    return replace(state, members=members)
