"""Simulated time: what is to happen, in order of when and then of when it was planned."""

import heapq
from collections.abc import Callable
from itertools import count

START_MS = 1_800_000_000_000


class Scheduler:
    """The only clock of the simulation: `now_ms` is the true time, unix milliseconds."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.steps = 0
        self.slept_ms = 0
        self._order = count()
        self._heap: list[tuple[int, int, Callable[[], None]]] = []

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Plan an action."""
        heapq.heappush(self._heap, (self.now_ms + delay_ms, next(self._order), action))

    def sleep(self, ms: int) -> None:
        """So much time passes in which nothing happens anywhere: what is planned comes as much later."""
        self.now_ms += ms
        self.slept_ms += ms
        self._heap = [(at + ms, order, action) for at, order, action in self._heap]

    def run_until(self, end_ms: int) -> None:
        """Everything that happens up to then; time that is slept through does not count."""
        before = self.slept_ms
        while self._heap and self._heap[0][0] <= end_ms + self.slept_ms - before:
            self.now_ms, _, action = heapq.heappop(self._heap)
            self.steps += 1
            action()
        self.now_ms = end_ms + self.slept_ms - before
