"""The corrected clock: issue minutes, view expiry and mailbox days are judged by it, never by a wrong local clock.

Pure but for the two callables that it is given. Rule (docs/protocol/onion.md, "Time"): the median of what three nodes
say, never below the newest signed view; the own clock where it is within a minute of that; the own clock, never below
the view, where fewer than three answer.
"""

from collections.abc import Callable, Sequence
from statistics import median_low

OWN_CLOCK_TRUSTED_MS = 60_000
ANSWERS_NEEDED = 3


class CorrectedClock:
    """Unix milliseconds that nodes will accept."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._own_now_ms = now_ms
        self._offset_ms = 0
        self._floor_ms = 0

    def now_ms(self) -> int:
        return max(self._own_now_ms() + self._offset_ms, self._floor_ms)

    @property
    def offset_ms(self) -> int:
        """What is added to the own clock; 0 where that is trusted."""
        return self._offset_ms

    def never_below(self, view_time_ms: int) -> None:
        """A signed view says that it is at least this late."""
        self._floor_ms = max(self._floor_ms, view_time_ms)

    def learn(self, offsets_ms: Sequence[int]) -> None:
        """Node time minus own time, as several nodes told it at once; fewer than three change nothing."""
        if len(offsets_ms) < ANSWERS_NEEDED:
            return
        offset = median_low(offsets_ms)
        self._offset_ms = 0 if abs(offset) <= OWN_CLOCK_TRUSTED_MS else offset
