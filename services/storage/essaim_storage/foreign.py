"""What moved away is kept for a while, for those whose view is older, then dropped, a little at a time."""

from dataclasses import dataclass

from essaim_storage.arc import Arcs
from essaim_storage.effects import DropForeign, Effect, SetTimer
from essaim_storage.journal import Journal
from essaim_storage.store import Store
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning


@dataclass(frozen=True, slots=True)
class ForeignTimer:
    """The grace is over."""


class Foreign:
    """The grace begins anew with each change of what this node keeps, and with each start."""

    def __init__(self, swarm: Swarm, store: Store, journal: Journal, tuning: Tuning) -> None:
        self._swarm = swarm
        self._store = store
        self._journal = journal
        self._tuning = tuning
        self._kept: Arcs | None = None
        self._moves = False

    def view_changed(self) -> list[Effect]:
        kept, moves = self._swarm.kept, self._swarm.moves
        if (kept, moves) == (self._kept, self._moves):
            return []
        self._kept, self._moves = kept, moves
        # Were there nothing foreign yet: a batch under way may bring what this node does not keep any more.
        return [SetTimer(ForeignTimer(), self._tuning.foreign_ms)]

    def time_is_up(self) -> list[Effect]:
        """Nothing is dropped while a range of this node moves: the move may be taken back."""
        if self._swarm.moves or self._kept is None:
            return [SetTimer(ForeignTimer(), self._tuning.foreign_ms)]
        if not self._store.holds_outside(self._kept):
            return []
        self._journal.change(DropForeign(self._kept, self._tuning.foreign_mailboxes))
        return [SetTimer(ForeignTimer(), self._tuning.foreign_pause_ms)]
