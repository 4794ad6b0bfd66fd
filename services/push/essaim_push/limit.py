"""How much is taken from whom: a bucket that fills at a steady rate."""

from collections import OrderedDict
from dataclasses import dataclass

BURST_SECONDS = 10
MAX_BUCKETS = 10_000


@dataclass(slots=True)
class Bucket:
    """`per_second` for ever, ten seconds' worth at once."""

    per_second: float
    filled: float
    at_ms: int

    @classmethod
    def full(cls, per_second: float, now_ms: int) -> "Bucket":
        return cls(per_second, per_second * BURST_SECONDS, now_ms)

    def take(self, count: int, now_ms: int) -> int:
        """0: taken. Else nothing is, and after so many milliseconds it would be."""
        passed = max(0, now_ms - self.at_ms) / 1_000
        self.filled = min(self.per_second * BURST_SECONDS, self.filled + passed * self.per_second)
        self.at_ms = max(now_ms, self.at_ms)
        missing = min(count, self.per_second * BURST_SECONDS) - self.filled
        if missing > 0:
            return int(missing / self.per_second * 1_000) + 1
        self.filled -= count
        return 0


class Buckets:
    """One for each node; those that were not used for longest are forgotten."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._buckets: OrderedDict[bytes, Bucket] = OrderedDict()

    def take(self, node_id: bytes, count: int, now_ms: int) -> int:
        """As `Bucket.take`."""
        bucket = self._buckets.get(node_id)
        if bucket is None:
            bucket = self._buckets[node_id] = Bucket.full(self._per_second, now_ms)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(node_id)
        return bucket.take(count, now_ms)
