"""An old member adopts the view that begins a move, before it hands anything over.

From the moment it hears of it, it refuses writes of members under an older view; once that is on its disk, behind all
that was taken before, it says so (`Hello.adopted`), and who compares with it from then on has all that the old view
could still acknowledge with its help. A disk that is new, or lost what it had adopted, begins with the view that it
finds.
"""

from dataclasses import dataclass

from essaim_storage.effects import SetAdopted
from essaim_storage.journal import Journal, Settled, Verdict
from essaim_storage.store import Store
from essaim_storage.swarm import Swarm


@dataclass(frozen=True, slots=True)
class AdoptWaits:
    """The serial is on its way to the disk."""

    serial: int


class Adoption:
    """Keeps `Swarm.floor` and `Swarm.adopted`."""

    def __init__(self, swarm: Swarm, store: Store, journal: Journal) -> None:
        self._swarm = swarm
        self._journal = journal
        self._fresh = not store.settled()
        swarm.floor = swarm.adopted = store.adopted()

    def view_changed(self) -> None:
        """Of every move that this node takes part in."""
        if self._fresh and self._swarm.ranges:
            self._fresh = False
            self._swarm.floor = max(self._swarm.floor, self._swarm.serial)
        self._swarm.floor = max(self._swarm.floor, *(each.move_serial for each in self._swarm.ranges), 0)
        if self._swarm.moves:
            self.write()

    def write(self) -> None:
        """Put it on the disk, if it is not there; again, if the disk was full."""
        if self._swarm.adopted < self._swarm.floor:
            self._journal.change(SetAdopted(self._swarm.floor), AdoptWaits(self._swarm.floor))

    def settled(self, settled: Settled) -> bool:
        """Whether it is durable now."""
        assert isinstance(settled.waiter, AdoptWaits)
        if settled.verdict is Verdict.FULL:
            return False
        self._swarm.adopted = max(self._swarm.adopted, settled.waiter.serial)
        return True
