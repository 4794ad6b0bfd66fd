"""A clock that stands still until it is moved."""

MONDAY_MS = 1_798_416_000_000  # 2026-12-28T00:00:00Z: a whole hour, day and week, so that periods begin with it


class FakeClock:
    """An `essaim.runtime.clock.Clock` in a test's hand."""

    def __init__(self, now_ms: int = MONDAY_MS) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, milliseconds: int) -> None:
        """Forward, or backward as a wrong clock would."""
        self._now_ms += milliseconds
