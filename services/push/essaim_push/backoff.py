"""When a wake is tried again: exponential, with jitter, never sooner than the provider asks."""

from collections.abc import Callable
from dataclasses import dataclass

Uniform = Callable[[float, float], float]
"""(low, high): a random number between them."""


@dataclass(frozen=True)
class Backoff:
    """`first_ms` before the second attempt, doubled up to `most_ms`."""

    first_ms: float
    most_ms: float

    def after_ms(self, attempts: int, asked_seconds: float | None, uniform: Uniform) -> int:
        """Milliseconds from now, after so many `attempts` (1 and more). Half of it is chance: what a provider's outage
        has gathered does not return at once. What the provider asked for is the least."""
        most = min(self.most_ms, self.first_ms * 2.0 ** min(attempts - 1, 32))
        return int(max(uniform(most / 2, most), (asked_seconds or 0) * 1_000 + uniform(0, most / 10)))
