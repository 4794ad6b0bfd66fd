"""What waits to leave on one direction of a link, and the batches that it leaves in.

A batch holds at most 16 / 4 / 1 cells of the small, medium or large class, in all classes the same 256 KiB, and at
least one; small frames ride along.
"""

from collections import deque

from essaim.protocol.geometry import CELL_SIZES
from essaim.protocol.link.frame import cell_head, message_head

BATCH_BYTES = max(CELL_SIZES)
CONTROL_BYTES = 768
"""Most bytes of small frames in one batch: within what geometry adds to a message for framing."""

Item = tuple[bytes, bytes]
"""(head, body) of a frame; the body of a small frame is empty."""


class Outbox:
    """Frames in order; `queued` counts the bytes of cells and messages that wait."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self.queued = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    def cell(self, call: int, seq: int, cell: bytes) -> None:
        """Queue a CELL frame."""
        self._items.append((cell_head(call, seq, cell), cell))
        self.queued += len(cell)

    def frame(self, encoded: bytes) -> None:
        """Queue a small frame, as its `encode` gives it."""
        self._items.append((encoded, b""))

    def message(self, data: bytes) -> None:
        """Queue a MESSAGE frame."""
        self._items.append((message_head(data), data))
        self.queued += len(data)

    def take(self) -> tuple[list[bytes], int]:
        """The pieces of the next batch, to be joined, and the bytes of its bodies; ([], 0) when nothing waits."""
        pieces: list[bytes] = []
        bodies = control = 0
        while self._items:
            head, body = self._items[0]
            if pieces and (bodies + len(body) > BATCH_BYTES or control + len(head) > CONTROL_BYTES):
                break
            self._items.popleft()
            pieces.append(head)
            control += len(head)
            if body:
                pieces.append(body)
                bodies += len(body)
        self.queued -= bodies
        return pieces, bodies
