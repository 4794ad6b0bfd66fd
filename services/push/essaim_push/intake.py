"""Wakes on their way from storage nodes to the disk: checked, written together, and answered once they are there."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from essaim.protocol.push.push_id import PushIds, day_of
from essaim.protocol.push.refusal import WakeRefusedError
from essaim.protocol.push.wake import Reason, Wake, WakeAnswer, WakeBatch, parse
from essaim.runtime import logs
from essaim.runtime.logs import Event
from essaim_push import metrics
from essaim_push.limit import Buckets
from essaim_push.queue import Arrival, Rules, take
from essaim_push.writer import Writer

TOGETHER = 2_048
"""Wakes in one job of the writer."""
WAITING = 20_000
"""Wakes that wait for the disk; further ones are BUSY."""
BUSY_MS = 1_000


class IntakeEvent(Event):
    """What is logged of it."""

    WAKES_LOST = "wakes_lost"


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a storage node sent, and what of it is worth asking the database."""

    node_id: bytes
    number: int
    verdicts: list[Reason | None]
    arrivals: tuple[Arrival, ...]
    """Of those whose verdict is None, in their order."""


class Intake:
    """`on_message` on the event loop; `answer(node id, bytes)` sends; `due` is called as wakes go to the disk."""

    def __init__(
        self,
        writer: Writer,
        ids: PushIds,
        rules: Rules,
        per_second: float,
        now_ms: Callable[[], int],
        answer: Callable[[bytes, bytes], None],
        due: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._ids = ids
        self._rules = rules
        self._buckets = Buckets(per_second)
        self._now_ms = now_ms
        self._answer = answer
        self._due = due
        self._batches: deque[_Batch] = deque()
        self._waiting = 0
        self._asked = False

    def on_message(self, node_id: bytes, message: bytes) -> None:
        """From a storage node of the view. What is no batch of wakes is dropped: nothing of it could be answered."""
        try:
            batch = parse(message)
        except WakeRefusedError:
            batch = None
        if not isinstance(batch, WakeBatch):
            metrics.WAKES.labels("MALFORMED").inc()
            return
        wait_ms = self._wait_ms(node_id, len(batch.wakes))
        if wait_ms:
            metrics.WAKES.labels("BUSY").inc(len(batch.wakes))
            refused = tuple((index, Reason.BUSY) for index in range(len(batch.wakes)))
            self._answer(node_id, WakeAnswer(batch.batch, refused, wait_ms).encode())
            return
        self._queue(self._checked(node_id, batch))

    def _wait_ms(self, node_id: bytes, count: int) -> int:
        if self._waiting + count > WAITING:
            return BUSY_MS
        return self._buckets.take(node_id, count, self._now_ms())

    def _checked(self, node_id: bytes, batch: WakeBatch) -> _Batch:
        today = day_of(self._now_ms())
        found = [self._arrival(each, today) for each in batch.wakes]
        verdicts = [each if isinstance(each, Reason) else None for each in found]
        for verdict in verdicts:
            if verdict is not None:
                metrics.WAKES.labels(verdict.name).inc()
        return _Batch(node_id, batch.batch, verdicts, tuple(each for each in found if isinstance(each, Arrival)))

    def _arrival(self, wake: Wake, today: int) -> Arrival | Reason:
        if not wake.well_formed:
            return Reason.MALFORMED
        of = self._ids.open(wake.push_id)
        if of is None or not of.good_on(today):
            return Reason.UNKNOWN
        return Arrival(of, wake.wake_id, wake.preview)

    def _queue(self, batch: _Batch) -> None:
        self._batches.append(batch)
        self._waiting += len(batch.arrivals)
        self._ask()

    def _ask(self) -> None:
        if self._asked or not self._batches:
            return
        self._asked = True
        taking = _Taking(self._batches, self._rules)
        self._writer.submit(taking.run).add_done_callback(lambda done: self._taken(taking, done))
        self._due()  # its job comes behind this one, in the same transaction: one fsync from arrival to call

    def _taken(self, taking: "_Taking", done: asyncio.Future[list[Reason | None]]) -> None:
        self._asked = False
        self._waiting -= sum(len(each.arrivals) for each in taking.batches)
        if done.cancelled() or done.exception() is not None:  # not on disk, so not answered: they will be sent again
            logs.write(IntakeEvent.WAKES_LOST, logs.LogLevel.WARNING)
        else:
            verdicts = iter(done.result())
            for batch in taking.batches:
                self._tell(batch, verdicts_of(batch, [next(verdicts) for _ in batch.arrivals]))
        self._ask()

    def _tell(self, batch: _Batch, verdicts: Sequence[Reason | None]) -> None:
        refused = tuple((index, verdict) for index, verdict in enumerate(verdicts) if verdict is not None)
        self._answer(batch.node_id, WakeAnswer(batch.number, refused).encode())


def verdicts_of(batch: _Batch, found: Sequence[Reason | None]) -> list[Reason | None]:
    """Of all wakes of a batch, in their order."""
    rest = iter(found)
    return [each if each is not None else next(rest) for each in batch.verdicts]


class _Taking:
    """A job of the writer: takes what waits when its turn comes, and the same once more if it has to run again."""

    def __init__(self, waiting: deque[_Batch], rules: Rules) -> None:
        self._waiting = waiting
        self._rules = rules
        self.batches: list[_Batch] = []

    def run(self, connection: Connection, now_ms: int) -> list[Reason | None]:
        while not self.batches or (self._waiting and self._size < TOGETHER):
            self.batches.append(self._waiting.popleft())
        arrivals = [arrival for batch in self.batches for arrival in batch.arrivals]
        return take(connection, now_ms, arrivals, self._rules) if arrivals else []

    @property
    def _size(self) -> int:
        return sum(len(each.arrivals) for each in self.batches)
