"""Freshness and replay: an exact set of the tags seen under one key pair, no older than the issue window.

A tag is derived from the same secret as the MAC over the issue minute, so it can come back only with the same minute;
one set for each minute is enough, and a set is dropped when its minute is stale. In memory only: a restarted node
has other keys.
"""

from essaim.protocol.onion.refusal import ReplayError, ReplayWindowFullError, StaleError

MINUTE_MS = 60_000
MAX_AGE_MINUTES = 5
MAX_AHEAD_MINUTES = 1
MAX_TAGS = 1 << 21
"""Tags under one key pair: 5,000 cells a second all through the window, more than one process opens; some 250 MB."""
ISSUE_WINDOW_MS = (MAX_AGE_MINUTES + MAX_AHEAD_MINUTES) * MINUTE_MS


def minute_of(now_ms: int) -> int:
    """The issue minute of a cell made now: unix minutes, rounded down, as all senders do."""
    return now_ms // MINUTE_MS


class ReplayWindow:
    """The tags seen under one key pair."""

    def __init__(self, max_tags: int = MAX_TAGS) -> None:
        self._max_tags = max_tags
        self._seen: dict[int, set[bytes]] = {}
        self._forgotten = -1  # the newest minute whose tags were dropped: a clock set back must not open it again

    def __len__(self) -> int:
        return sum(map(len, self._seen.values()))

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
            seen = self._seen[minute] = set()
        if tag in seen:
            raise ReplayError("seen before")
        if len(self) >= self._max_tags:
            self._forget(now)
            if len(self) >= self._max_tags:
                raise ReplayWindowFullError("as many cells as can be remembered")
        seen.add(tag)

    def _forget(self, now: int) -> None:
        for minute in [each for each in self._seen if each < now - MAX_AGE_MINUTES]:
            del self._seen[minute]
            self._forgotten = max(self._forgotten, minute)
