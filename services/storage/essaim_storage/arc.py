"""Parts of the ring of 64 bits on which mailboxes have their positions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from essaim.protocol.view.swarm import RING

LAST = RING - 1
Arc = tuple[int, int]
"""First and last position, both included, the first not above the last: what passes zero is two arcs."""


@dataclass(frozen=True)
class Arcs:
    """A set of positions, as arcs that neither touch nor overlap, ascending. Made by `of`."""

    parts: tuple[Arc, ...] = ()

    @classmethod
    def of(cls, parts: Iterable[Arc]) -> "Arcs":
        """The positions of all these."""
        merged: list[Arc] = []
        for first, last in sorted(parts):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def around(cls, first: int, last: int) -> "Arcs":
        """Clockwise from `first` to `last`, both taken modulo the ring."""
        first, last = first % RING, last % RING
        return cls(((first, last),)) if first <= last else cls(((0, last), (first, LAST)))

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __contains__(self, position: int) -> bool:
        return any(first <= position <= last for first, last in self.parts)

    def __or__(self, other: "Arcs") -> "Arcs":
        return Arcs.of((*self.parts, *other.parts))

    def __and__(self, other: "Arcs") -> "Arcs":
        met = ((max(one[0], two[0]), min(one[1], two[1])) for one in self.parts for two in other.parts)
        return Arcs.of((first, last) for first, last in met if first <= last)

    def __sub__(self, other: "Arcs") -> "Arcs":
        return self & other.rest

    def __le__(self, other: "Arcs") -> bool:
        """Whether every position of this is in the other."""
        return self & other == self

    @property
    def rest(self) -> "Arcs":
        """Every position that is not in it."""
        ends = [-1, *(end for part in self.parts for end in part), RING]
        gaps = zip(ends[::2], ends[1::2], strict=True)
        return Arcs(tuple((last + 1, first - 1) for last, first in gaps if last + 1 <= first - 1))


WHOLE = Arcs(((0, LAST),))
NOTHING = Arcs()


def arcs_by_swarm(swarm_ids: Iterable[int]) -> Mapping[int, Arcs]:
    """Which positions each swarm of a ring keeps: the nearest id, ties to the lower (essaim.protocol.view.swarm)."""
    ids = sorted(swarm_ids)
    if len(ids) == 1:
        return {ids[0]: WHOLE}
    reach = [_reach(one, other) for one, other in zip(ids, ids[1:] + ids[:1], strict=True)]
    found = {}
    for at, swarm_id in enumerate(ids):
        before = ids[at - 1] + reach[at - 1] + 1
        found[swarm_id] = Arcs.around(before, swarm_id + reach[at])
    return found


def _reach(one: int, other: int) -> int:
    """How far clockwise a swarm keeps what lies between it and the next: half of the way, a tie if it is the lower."""
    way = (other - one) % RING
    return way // 2 if way % 2 or one < other else way // 2 - 1
