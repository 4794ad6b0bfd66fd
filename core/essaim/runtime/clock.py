"""The wall clock as a parameter, so that a test can own it (`essaim.testing.FakeClock`)."""

import time
from typing import Protocol


class Clock(Protocol):
    """Whatever tells the time."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000
