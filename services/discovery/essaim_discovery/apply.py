"""The one function that changes discovery's state: the same log gives the same state, whoever drives it.

No wall clock, float, order of a dict or randomness is in it: time enters as `Tick` alone, chance as the hash that
`BeginView` brings. Embedded, a SQLite log feeds it; behind CometBFT, blocks will (a tick for each block's time).
Transactions on stake and names join the tables below.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.view import MalformedError, NodeState
from essaim_discovery.command import by_authority, by_node, decommission, recommission, retire
from essaim_discovery.events import Event
from essaim_discovery.passing import resume, tick
from essaim_discovery.registration import register
from essaim_discovery.seating import place
from essaim_discovery.standing import leave, prove_uptime, publish_keys, report_tests, transfer_complete
from essaim_discovery.state import Member, State
from essaim_discovery.transaction import BeginView, Checked, Resume, Tick, check
from essaim_discovery.verdict import turn_round

Applied = tuple[State, tuple[Event, ...]]

_OF_NODES: Mapping[str, Callable[[State, Checked], Applied]] = {
    "register": register,
    "publish_keys": publish_keys,
    "prove_uptime": prove_uptime,
    "leave": leave,
    "transfer_complete": transfer_complete,
    "test_report": report_tests,
}
_OF_AUTHORITIES: Mapping[str, Callable[[State, Checked], Applied]] = {
    "retire": retire,
    "decommission": decommission,
    "recommission": recommission,
}
_BODIES: Mapping[str, Callable[[State, Checked], Applied]] = MappingProxyType(
    {name: by_node(act) for name, act in _OF_NODES.items()}
    | {name: by_authority(act) for name, act in _OF_AUTHORITIES.items()}
)


def apply(state: State, transaction: Tick | Resume | BeginView | discovery_pb2.SignedTransaction) -> Applied:
    """The state after a transaction, and what happened. A ProtocolError refuses it: the state stays as it was.

    Repeating the last applied transaction of a node or authority is not refused, and changes nothing.
    """
    match transaction:
        case Tick():
            return tick(state, transaction)
        case Resume():
            return resume(state, transaction)
        case BeginView():
            return _begin_view(state, transaction)
    checked = check(state, transaction)
    if checked.repeated:
        return state, ()
    body = _BODIES.get(checked.message.WhichOneof("body") or "")
    if body is None:
        raise MalformedError("a transaction of an unknown kind")
    return body(state, checked)


def _begin_view(state: State, at: BeginView) -> Applied:
    """What a view alone decides: the round of node tests, and who keeps what."""
    if at.serial <= state.serial:
        return state, ()
    state, tested = turn_round(state, at.serial, at.previous_hash)
    state, placed = place(state, at.serial, at.previous_hash)
    shown = [_shown(each, at.serial) for each in state.members.values()]
    return replace(state.with_members(shown), serial=at.serial), (*tested, *placed)


def _shown(member: Member, serial: int) -> Member:
    """With the views that first showed it, and that first showed it LEAVING."""
    leaving_serial = (member.leaving_serial or serial) if member.state == NodeState.LEAVING else 0
    shown_serial = member.shown_serial or serial
    if (shown_serial, leaving_serial) == (member.shown_serial, member.leaving_serial):
        return member
    return replace(member, shown_serial=shown_serial, leaving_serial=leaving_serial)
