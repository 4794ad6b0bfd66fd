"""A move: a change of swarms from the view that begins it to the one that ends it or takes it back.

It ends when of each swarm that receives members or range a quorum of NEXT has signed *transfer complete*. It is taken
back, and everybody is where they were, when it cannot end: that loses nothing, for until the end every store is on a
quorum of NOW.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from essaim_discovery.seat import Seat


@dataclass(frozen=True)
class Move:
    """`swarms` take part, `receiving` of them must complete; both ascending. No swarm is in two moves."""

    serial: int
    """Of the view that began it."""
    began_ms: int
    swarms: tuple[int, ...]
    receiving: tuple[int, ...]
    complete: frozenset[tuple[int, bytes]] = frozenset()
    """(swarm id, node id) of those who have signed."""

    def concerns(self, seat: Seat) -> bool:
        """Whether a node takes part: it is, now or next, in one of the swarms."""
        return seat.now in self.swarms or seat.then in self.swarms

    def is_complete(self, seats: Sequence[Seat]) -> bool:
        """Whether the next view ends it."""
        members = {swarm_id: [seat for seat in seats if seat.then == swarm_id] for swarm_id in self.receiving}
        return all(
            sum((swarm_id, seat.node_id) in self.complete for seat in those) >= quorum(len(those))
            for swarm_id, those in members.items()
        )

    def is_hopeless(self, seats: Sequence[Seat], now_ms: int, limit_ms: int) -> bool:
        """Whether the next view takes it back: it is too old, a joiner is lost, a swarm that receives has no quorum of
        living members, or one that gives has lost more than it may."""
        mine = [seat for seat in seats if self.concerns(seat)]
        if now_ms - self.began_ms >= limit_ms or any(seat.now is None and not seat.fit for seat in mine):
            return True
        receive = all(can_serve([seat for seat in mine if seat.then == each]) for each in self.receiving)
        give = all(can_recover([seat for seat in mine if seat.now == each]) for each in self.swarms)
        return not (receive and give)


def quorum(members: int) -> int:
    """W = r // 2 + 1."""
    return members // 2 + 1


def can_serve(members: list[Seat]) -> bool:
    """A quorum is alive."""
    return sum(seat.alive for seat in members) >= quorum(len(members))


def can_recover(members: list[Seat]) -> bool:
    """r - W + 1 are left that are not gone for good: among them is a holder of whatever was acknowledged."""
    return sum(not seat.gone for seat in members) > len(members) - quorum(len(members))
