"""What an authority says of nodes: that one shall leave or is gone for good, that one is expelled or taken back."""

from collections.abc import Callable
from dataclasses import replace

from essaim.protocol.view import NodeState
from essaim_discovery.events import Event, EventKind
from essaim_discovery.refusal import NotAuthorityError, NotListedError
from essaim_discovery.registration import REMEMBERED_MS
from essaim_discovery.state import Expelled, Member, State
from essaim_discovery.transaction import Checked
from essaim_discovery.verdict import expelled, recommissioned

Applied = tuple[State, tuple[Event, ...]]


def retire(state: State, checked: Checked) -> Applied:
    """The node shall leave; `gone`: its process and disk are no more."""
    body = checked.message.retire
    state, member = _spoken(state, checked), _named(state, body.node_id)
    happened = Event(EventKind.RETIRING, member.descriptor.role)
    if body.gone and not member.placed:
        return state.without(member.node_id, state.now_ms + REMEMBERED_MS), (happened,)
    kept = member.state if member.state == NodeState.DECOMMISSIONED else NodeState.LEAVING
    return state.with_member(replace(member, state=kept, retired=True, gone=body.gone)), (happened,)


def decommission(state: State, checked: Checked) -> Applied:
    """The node is expelled until an authority takes it back."""
    state, member = _spoken(state, checked), _named(state, checked.message.decommission.node_id)
    happened = Event(EventKind.DECOMMISSIONED, member.descriptor.role)
    return state.with_member(expelled(member, Expelled.BY_AUTHORITY)), (happened,)


def recommission(state: State, checked: Checked) -> Applied:
    """The node is taken back, listed or remembered as expelled."""
    node_id = checked.message.recommission.node_id
    state, former = _spoken(state, checked), state.departed.get(node_id)
    if former is not None and former.expelled != Expelled.NO:
        departed = {**state.departed, node_id: replace(former, expelled=Expelled.NO)}
        return replace(state, departed=departed), (Event(EventKind.RECOMMISSIONED),)
    member = _named(state, node_id)
    happened = Event(EventKind.RECOMMISSIONED, member.descriptor.role)
    back = recommissioned(member) if member.expelled != Expelled.NO else member
    return state.with_member(back), (happened,)


def by_authority(act: Callable[[State, Checked], Applied]) -> Callable[[State, Checked], Applied]:
    """NOT_AUTHORITY for anybody else."""

    def checked_act(state: State, checked: Checked) -> Applied:
        if checked.node_id not in state.spoken:
            raise NotAuthorityError("only an authority can say this")
        return act(state, checked)

    return checked_act


def by_node(act: Callable[[State, Checked], Applied]) -> Callable[[State, Checked], Applied]:
    """NOT_AUTHORITY for an authority: its key is no node's identity."""

    def checked_act(state: State, checked: Checked) -> Applied:
        if checked.node_id in state.spoken:
            raise NotAuthorityError("an authority is no node")
        return act(state, checked)

    return checked_act


def _spoken(state: State, checked: Checked) -> State:
    return replace(state, spoken={**state.spoken, checked.node_id: checked.seen})


def _named(state: State, node_id: bytes) -> Member:
    member = state.members.get(node_id)
    if member is None:
        raise NotListedError("the node is not registered")
    return member
