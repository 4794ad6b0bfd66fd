"""Which mailboxes this node keeps, and with whom: now, and when the moves of the view have ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from essaim.protocol.view import NetworkView, Node
from essaim_storage.arc import WHOLE, Arcs, arcs_by_swarm

EPOCH_SHIFT = 40


@dataclass(frozen=True, slots=True)
class Place:
    """Where a storage node is by a view. `swarm_id` NOW and `next_id` NEXT (the same where it does not move)."""

    swarm_id: int | None
    next_id: int | None
    move_serial: int = 0


@dataclass(frozen=True)
class Range:
    """Mailboxes that have the same members, now and next. `move_serial`: of the view that began their move, or 0."""

    arcs: Arcs
    now: frozenset[bytes]
    next: frozenset[bytes]
    next_id: int = 0
    move_serial: int = 0

    @classmethod
    def still(cls, members: Iterable[bytes], arcs: Arcs = WHOLE) -> "Range":
        """One that does not move."""
        return cls(arcs, frozenset(members), frozenset(members))

    @property
    def moves(self) -> bool:
        """From the members of now to others: both must have what is stored."""
        return self.now != self.next

    @property
    def members(self) -> frozenset[bytes]:
        return self.now | self.next


def ranges_of(places: Mapping[bytes, Place], own_id: bytes) -> tuple[Range, ...]:
    """The ranges that a node keeps now or next, from the places of all storage nodes."""
    if own_id not in places:
        return ()
    now = _members((each.swarm_id, node_id) for node_id, each in places.items())
    following = _members((each.next_id, node_id) for node_id, each in places.items()) or now
    now_arcs, next_arcs = arcs_by_swarm(now) if now else {}, arcs_by_swarm(following) if following else {}
    found = []
    for now_id, next_id in _pairs(places[own_id], now_arcs, next_arcs):
        arcs = now_arcs.get(now_id, WHOLE) & next_arcs[next_id]
        old, new = now.get(now_id, frozenset()), following[next_id]
        if arcs:
            serial = max(places[node_id].move_serial for node_id in old | new) if old != new else 0
            found.append(Range(arcs, old, new, next_id, serial))
    return tuple(found)


def _pairs(own: Place, now: Mapping[int, Arcs], following: Mapping[int, Arcs]) -> Iterable[tuple[int, int]]:
    """(swarm now, swarm next) of the ranges that may be this node's."""
    before = [(own.swarm_id, each) for each in following] if own.swarm_id is not None else []
    after = [(each, own.next_id) for each in now or (-1,)] if own.next_id is not None else []
    return dict.fromkeys([*before, *after])


def _members(places: Iterable[tuple[int | None, bytes]]) -> dict[int, frozenset[bytes]]:
    found: dict[int, set[bytes]] = {}
    for swarm_id, node_id in places:
        if swarm_id is not None:
            found.setdefault(swarm_id, set()).add(node_id)
    return {swarm_id: frozenset(members) for swarm_id, members in found.items()}


def places_of(view: NetworkView) -> Mapping[bytes, Place]:
    """Of the storage nodes of a signed view. Serials are given as the view's place in the order of all views."""
    nodes = view.nodes.values()
    listed = (each for each in nodes if each.swarm_id is not None or each.next_swarm_id is not None)
    return {each.node_id: Place(each.swarm_id, each.next_swarm_id, _began(view, each)) for each in listed}


def _began(view: NetworkView, node: Node) -> int:
    return order_of(view.epoch, node.move_serial) if node.move_serial else 0


def order_of(epoch: int, serial: int) -> int:
    """Views are ordered by epoch, then serial; this number, too, and by one from a view to the next of its epoch."""
    return epoch << EPOCH_SHIFT | serial


def serial_of(order: int) -> int:
    """The serial within its epoch."""
    return order & ((1 << EPOCH_SHIFT) - 1)
