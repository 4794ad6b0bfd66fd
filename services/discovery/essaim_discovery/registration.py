"""Registering a start of a node: its descriptor and first keys take the place of those of its former start."""

from dataclasses import replace

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.view import Descriptor, NodeState, WrongNetworkError
from essaim.protocol.view.wire import require
from essaim.view.v1 import view_pb2
from essaim_discovery import keys
from essaim_discovery.events import Event, EventKind
from essaim_discovery.refusal import (
    ClockError,
    NetworkFullError,
    OldDescriptorError,
    RoleChangedError,
)
from essaim_discovery.state import Expelled, Member, PublishedKeys, State
from essaim_discovery.transaction import Checked

ISSUE_WINDOW_MS = 3_600_000
"""How far a descriptor's time may be from discovery's: nodes correct their clocks, discovery restarts."""
REMEMBERED_MS = 2 * ISSUE_WINDOW_MS
"""How long the last sequence of a departed node is kept: what it signed before is then too old to register."""
MAX_NODES = 5_000


def register(state: State, checked: Checked) -> tuple[State, tuple[Event, ...]]:
    """A node, or another start of it, is listed. Its places and the time of its first registration stay."""
    body = checked.message.register
    descriptor = _descriptor(state, checked.node_id, body)
    published = keys.merged((), keys.read(body.keys, descriptor, state.parameters.key_periods, state.now_ms))
    keys.check_complete(published)
    former = state.members.get(checked.node_id)
    if former is None and len(state.members) >= MAX_NODES:
        raise NetworkFullError("no room for another node")
    if former is not None:
        _check_continues(former, descriptor)
    kind = EventKind.REGISTERED if former is None else EventKind.RESTARTED
    member = _member(state, body, descriptor, published, checked)
    return state.with_member(member), (Event(kind, descriptor.role),)


def _descriptor(state: State, node_id: bytes, body: discovery_pb2.Register) -> Descriptor:
    descriptor = Descriptor.parse(body.descriptor)
    require(descriptor.node_id == node_id, "a node registers itself")
    require(descriptor.role.known, "discovery lists no node of a role that it does not know")
    if descriptor.network_id != state.network_id:
        raise WrongNetworkError("a descriptor of another network")
    if abs(descriptor.issued_ms - state.now_ms) > ISSUE_WINDOW_MS:
        raise ClockError("the descriptor's time is more than an hour away from discovery's")
    return descriptor


def _check_continues(former: Member, descriptor: Descriptor) -> None:
    if former.descriptor.role != descriptor.role:
        raise RoleChangedError("a node keeps its role")
    if descriptor.sequence <= former.descriptor.sequence:
        raise OldDescriptorError("the sequence of a node's descriptors grows")


def _member(
    state: State,
    body: discovery_pb2.Register,
    descriptor: Descriptor,
    published: tuple[PublishedKeys, ...],
    checked: Checked,
) -> Member:
    former = state.members.get(checked.node_id)
    signed = view_pb2.SignedDescriptor(descriptor=body.descriptor.descriptor, signature=body.descriptor.signature)
    piece = signed.SerializeToString(deterministic=True)
    if former is not None:
        return replace(
            former,
            descriptor=descriptor,
            descriptor_piece=piece,
            keys=published,
            state=_state_after_restart(former),
            proven_ms=state.now_ms,
            seen=checked.seen,
            gone=False,
        )
    new = Member(descriptor, piece, published, NodeState.ACTIVE, None, state.now_ms, state.now_ms, checked.seen)
    departed = state.departed.get(checked.node_id)
    if departed is None or departed.expelled == Expelled.NO:
        return new
    return replace(new, state=NodeState.DECOMMISSIONED, expelled=departed.expelled, credit=0)


def _state_after_restart(former: Member) -> NodeState:
    """An expelled node comes back as one, and one that an authority retired goes on leaving."""
    if former.expelled != Expelled.NO:
        return NodeState.DECOMMISSIONED
    return NodeState.LEAVING if former.retired and former.placed else NodeState.ACTIVE
