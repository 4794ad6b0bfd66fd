"""Does what the machine asks: the disk by one writer thread, timers and messages by the event loop, answers to clients.

Events are handled one after the other, and the effects of each are done before the next is taken.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from enum import auto

from essaim.protocol.link.refusal import DrainingError
from essaim.protocol.push.wake import WakeBatch
from essaim.runtime import logs
from essaim_storage import metrics
from essaim_storage.effects import (
    CancelTimer,
    Change,
    Claimed,
    Commit,
    Effect,
    Examined,
    Expiries,
    HoldingOutcome,
    Notify,
    Published,
    Refused,
    Removed,
    Reply,
    Retrieved,
    Send,
    SetTimer,
    Stored,
    TransferDone,
    Wake,
)
from essaim_storage.events import (
    Cancelled,
    CommitRefused,
    Committed,
    Event,
    ExamineAsked,
    Fired,
    RecordBad,
    Started,
    SubscribeAsked,
    Taken,
)
from essaim_storage.message import Message
from essaim_storage.node import StorageNode
from essaim_storage.refusal import DiskFullError
from essaim_storage.sqlite_store import DatabaseError, SqliteStore

Answer = Stored | Removed | Retrieved | Expiries | Published | Claimed | Examined
SCRUB_RECORDS = 64


class DiskEvent(logs.Event):
    """Told once each time that it changes, not for each request."""

    DISK_FULL = auto()
    DISK_WRITABLE = auto()


class Subscription:
    """The reader's end."""

    def __init__(self, queue: "asyncio.Queue[Notify | Refused]", taken: Callable[[], None]) -> None:
        self._queue = queue
        self._taken = taken
        self._first = True

    async def next(self) -> Notify:
        """Waits for what arrives; raises the ProtocolError that ends the subscription."""
        if not self._first:
            self._taken()
        self._first = False
        notify = await self._queue.get()
        if isinstance(notify, Refused):
            raise notify.error
        return notify


QUIET_SECONDS = 0.1
"""Without a request for so long, a node that drains has had its last."""


def tell_nobody(_swarm_id: int, _move_serial: int) -> None:
    """Where there is no discovery."""


def wake_nobody(_node_id: bytes, _batch: WakeBatch) -> None:
    """Where there is no push host."""


class Executor:
    """`send(node id, message)` gives a message to a link. `run` is a background task of the process."""

    def __init__(
        self,
        node: StorageNode,
        store: SqliteStore,
        send: Callable[[bytes, Message], None],
        now_ms: Callable[[], int],
        transferred: Callable[[int, int], None] = tell_nobody,
        wake: Callable[[bytes, WakeBatch], None] = wake_nobody,
    ) -> None:
        self._node = node
        self._store = store
        self._send = send
        self._now_ms = now_ms
        self._transferred = transferred
        self._wake = wake
        self._events: deque[Event] = deque()
        self._handling = False
        self._request = 0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._tests: dict[int, asyncio.Future[Answer]] = {}
        self._readers: dict[int, asyncio.Queue[Notify | Refused]] = {}
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}
        self._writer = ThreadPoolExecutor(1, "writer")
        self._idle = asyncio.Event()
        self._idle.set()
        self._full = False
        store.on_bad = self._record_bad

    def start(self) -> None:
        """The first event. Within the event loop, once."""
        self._loop = asyncio.get_running_loop()
        self._failed: asyncio.Future[None] = self._loop.create_future()
        self.tell(Started())

    async def run(self) -> None:
        """Ends with what the disk failed with: the process must not go on with a disk that lost a write."""
        await self._failed

    def end_subscriptions(self) -> None:
        """The drain: streams that would not end by themselves; their clients go on at another member."""
        for queue in self._readers.values():
            queue.put_nowait(Refused(DrainingError("this node drains")))

    @property
    def waiting(self) -> int:
        """Requests without an answer yet."""
        return len(self._waiting)

    async def answered(self, seconds: float, quiet_seconds: float = QUIET_SECONDS) -> None:
        """The drain: until no request has been waiting for its answer for a while, or so long.

        One look is not enough: what arrived with the last cells is asked a moment later.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                quiet_since = self._loop.time()
                while self._waiting or self._loop.time() < quiet_since + quiet_seconds:
                    if self._waiting:
                        await asyncio.wait(list(self._waiting.values()))
                        quiet_since = self._loop.time()
                    await asyncio.sleep(quiet_seconds / 5)

    async def close(self) -> None:
        """After the last request: the commit under way ends, the log is emptied."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        while not self._idle.is_set():
            await self._idle.wait()
        await self._loop.run_in_executor(self._writer, self._store.close)
        self._writer.shutdown()

    def tell(self, event: Event) -> None:
        """Something happened."""
        self._events.append(event)
        if self._handling:
            return
        self._handling = True
        try:
            while self._events:
                for effect in self._node.handle(self._events.popleft(), self._now_ms()):
                    self._do(effect)
        except DatabaseError as error:
            self._fail(error)
            raise
        finally:
            self._handling = False

    async def ask(self, make: Callable[[int], Event]) -> Answer:
        """The answer to `make(request)`; raises the ProtocolError that it was refused with."""
        request = self._next_request()
        future = self._waiting[request] = self._loop.create_future()
        try:
            self.tell(make(request))
            answer: Answer = await future
            return answer
        finally:
            del self._waiting[request]
            if future.cancelled():
                self.tell(Cancelled(request))

    async def test(self, member: bytes, draw_seed: bytes, nonce: bytes) -> HoldingOutcome:
        """A storage test of a member; takes a minute or two. No client waits for it, so a drain does not either."""
        request = self._next_request()
        future = self._tests[request] = self._loop.create_future()
        try:
            self.tell(ExamineAsked(request, member, draw_seed, nonce))
            answer = await future
            assert isinstance(answer, Examined)
            metrics.TESTS.labels(answer.outcome.value).inc()
            return answer.outcome
        finally:
            del self._tests[request]
            if future.cancelled():
                self.tell(Cancelled(request))

    @asynccontextmanager
    async def subscription(self, make: Callable[[int], SubscribeAsked]) -> AsyncIterator["Subscription"]:
        """`async with ... as subscription: await subscription.next()`."""
        request = self._next_request()
        queue = self._readers[request] = asyncio.Queue()
        metrics.SUBSCRIBERS.inc()
        try:
            self.tell(make(request))
            yield Subscription(queue, lambda: self.tell(Taken(request)))
        finally:
            metrics.SUBSCRIBERS.dec()
            del self._readers[request]
            self.tell(Cancelled(request))

    def _next_request(self) -> int:
        self._request += 1
        return self._request

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send(to, message):
                self._send(to, message)
            case Commit(batch, changes):
                self._commit(batch, changes)
            case SetTimer(timer, after_ms):
                self._cancel_timer(timer)
                self._timers[timer] = self._loop.call_later(after_ms / 1_000, self._fire, timer)
            case CancelTimer(timer):
                self._cancel_timer(timer)
            case Reply():
                self._reply(effect)
            case Wake(to, wakes):
                self._wake(to, wakes)
            case TransferDone(swarm_id, move_serial):
                self._transferred(swarm_id, move_serial)
            case Notify():
                if effect.request in self._readers:
                    self._readers[effect.request].put_nowait(effect)

    def _reply(self, reply: Reply) -> None:
        future = self._waiting.get(reply.request) or self._tests.get(reply.request)
        queue, result = self._readers.get(reply.request), reply.result
        if queue is not None and isinstance(result, Refused):
            queue.put_nowait(result)
        if future is None or future.done():
            return
        if isinstance(result, Refused):
            future.set_exception(result.error)
        else:
            future.set_result(result)

    def _commit(self, batch: int, changes: tuple[Change, ...]) -> None:
        metrics.BATCH.observe(len(changes))
        self._idle.clear()
        writing = self._writer.submit(self._write, changes)
        writing.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._written, batch, done))

    def _written(self, batch: int, done: Future[None]) -> None:
        """Back from the writer's thread: the disk has the batch, or has not."""
        self._idle.set()
        error = done.exception()
        if error is None:
            self._told_full(False)
            self.tell(Committed(batch))
        elif isinstance(error, DiskFullError):
            self._told_full(True)
            self.tell(CommitRefused(batch))
        else:  # whatever it is, this process may not believe its disk any more
            self._fail(error)

    def _told_full(self, full: bool) -> None:
        if full != self._full:
            self._full = full
            event, level = (DiskEvent.DISK_FULL, logs.LogLevel.ERROR) if full else (DiskEvent.DISK_WRITABLE, logs.INFO)
            logs.write(event, level)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    def _write(self, changes: tuple[Change, ...]) -> None:
        begin = time.perf_counter()
        self._store.writer.commit(changes)
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - begin)

    def _fire(self, timer: Hashable) -> None:
        del self._timers[timer]
        self.tell(Fired(timer))

    def _cancel_timer(self, timer: Hashable) -> None:
        handle = self._timers.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def _record_bad(self, record_id: bytes) -> None:
        metrics.BAD_RECORDS.inc()
        self._loop.call_soon(self.tell, RecordBad(record_id))

    # ---- care of the disk, as background tasks

    async def empty_log(self, seconds: float) -> None:
        """Every so often, that what was removed is gone from the log, too, and the file no larger than it need be."""
        while True:
            await asyncio.sleep(seconds)
            await self._loop.run_in_executor(self._writer, self._store.writer.tidy)

    async def scrub(self, seconds: float) -> None:
        """Verify every record, so many at a time, for ever."""
        number = 0
        while True:
            await asyncio.sleep(seconds)
            number = self._store.scrub(number, SCRUB_RECORDS)
