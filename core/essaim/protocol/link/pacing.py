"""When a batch leaves: at once if the link was idle for T, else T after the last batch; a full batch never waits.

T is short; after a batch that was a quarter full or more, longer: then waiting fills the next one. A fixed linger would
cost every idle cell the wait, flushing on drain alone never forms batches at moderate load. Times are integer
microseconds of any monotonic clock.
"""

from dataclasses import dataclass

BUSY_SHARE = 4
"""A batch of at least 1/4 of the limit means that the link is busy."""


@dataclass(slots=True)
class Pacer:
    """The pacing of one direction of one link. Units: microseconds and bytes."""

    quiet_us: int
    busy_us: int
    limit: int
    _next_us: int = -(1 << 62)

    def due_us(self, queued: int, now_us: int) -> int:
        """The moment when a batch of what is queued may leave; at or before `now_us` means now."""
        return now_us if queued >= self.limit else self._next_us

    def sent(self, size: int, now_us: int) -> None:
        """A batch of `size` bytes was handed over."""
        self._next_us = now_us + (self.busy_us if size * BUSY_SHARE >= self.limit else self.quiet_us)
