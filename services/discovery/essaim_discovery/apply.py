"""The one function that changes discovery's state: the same log gives the same state, whoever drives it.

No wall clock, float, order of a dict or randomness is in it: time enters as `Tick` alone. Embedded, a SQLite log feeds
it; behind CometBFT, blocks will (a tick for each block's time). Transactions on stake, names and node tests join the
table below.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.view import MalformedError, NodeState, Role
from essaim_discovery.events import Event, EventKind
from essaim_discovery.passing import resume, tick
from essaim_discovery.placement import assign
from essaim_discovery.registration import register
from essaim_discovery.standing import leave, prove_uptime, publish_keys
from essaim_discovery.state import Member, State
from essaim_discovery.transaction import Checked, Resume, Tick, check

Applied = tuple[State, tuple[Event, ...]]

_BODIES: Mapping[str, Callable[[State, Checked], Applied]] = MappingProxyType(
    {"register": register, "publish_keys": publish_keys, "prove_uptime": prove_uptime, "leave": leave}
)


def apply(state: State, transaction: Tick | Resume | discovery_pb2.SignedTransaction) -> Applied:
    """The state after a transaction, and what happened. A ProtocolError refuses it: the state stays as it was.

    Repeating the last applied transaction of a node is not refused, and changes nothing.
    """
    if isinstance(transaction, Tick):
        return _placed(*tick(state, transaction))
    if isinstance(transaction, Resume):
        return _placed(*resume(state, transaction))
    checked = check(state, transaction)
    if checked.repeated:
        return state, ()
    body = _BODIES.get(checked.message.WhichOneof("body") or "")
    if body is None:
        raise MalformedError("a transaction of an unknown kind")
    return _placed(*body(state, checked))


def _placed(state: State, events: tuple[Event, ...]) -> Applied:
    """With the storage nodes in their swarms."""
    storage = [state.members[node_id] for node_id in sorted(state.members) if _stores(state.members[node_id])]
    former = {member.node_id: member.swarm_id for member in storage if member.swarm_id is not None}
    ready = {member.node_id for member in storage if member.state == NodeState.ACTIVE}
    placed = assign(former, [member.node_id for member in storage], ready, state.parameters.swarm_sizes)
    moved = [member for member in storage if placed.get(member.node_id) != member.swarm_id]
    for member in moved:
        state = state.with_member(replace(member, swarm_id=placed.get(member.node_id)))
    return state, events + _swarm_events(set(former.values()), set(placed.values()), len(moved))


def _stores(member: Member) -> bool:
    return member.descriptor.role == Role.STORAGE and member.state != NodeState.DECOMMISSIONED


def _swarm_events(former: set[int], placed: set[int], moved: int) -> tuple[Event, ...]:
    formed = [Event(EventKind.SWARM_FORMED)] * len(placed - former)
    dissolved = [Event(EventKind.SWARM_DISSOLVED)] * len(former - placed)
    return (*formed, *dissolved, *[Event(EventKind.MOVED, Role.STORAGE)] * moved)
