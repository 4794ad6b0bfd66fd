"""Hop-by-hop back-pressure: a call's reply cells leave only against grants, and are granted again once handed on.

A new call has a grant of 4 / 2 / 1 reply cells (small, medium, large). The receiver gives back what it has handed on
in lots of half of that, so that a single reply costs no GRANT at all.
"""

from collections import deque

from essaim.protocol.geometry import CELL_SIZES, INITIAL_GRANTS, CellClass
from essaim.protocol.link.refusal import LinkBrokenError

MAX_GRANT = 1 << 16
"""More than the replies that a call may have is never granted."""


class SendCredit:
    """The acceptor's side of one call: what it may send now, and the cells that wait for a grant."""

    __slots__ = ("_waiting", "credit")

    def __init__(self, reply_class: CellClass) -> None:
        self.credit = INITIAL_GRANTS[reply_class]
        self._waiting: deque[tuple[int, bytes]] | None = None  # most calls never need one

    @property
    def blocked(self) -> bool:
        """Whether cells wait."""
        return bool(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the cells that wait."""
        return sum(len(cell) for _, cell in self._waiting or ())

    def offer(self, seq: int, cell: bytes) -> bool:
        """Whether this cell may leave now; else it is kept."""
        if self.credit and not self._waiting:
            self.credit -= 1
            return True
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((seq, cell))
        return False

    def granted(self, cells: int) -> list[tuple[int, bytes]]:
        """The cells that a GRANT sets free, in order."""
        self.credit = min(self.credit + cells, MAX_GRANT)
        if not self._waiting:
            return []
        freed = [self._waiting.popleft() for _ in range(min(self.credit, len(self._waiting)))]
        self.credit -= len(freed)
        return freed

    def drop(self) -> None:
        """Forget the cells that wait."""
        self._waiting = None


class ReceiveCredit:
    """The dialler's side of one call: what may still come, and what is to be granted anew."""

    __slots__ = ("_handed", "_initial", "_outstanding", "_size")

    def __init__(self, reply_class: CellClass) -> None:
        self._initial = self._outstanding = INITIAL_GRANTS[reply_class]
        self._size = CELL_SIZES[reply_class]
        self._handed = 0

    def received(self, cell: bytes) -> None:
        """A reply cell came; LinkBrokenError when it was not granted, or has not the size asked for."""
        if not self._outstanding or len(cell) != self._size:
            raise LinkBrokenError("a reply cell that was not granted")
        self._outstanding -= 1

    def consumed(self, cells: int) -> int:
        """So many cells were handed on; what to GRANT now, often 0."""
        self._handed += cells
        if self._handed * 2 < self._initial:
            return 0
        grant, self._handed = self._handed, 0
        self._outstanding += grant
        return grant
