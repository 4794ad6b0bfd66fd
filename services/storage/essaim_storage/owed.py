"""What members have not acknowledged yet, and for how long: replication seen from who coordinates it. Pure."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SAMPLES = 4_096
"""Five and a half hours of one every 5 s; a member that is behind for longer is behind for at least that."""


@dataclass(frozen=True, slots=True)
class Debt:
    """At one moment."""

    copies: int
    """Of records, over all members."""
    records: int
    """That the member furthest behind lacks."""
    lag_seconds: float
    """For how long the oldest of them has been waiting, at least; 0 if there is none."""


class Owed:
    """Fed at regular times with the newest coordinated number, so that a busy node is not taken for one that lags."""

    def __init__(self) -> None:
        self._newest: deque[tuple[float, int]] = deque(maxlen=SAMPLES)

    def measure(self, now: float, newest: int, positions: Sequence[int], count: Callable[[int], int]) -> Debt:
        """`now` in seconds; `positions` of the members; `count(n)`: coordinated records with a number above n."""
        self._newest.append((now, newest))
        owed = {position: count(position) for position in set(positions)}
        waiting = [position for position in positions if owed[position]]
        while self._newest and (not waiting or self._newest[0][1] <= min(waiting)):
            self._newest.popleft()
        lag = now - self._newest[0][0] if self._newest else 0.0
        return Debt(sum(owed[position] for position in positions), max(owed.values(), default=0), lag)
