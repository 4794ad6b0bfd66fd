"""A clock for the log: it follows the machine's, but never goes back and never stands still."""

import time
from collections.abc import Callable


class SteadyClock:
    """When the machine's clock is set back, time goes on from where it was, at its own pace: views keep coming, each
    valid from a later time than the one before. Another start with a right clock catches up."""

    def __init__(
        self,
        now_ms: Callable[[], int],
        floor_ms: int,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`floor_ms`: the latest time that the log knows."""
        self._wall_ms = now_ms
        self._monotonic_ns = monotonic_ns
        self._floor_ms = floor_ms
        self._since_ns = monotonic_ns()

    def now_ms(self) -> int:
        """Unix milliseconds."""
        elapsed_ms = (self._monotonic_ns() - self._since_ns) // 1_000_000
        reached_ms = self._floor_ms + elapsed_ms
        wall_ms = self._wall_ms()
        if wall_ms > reached_ms:
            self._floor_ms, self._since_ns = wall_ms, self._monotonic_ns()
            return wall_ms
        return reached_ms
