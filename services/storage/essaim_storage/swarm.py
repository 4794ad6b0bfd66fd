"""Which ranges of mailboxes this node keeps with whom, by the newest view, and who of them a link leads to."""

from collections.abc import Collection
from dataclasses import dataclass, field

from essaim.protocol.view.swarm import position_of
from essaim_storage.arc import NOTHING, Arcs
from essaim_storage.placement import Range


def quorum_of(members: Collection[bytes]) -> int:
    """W = r//2 + 1; of nobody, nobody is asked."""
    return len(members) // 2 + 1 if members else 0


@dataclass
class Swarm:
    """Changed by the node alone, read by every machine."""

    own_id: bytes
    serial: int = 0
    ranges: tuple[Range, ...] = ()
    linked: set[bytes] = field(default_factory=set)
    floor: int = 0
    """Writes under an older view than this serial are refused from now on."""
    adopted: int = 0
    """The same, on the disk: what was written before is committed, and a crash changes nothing."""
    members: frozenset[bytes] = frozenset()

    _sources: dict[bytes, Arcs] = field(default_factory=dict)

    def turn_to(self, serial: int, ranges: tuple[Range, ...]) -> None:
        """A newer view."""
        self.serial, self.ranges = serial, ranges
        self.members = frozenset().union(*(each.members for each in ranges))
        self._sources = {
            member: Arcs.of(part for each in ranges if member in each.now for part in each.arcs.parts)
            for member in self.members
        }

    @property
    def others(self) -> tuple[bytes, ...]:
        """The other members of this node's ranges, now and next, in a fixed order."""
        return tuple(sorted(self.members - {self.own_id}))

    def reaches(self, member: bytes) -> bool:
        """Another member with a link that stands."""
        return member in self.linked and member in self.members and member != self.own_id

    # ---- mailboxes

    def range_of(self, mailbox_id: bytes) -> Range | None:
        """The range that a mailbox is in, if this node keeps it now or next."""
        position = position_of(mailbox_id)
        return next((each for each in self.ranges if position in each.arcs), None)

    def serves(self, mailbox_id: bytes) -> bool:
        """Whether clients are answered here."""
        found = self.range_of(mailbox_id)
        return found is not None and self.own_id in found.now

    def keeps(self, mailbox_id: bytes) -> bool:
        """Whether it is kept here, for clients of now or of later."""
        return self.range_of(mailbox_id) is not None

    def shared(self, member: bytes) -> Arcs:
        """Positions that this node and the other keep, now or next."""
        return Arcs.of(part for each in self.ranges if member in each.members for part in each.arcs.parts)

    def source(self, member: bytes) -> Arcs:
        """Positions that the other keeps now, so that what this node misses there is asked of it."""
        return self._sources.get(member, NOTHING)

    @property
    def served(self) -> Arcs:
        """Positions of the mailboxes whose clients are answered here."""
        return self.source(self.own_id)

    @property
    def kept(self) -> Arcs:
        """Positions of all that is kept here."""
        return Arcs.of(part for each in self.ranges for part in each.arcs.parts)

    @property
    def moves(self) -> bool:
        """Whether any of this node's ranges is moving."""
        return any(each.moves for each in self.ranges)

    # ---- how many are enough

    def write_quorum(self, members: Collection[bytes]) -> int:
        return quorum_of(members)

    def read_quorum(self, members: Collection[bytes]) -> int:
        """r - W + 1: so many members always include one of any W."""
        return len(members) - quorum_of(members) + 1 if members else 0

    def enough(self, where: Range, holders: Collection[bytes]) -> bool:
        """Whether W of the members of now and W of those of next are among the holders."""
        return all(len(each & set(holders)) >= self.write_quorum(each) for each in (where.now, where.next))
