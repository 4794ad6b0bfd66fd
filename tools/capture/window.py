"""Whether eight bytes in a row that came into a node left it again, anywhere."""

from array import array
from collections.abc import Iterable, Iterator

WINDOW = 8


def shared(came: Iterable[bytes], left: Iterable[bytes]) -> int:
    """How many windows are in both."""
    seen: set[int] = set()
    for windows in _windows(came):
        seen.update(windows)
    return len({window for windows in _windows(left) for window in seen.intersection(windows)})


def _windows(pieces: Iterable[bytes]) -> "Iterator[array[int]]":
    """Each window is a number of 64 bits; one array for each of the eight places where they can begin."""
    for piece in pieces:
        for shift in range(WINDOW):
            whole = (len(piece) - shift) // WINDOW * WINDOW
            if whole > 0:
                yield array("Q", piece[shift : shift + whole])
