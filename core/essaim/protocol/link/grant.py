"""Hop-by-hop back-pressure: a call's reply cells leave only against grants, and are granted again once handed on.

A new call has a grant of 4 / 2 / 1 reply cells (small, medium, large). The receiver gives back what it has handed on
in lots of half of that, so that a single reply costs no GRANT at all.
"""

from collections import deque
from dataclasses import dataclass, field

from essaim.protocol.geometry import CellClass
from essaim.protocol.link.refusal import LinkBrokenError

MAX_GRANT = 1 << 16
"""More than the replies that a call may have is never granted."""


@dataclass(slots=True)
class SendCredit:
    """The acceptor's side of one call: what it may send now, and the cells that wait for a grant."""

    reply_class: CellClass
    credit: int = field(init=False)
    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.credit = self.reply_class.initial_grant

    def offer(self, seq: int, cell: bytes) -> bool:
        """Whether this cell may leave now; else it is kept."""
        if self.credit and not self.waiting:
            self.credit -= 1
            return True
        self.waiting.append((seq, cell))
        return False

    def granted(self, cells: int) -> list[tuple[int, bytes]]:
        """The cells that a GRANT sets free, in order."""
        self.credit = min(self.credit + cells, MAX_GRANT)
        freed = [self.waiting.popleft() for _ in range(min(self.credit, len(self.waiting)))]
        self.credit -= len(freed)
        return freed


@dataclass(slots=True)
class ReceiveCredit:
    """The dialler's side of one call: what may still come, and what is to be granted anew."""

    reply_class: CellClass
    outstanding: int = field(init=False)
    handed: int = 0

    def __post_init__(self) -> None:
        self.outstanding = self.reply_class.initial_grant

    def received(self, cell: bytes) -> None:
        """A reply cell came; LinkBrokenError when it was not granted, or has not the size asked for."""
        if not self.outstanding or len(cell) != self.reply_class.size:
            raise LinkBrokenError("a reply cell that was not granted")
        self.outstanding -= 1

    def consumed(self, cells: int) -> int:
        """So many cells were handed on; what to GRANT now, often 0."""
        self.handed += cells
        if self.handed * 2 < self.reply_class.initial_grant:
            return 0
        grant, self.handed = self.handed, 0
        self.outstanding += grant
        return grant
