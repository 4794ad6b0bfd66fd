"""What this node may say of itself: that it has all that was acknowledged, now for its readers, and for a move.

A disk that is *intact* holds all that it ever acknowledged, so with r - W others it makes r - W + 1 members: one of
them has any acknowledged record. A fresh disk (new, or lost) needs r - W + 1 others that are not fresh themselves; or
simply all the others, as when a swarm starts for the first time.

For a move the same, but each of the old members counts only from when its disk says that it takes no write under a view
from before the move (`adopted`): what older coordinators had acknowledged by then is there, and later they cannot any
more. What newer ones acknowledge is on W of the new members by their own quorum.
"""

from dataclasses import dataclass, field

from essaim_storage.arc import NOTHING, Arcs
from essaim_storage.placement import Range
from essaim_storage.swarm import Swarm


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a member had of these positions is here. `adopted`: by the member when that began."""

    arcs: Arcs
    adopted: int


@dataclass
class Completeness:
    """`intact`, and what was compared with whom."""

    swarm: Swarm
    intact: bool
    fresh: dict[bytes, bool] = field(default_factory=dict)
    """Of the members that said so."""
    incomplete: bool = True
    """Whether a reader may miss something here."""
    _complete: Arcs = NOTHING
    _transferred: dict[int, Arcs] = field(default_factory=dict)
    _compared: dict[bytes, list[Comparison]] = field(default_factory=dict)

    @property
    def transfers(self) -> tuple[Range, ...]:
        """Ranges that move to this node, too."""
        return tuple(each for each in self.swarm.ranges if each.moves and self.swarm.own_id in each.next)

    def unfinished(self) -> bool:
        """Whether there is still something to be compared."""
        return self.incomplete or not all(map(self._is_transferred, self.transfers))

    def lacks(self, member: bytes, adopted: int) -> bool:
        """Whether comparing with the member, which adopted this serial, would help."""
        for each in self.swarm.ranges:
            if member not in each.now or member == self.swarm.own_id:
                continue
            serves = self.swarm.own_id in each.now and not each.arcs <= self._complete
            moves = each.moves and adopted >= each.move_serial and not self._is_transferred(each)
            if (serves and not self._met(member, each, 0)) or (moves and not self._met(member, each, each.move_serial)):
                return True
        return False

    def finished_move(self) -> tuple[int, int] | None:
        """(swarm, serial) of the move that is over as far as this node is concerned."""
        transfers = self.transfers
        if not transfers or not self.intact or not all(map(self._is_transferred, transfers)):
            return None
        serial = max(each.move_serial for each in transfers)
        return (transfers[0].next_id, serial) if self.swarm.adopted >= serial else None

    # ---- what happens

    def compared(self, member: bytes, arcs: Arcs, adopted: int) -> None:
        """A round with the member is over."""
        found = [each for each in self._compared.get(member, ()) if each.adopted > adopted or not each.arcs <= arcs]
        self._compared[member] = [*found, Comparison(arcs, adopted)]

    def forget(self, member: bytes) -> None:
        """It has more than when it was compared with."""
        self._compared.pop(member, None)

    def lost(self) -> None:
        """Something that was here is gone."""
        self.intact, self._complete, self.incomplete = False, NOTHING, True
        self._transferred.clear()
        self._compared.clear()

    def view_changed(self, before: tuple[Range, ...], *, next_view: bool) -> None:
        """The swarm has turned from these ranges; `next_view`: no view was skipped in between."""
        own = self.swarm.own_id
        served = Arcs.of(part for each in before if own in each.now for part in each.arcs.parts)
        known = self._complete & served
        if next_view:
            known = Arcs.of(part for arcs in (known, *self._transferred.values()) for part in arcs.parts)
        else:
            self._compared.clear()
        self._complete = known & self.swarm.served
        moving = {each.move_serial for each in self.swarm.ranges if each.moves}
        self._transferred = {serial: arcs for serial, arcs in self._transferred.items() if serial in moving}
        self.fresh = {member: fresh for member, fresh in self.fresh.items() if member in self.swarm.members}
        self._compared = {
            member: [Comparison(each.arcs & self.swarm.source(member), each.adopted) for each in found]
            for member, found in self._compared.items()
            if member in self.swarm.members
        }
        self._look()

    def _look(self) -> None:
        self.incomplete = not self.swarm.ranges or not self.swarm.served <= self._complete

    def judge(self) -> bool:
        """Take note of what is complete now. True: all is, but the disk has to say so first (`settle`)."""
        if not self.intact:
            return all(map(self._is_done, self.swarm.ranges)) and bool(self.swarm.ranges)
        self._note()
        return False

    def settle(self) -> None:
        """The disk says that it is intact."""
        self._note()
        self.intact = True
        self._note()

    def _note(self) -> None:
        for each in self.swarm.ranges:
            if self.swarm.own_id in each.now and not each.arcs <= self._complete and self._is_enough(each):
                self._complete |= each.arcs
            if each.moves and self.swarm.own_id in each.next and self._has_all_for_move(each):
                self._transferred[each.move_serial] = self._moving(each.move_serial) | each.arcs
        self._look()

    # ---- rules

    def _is_done(self, where: Range) -> bool:
        own = self.swarm.own_id
        if own in where.now and not (where.arcs <= self._complete or self._is_enough(where)):
            return False
        moves = where.moves and own in where.next
        return not moves or self._is_transferred(where) or self._has_all_for_move(where)

    def _moving(self, serial: int) -> Arcs:
        return self._transferred.get(serial, NOTHING)

    def _is_transferred(self, where: Range) -> bool:
        return where.arcs <= self._moving(where.move_serial)

    def _is_enough(self, where: Range) -> bool:
        return self._quorum(where, adopted=0, own=self.intact)

    def _has_all_for_move(self, where: Range) -> bool:
        own = self.swarm.own_id in where.now and self.intact and self.swarm.adopted >= where.move_serial
        return self._quorum(where, adopted=where.move_serial, own=own)

    def _quorum(self, where: Range, adopted: int, *, own: bool) -> bool:
        """Whether this node, if it counts, and those that it was compared with, are r - W + 1 of the members of now."""
        others = where.now - {self.swarm.own_id}
        met = {each for each in others if self._met(each, where, adopted)}
        counted = [each for each in met if not self.fresh.get(each, True)]
        return met == others or len(counted) + own >= self.swarm.read_quorum(where.now)

    def _met(self, member: bytes, where: Range, adopted: int) -> bool:
        return any(each.adopted >= adopted and where.arcs <= each.arcs for each in self._compared.get(member, ()))
