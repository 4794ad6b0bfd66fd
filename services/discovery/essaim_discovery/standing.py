"""What listed nodes say of themselves afterwards: further keys, that they are up, that they leave."""

from dataclasses import replace

from essaim.protocol.view import NodeState
from essaim_discovery import keys
from essaim_discovery.events import Event, EventKind
from essaim_discovery.refusal import DecommissionedError, NotListedError, WrongStartError
from essaim_discovery.registration import REMEMBERED_MS
from essaim_discovery.state import Member, State
from essaim_discovery.transaction import Checked


def publish_keys(state: State, checked: Checked) -> tuple[State, tuple[Event, ...]]:
    """Further onion keys of the registered start."""
    member, periods = _listed(state, checked), state.parameters.key_periods
    new = keys.read(checked.message.publish_keys.keys, member.descriptor, periods, state.now_ms)
    former = keys.alive(member.keys, periods, state.now_ms)
    changed = replace(member, keys=keys.merged(former, new))
    return state.with_member(changed), (Event(EventKind.KEYS_PUBLISHED, member.descriptor.role),)


def prove_uptime(state: State, checked: Checked) -> tuple[State, tuple[Event, ...]]:
    """The node is up; one that was away is back."""
    member = _listed(state, checked)
    if checked.message.prove_uptime.start_id != member.descriptor.start_id:
        raise WrongStartError("a proof of another start")
    back = member.state == NodeState.AWAY
    proven = replace(member, proven_ms=state.now_ms, state=NodeState.ACTIVE if back else member.state)
    kind = EventKind.RETURNED if back else EventKind.PROVEN
    return state.with_member(proven), (Event(kind, member.descriptor.role),)


def leave(state: State, checked: Checked) -> tuple[State, tuple[Event, ...]]:
    """The node takes no new work, or is gone for good."""
    member = _listed(state, checked)
    role = member.descriptor.role
    if member.state == NodeState.DECOMMISSIONED:
        raise DecommissionedError("an expelled node does not leave: it could register anew")
    if checked.message.leave.gone:
        return state.with_member(member).without(member.node_id, state.now_ms + REMEMBERED_MS), (
            Event(EventKind.GONE, role),
        )
    leaving = replace(member, state=NodeState.LEAVING)
    return state.with_member(leaving), (Event(EventKind.LEAVING, role),)


def _listed(state: State, checked: Checked) -> Member:
    """The node, with this transaction as its last."""
    member = state.members.get(checked.node_id)
    if member is None:
        raise NotListedError("the node is not registered")
    return replace(member, seen=checked.seen)
