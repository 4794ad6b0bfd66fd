"""The calls of one link, at both of its ends: who is open, who may be opened, when the link breaks its word.

The dialler numbers calls from 1, upwards without reuse; so a frame for a number never opened breaks the link, one for a
number that has ended is late and means nothing.
"""

from dataclasses import dataclass
from itertools import product
from typing import Generic, TypeVar

from essaim.protocol.geometry import CELL_SIZES, CellClass
from essaim.protocol.link.frame import MESSAGE_CLASS
from essaim.protocol.link.refusal import LinkBrokenError

MAX_CALL = (1 << 32) - 1
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Total:
    """What all clients together may hold at a node: each new connection would else bring a budget of its own."""

    max_bytes: int
    held: int = 0


@dataclass(slots=True, weakref_slot=True, eq=False)
class Budget:
    """What one peer (a client: one connection) may hold at a node, over all of its links."""

    max_calls: int
    max_bytes: int
    calls: int = 0
    held: int = 0
    """Bytes of reply cells that wait to leave to this peer; of a client also the requests of its open calls."""
    total: Total | None = None
    """Of all clients, where this is one."""

    def admits(self) -> bool:
        """Whether one more call may be opened; else it is refused BUSY."""
        room_for_all = self.total is None or self.total.held < self.total.max_bytes
        return self.calls < self.max_calls and self.held < self.max_bytes and room_for_all

    def open(self, cell: bytes) -> None:
        """A call with this request; `close` it with the same.

        A client's costs its request too: it chooses how large and for how long. A node has its calls.
        """
        self.calls += 1
        if self.total is not None:
            self.take(len(cell))

    def close(self, cell: bytes) -> None:
        """The call has ended."""
        self.calls -= 1
        if self.total is not None:
            self.give(len(cell))

    def take(self, size: int) -> None:
        """So many bytes more are held."""
        self.held += size
        if self.total is not None:
            self.total.held += size

    def give(self, size: int) -> None:
        """So many bytes less."""
        self.take(-size)


@dataclass(frozen=True, slots=True)
class CallClasses:
    """What a cell's plain prefix says of its call."""

    size: int
    """Bytes of the cell."""
    reply: CellClass
    link: CellClass
    """The class of the link that the call belongs on: the larger of the two, so large replies delay no small ones."""


_CLASSES = {
    bytes((cell, reply)): CallClasses(CELL_SIZES[cell], reply, max(cell, reply))
    for cell, reply in product(CellClass, CellClass)
}


def classes_of(cell: bytes) -> CallClasses:
    """The classes in a cell's prefix; LinkBrokenError when its size belies them."""
    classes = _CLASSES.get(cell[2:4])
    if classes is None or len(cell) != classes.size:
        raise LinkBrokenError("a cell whose prefix does not fit it")
    return classes


class CallTable(Generic[T]):
    """The open calls of one link, by number. `T` is whatever the shell keeps for a call."""

    def __init__(self, link_class: int) -> None:
        self.link_class = link_class
        self.newest = 0
        self._open: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._open)

    def next_number(self) -> int:
        """The dialler's number for a new call; LinkBrokenError when they are used up: dial again."""
        if self.newest == MAX_CALL:
            raise LinkBrokenError("no call numbers left")
        return self.newest + 1

    def check_new(self, number: int, seq: int, cell: bytes) -> CellClass:
        """The acceptor's check of a call's first cell; its reply class."""
        if number <= self.newest or seq or self.link_class == MESSAGE_CLASS:
            raise LinkBrokenError("a call that cannot be new here")
        classes = classes_of(cell)
        if classes.link != self.link_class:
            raise LinkBrokenError("a call of another class")
        self.newest = number
        return classes.reply

    def add(self, number: int, call: T) -> None:
        """Open it."""
        if number > self.newest:
            self.newest = number
        self._open[number] = call

    def find(self, number: int) -> T | None:
        """The open call, None when it has ended; LinkBrokenError when there never was one."""
        call = self._open.get(number)
        if call is None and not 0 < number <= self.newest:
            raise LinkBrokenError("a call that never was")
        return call

    def end(self, number: int) -> T | None:
        """Close it; None when it has ended already."""
        return self._open.pop(number, None)

    def drain(self) -> list[T]:
        """Close all; oldest first."""
        calls = list(self._open.values())
        self._open.clear()
        return calls
