"""Freshness and replay: a set of the tags seen under one key pair, no older than the issue window.

A tag is derived from the same secret as the MAC over the issue minute, so it can come back only with the same minute;
one set for each minute is enough, and a set is dropped when its minute is stale. In memory only: a restarted node
has other keys.

Tags are outputs of HKDF: their bytes are as good as any hash of them, and 64 bits of each are kept, 20 bytes of memory
for one where Python's own set takes 110. Of two million tags one is taken for another with a chance of 2^-43 a cell; a
cell that is seen before is refused without exception.
"""

from array import array
from collections import defaultdict

from essaim.protocol.onion.refusal import ReplayError, ReplayWindowFullError, StaleError

MINUTE_MS = 60_000
MAX_AGE_MINUTES = 5
MAX_AHEAD_MINUTES = 1
MAX_TAGS = 1 << 21
"""Tags under one key pair: 5,000 cells a second all through the window, more than one process opens; some 50 MB."""
ISSUE_WINDOW_MS = (MAX_AGE_MINUTES + MAX_AHEAD_MINUTES) * MINUTE_MS
FIRST_SLOTS = 16


def minute_of(now_ms: int) -> int:
    """The issue minute of a cell made now: unix minutes, rounded down, as all senders do."""
    return now_ms // MINUTE_MS


class _Shelf:
    """Tags as 64-bit numbers, none of them 0, each in the first free slot from its own on; at most half are taken."""

    __slots__ = ("_mask", "_slots", "count")

    def __init__(self) -> None:
        self._mask = FIRST_SLOTS - 1
        self._slots = array("Q", bytes(8 * FIRST_SLOTS))
        self.count = 0

    def add(self, number: int, *, full: bool) -> bool:
        """False: it is here. ReplayWindowFullError for a new one where it is `full`."""
        slots, mask = self._slots, self._mask
        at = number & mask
        while held := slots[at]:
            if held == number:
                return False
            at = (at + 1) & mask
        if full:
            raise ReplayWindowFullError("as many cells as can be remembered")
        slots[at] = number
        self.count += 1
        if self.count * 2 > mask:
            self._grow()
        return True

    def _grow(self) -> None:
        numbers = [each for each in self._slots if each]
        self._mask, self.count = self._mask * 2 + 1, 0
        self._slots = array("Q", bytes(8 * (self._mask + 1)))
        for number in numbers:
            self.add(number, full=False)


class ReplayWindow:
    """The tags seen under one key pair; a minute's on 256 shelves by their last byte: none takes long to grow."""

    def __init__(self, max_tags: int = MAX_TAGS) -> None:
        self._max_tags = max_tags
        self._seen: dict[int, defaultdict[int, _Shelf]] = {}
        self._count = 0
        self._forgotten = -1  # the newest minute whose tags were dropped: a clock set back must not open it again

    def __len__(self) -> int:
        return self._count

    def admit(self, tag: bytes, minute: int, now_ms: int) -> None:
        """Remember the tag; StaleError outside the issue window, ReplayError if it is known.

        ReplayWindowFullError at the cap: whoever fills a window that forgets within it can have any cell carried twice,
        and see where both go. To carry nothing for a few minutes tells nobody anything.
        """
        now = minute_of(now_ms)
        if not now - MAX_AGE_MINUTES <= minute <= now + MAX_AHEAD_MINUTES or minute <= self._forgotten:
            raise StaleError("issued outside the window")
        seen = self._seen.get(minute)
        if seen is None:
            self._forget(now)
            seen = self._seen[minute] = defaultdict(_Shelf)
        if self._count >= self._max_tags:
            self._forget(now)
        number = int.from_bytes(tag[:8], "big") or 1
        if not seen[tag[-1]].add(number, full=self._count >= self._max_tags):
            raise ReplayError("seen before")
        self._count += 1

    def _forget(self, now: int) -> None:
        for minute in [each for each in self._seen if each < now - MAX_AGE_MINUTES]:
            self._count -= sum(shelf.count for shelf in self._seen.pop(minute).values())
            self._forgotten = max(self._forgotten, minute)
