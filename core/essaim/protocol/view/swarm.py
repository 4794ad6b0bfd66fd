"""Which swarm keeps a mailbox: swarm ids on a ring of 64 bits, the nearest to the mailbox's position."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from essaim.protocol.kdf import blake2b256

if TYPE_CHECKING:
    from essaim.protocol.view.node import Node

POSITION_LABEL = b"essaim/swarm/v1"
RING = 1 << 64
_CACHED_POSITIONS = 4_096


class Swarm(NamedTuple):
    """The storage nodes that keep the same mailboxes, in order of node id."""

    swarm_id: int
    members: "tuple[Node, ...]"

    @property
    def quorum(self) -> int:
        """W = r // 2 + 1."""
        return len(self.members) // 2 + 1

    @property
    def node_ids(self) -> frozenset[bytes]:
        """Who is in it."""
        return frozenset(node.node_id for node in self.members)


def grouped(places: "Iterable[tuple[int | None, Node]]") -> Mapping[int, Swarm]:
    """The swarms, by id, of nodes in order of node id, each with the swarm that it is in."""
    members: dict[int, list[Node]] = {}
    for swarm_id, node in places:
        if swarm_id is not None:
            members.setdefault(swarm_id, []).append(node)
    return {swarm_id: Swarm(swarm_id, tuple(nodes)) for swarm_id, nodes in sorted(members.items())}


@lru_cache(_CACHED_POSITIONS)
def position_of(mailbox_id: bytes) -> int:
    """First 8 bytes, big-endian, of BLAKE2b-256("essaim/swarm/v1" || mailbox id)."""
    return int.from_bytes(blake2b256(POSITION_LABEL, mailbox_id)[:8])


def nearest(position: int, swarm_ids: Iterable[int]) -> int:
    """The swarm id nearest on the ring, ties to the lower. ValueError when there is none."""
    return min(swarm_ids, key=lambda each: (_distance(position, each), each))


def _distance(first: int, second: int) -> int:
    clockwise = (first - second) % RING
    return min(clockwise, RING - clockwise)
