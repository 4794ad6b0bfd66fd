"""Links between nodes: in order while they stand, late, and broken by partitions and crashes.

Harsher than gRPC: of what is under way when a link breaks, some is lost and some arrives all the same, later than what
was sent over the next link; and now and then a message comes twice.
"""

from collections.abc import Callable
from functools import partial
from random import Random

from essaim_storage.message import Message
from simulated.scheduler import Scheduler

Pair = frozenset[bytes]
SLOW_MS = 5_000


class Network:
    """`deliver(to, from, message, view serial)`, `up(node, peer)` and `down(node, peer)` tell the hosts."""

    def __init__(
        self,
        scheduler: Scheduler,
        rng: Random,
        deliver: Callable[[bytes, bytes, Message, int], None],
        up: Callable[[bytes, bytes], None],
        down: Callable[[bytes, bytes], None],
    ) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._deliver = deliver
        self._up = up
        self._down = down
        self._epochs: dict[Pair, int] = {}
        self._standing: set[Pair] = set()
        self._last: dict[tuple[bytes, bytes], int] = {}
        self.cut: set[Pair] = set()
        self.mute: set[tuple[bytes, bytes]] = set()
        """(from, to): nothing arrives any more, and neither end has noticed yet."""
        self.slow = False

    def delay(self) -> int:
        """Of one message, in ms."""
        if self.slow and self._rng.random() < 0.3:
            return self._rng.randrange(SLOW_MS)
        return self._rng.randrange(1, 40)

    def join(self, one: bytes, other: bytes) -> None:
        """Try to link two nodes that run."""
        pair = frozenset((one, other))
        if pair in self.cut or pair in self._standing:
            return
        self._standing.add(pair)
        self._epochs[pair] = self._epochs.get(pair, 0) + 1
        epoch = self._epochs[pair]
        for node, peer in ((one, other), (other, one)):
            self._tell(pair, epoch, partial(self._up, node, peer))

    def part(self, one: bytes, other: bytes) -> None:
        """The link breaks."""
        pair = frozenset((one, other))
        if pair not in self._standing:
            return
        self._standing.discard(pair)
        self._epochs[pair] += 1
        epoch = self._epochs[pair]
        for node, peer in ((one, other), (other, one)):
            self._tell(pair, epoch, partial(self._down, node, peer))

    def send(self, sender: bytes, to: bytes, message: Message, serial: int) -> None:
        pair = frozenset((sender, to))
        if pair not in self._standing or (sender, to) in self.mute:
            return
        epoch = self._epochs[pair]
        at = max(self._scheduler.now_ms + self.delay(), self._last.get((sender, to), 0))
        self._last[sender, to] = at
        stray = self._rng.random()
        self._scheduler.after(
            at - self._scheduler.now_ms, lambda: self._arrive(pair, epoch, stray, (to, sender, message, serial))
        )

    def _arrive(self, pair: Pair, epoch: int, stray: float, what: tuple[bytes, bytes, Message, int]) -> None:
        if epoch == self._epochs[pair]:
            self._deliver(*what)
            if stray < 0.02:
                self._scheduler.after(self.delay(), lambda: self._deliver(*what))
        elif stray < 0.2 and pair not in self.cut:
            self._deliver(*what)

    def _tell(self, pair: Pair, epoch: int, tell: Callable[[], None]) -> None:
        """Each end notices by itself, unless the link has changed again by then."""

        def notice() -> None:
            if self._epochs[pair] == epoch:
                tell()

        self._scheduler.after(self._rng.randrange(1, 500), notice)
