"""Deliveries: what is due is leased, told to its provider, and settled; as many at once as the host allows.

`ask` puts a lease into the writer's next transaction. Whoever makes something due calls it: wakes that come, a
delivery that ends, the timer. A lease is never held without a call under way or about to begin.
"""

import asyncio
import base64
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from essaim.protocol.push.endpoint import Endpoint, parse
from essaim.protocol.push.host import HostKey
from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.runtime import logs
from essaim.runtime.logs import Event, LogLevel
from essaim_push import metrics
from essaim_push.backoff import Backoff
from essaim_push.providers import outcome as said
from essaim_push.providers.notice import MAX_TTL_SECONDS, Notice, Urgency
from essaim_push.providers.providers import Providers
from essaim_push.queue import Delivered, Gone, Later, Leased, Leasing, Rules, Settled, settle
from essaim_push.writer import Writer

POLL_SECONDS = 1.0
"""What another replica has left behind is found so soon."""
OPENED = 20_000
"""Endpoints kept open in memory, so that each is unsealed once."""
CROWDED_MS = 250
AGAIN_SECONDS = 0.25
DRAIN_SECONDS = 4.0


class DispatchEvent(Event):
    """What is logged of it."""

    QUEUE_FAILED = "queue_failed"


class Dispatcher:
    """`run` is a background task; `drain` before the process ends."""

    def __init__(
        self,
        writer: Writer,
        host: HostKey,
        providers: Providers,
        rules: Rules,
        backoff: Backoff,
        node_id: bytes,
        limits: tuple[int, int],
        now_ms: Callable[[], int],
    ) -> None:
        """`limits`: deliveries at once, and of them to one origin."""
        self._writer = writer
        self._host = host
        self._providers = providers
        self._rules = rules
        self._backoff = backoff
        self._node_id = node_id
        self._most, self._most_of_origin = limits
        self._now_ms = now_ms
        self._tasks: set[asyncio.Task[None]] = set()
        self._origins: Counter[str] = Counter()
        self._opened: OrderedDict[bytes, tuple[bytes, Endpoint]] = OrderedDict()
        self._settled: list[Settled] = []
        self._settling: asyncio.Future[None] | None = None
        self._asking = False
        self._again = False
        self._draining = False
        self._next_ms: int | None = None
        self._timer = asyncio.Event()
        for kind in providers.kinds:
            for word in WORDS:
                metrics.DELIVERIES.labels(kind.name.lower(), word)  # there from the start: the first one is an increase

    async def run(self) -> None:
        """Ask when the next delivery is due, and every second."""
        self.ask()
        while True:
            self._timer.clear()
            try:
                async with asyncio.timeout(self._pause_seconds()):
                    await self._timer.wait()  # another time has become known
            except TimeoutError:
                self.ask()

    def _pause_seconds(self) -> float:
        if self._next_ms is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.01, (self._next_ms - self._now_ms()) / 1_000))

    async def drain(self) -> None:
        """Begin nothing new; what is under way is settled."""
        self._draining = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
        while self._settling is not None:
            await asyncio.wait((self._settling,))

    async def stop(self) -> None:
        """Break off what is still under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # Leasing

    def ask(self) -> None:
        """Lease what is due, in the writer's next transaction."""
        room = self._most - len(self._tasks)
        if self._draining or room <= 0:
            return
        if self._asking:
            self._again = True
            return
        self._asking, self._again = True, False
        job = self._writer.submit(Leasing(room, self._node_id, self._rules).run)
        job.add_done_callback(lambda done: self._begin(done, room))

    def _begin(self, done: "asyncio.Future[tuple[list[Leased], int | None]]", room: int) -> None:
        self._asking = False
        if done.cancelled():
            return
        if done.exception() is not None:
            logs.write(DispatchEvent.QUEUE_FAILED, LogLevel.ERROR, error=type(done.exception() or Exception()))
            return  # the timer asks again
        leased, self._next_ms = done.result()
        if self._draining:
            self._settle([Later(each, self._now_ms(), counted=False) for each in leased])
            return
        for each in leased:
            task = asyncio.get_running_loop().create_task(self._deliver(each))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        metrics.UNDER_WAY.set(len(self._tasks))
        if self._again or len(leased) == room:
            self.ask()
        else:
            self._timer.set()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        was_full = len(self._tasks) >= self._most
        self._tasks.discard(task)
        metrics.UNDER_WAY.set(len(self._tasks))
        if was_full:
            self.ask()

    # Delivering

    async def _deliver(self, leased: Leased) -> None:
        if self._is_late(leased):
            self._settle((Later(leased, self._now_ms(), counted=False),))
            return
        try:
            endpoint = self._open(leased)
        except EndpointRefusedError:  # sealed to a key that the host had before, or a kind it no longer knows
            self._settle((Gone(leased),))
            return
        if self._origins[endpoint.origin] >= self._most_of_origin:
            wait_ms = int(self._rules.uniform(CROWDED_MS, 2 * CROWDED_MS))
            self._settle((Later(leased, self._now_ms() + wait_ms, counted=False),))
            return
        self._origins[endpoint.origin] += 1
        try:
            self._settle((await self._call(endpoint, leased),))
        finally:
            self._origins[endpoint.origin] -= 1
            if not self._origins[endpoint.origin]:
                del self._origins[endpoint.origin]

    def _is_late(self, leased: Leased) -> bool:
        """A call takes half a lease at most (settings): begun later than that, by a process that was paused or waited
        for its database, it might still be under way when another replica has the lease."""
        return self._now_ms() - leased.leased_ms > self._rules.lease_ms / 2

    async def _call(self, endpoint: Endpoint, leased: Leased) -> Settled:
        now_ms, kind = self._now_ms(), endpoint.kind.name.lower()
        if leased.urgent and leased.attempts == 1:
            metrics.PROMPT_SECONDS.observe(max(0, now_ms - leased.since_ms) / 1_000)
        began = time.perf_counter()
        outcome = await self._providers.deliver(endpoint, notice_of(leased, now_ms))
        metrics.PROVIDER_SECONDS.labels(kind).observe(time.perf_counter() - began)
        metrics.DELIVERIES.labels(kind, word_of(outcome)).inc()
        return self._judge(leased, outcome)

    def _judge(self, leased: Leased, outcome: said.Outcome) -> Settled:
        match outcome:
            case said.Delivered():
                return Delivered(leased, self._now_ms())
            case said.Gone():
                return Gone(leased)
            case said.Retry(after_seconds=after):
                return self._later(leased, after)
            case said.Rejected(said.Rejection.UNCONFIGURED):  # the operator's mistake, which a restart mends
                return self._later(leased, None)
            case said.Rejected():
                return Delivered(leased, self._now_ms(), taken=False)

    def _later(self, leased: Leased, asked_seconds: float | None) -> Later:
        wait_ms = self._backoff.after_ms(leased.attempts, asked_seconds, self._rules.uniform)
        return Later(leased, min(self._now_ms() + wait_ms, leased.until_ms))

    def _open(self, leased: Leased) -> Endpoint:
        kept = self._opened.get(leased.endpoint)
        if kept is not None and kept[0] == leased.sealed:
            self._opened.move_to_end(leased.endpoint)
            return kept[1]
        endpoint = parse(self._host.unseal(leased.sealed))
        self._opened[leased.endpoint] = (leased.sealed, endpoint)
        if len(self._opened) > OPENED:
            self._opened.popitem(last=False)
        return endpoint

    # Settling

    def _settle(self, settled: Sequence[Settled]) -> None:
        self._settled += settled
        if self._settling is None and self._settled:
            job = _Settling(self._settled, self._rules)
            self._settling = self._writer.submit(job.run)
            self._settling.add_done_callback(lambda done: self._written(job, done))

    def _written(self, job: "_Settling", done: "asyncio.Future[None]") -> None:
        self._settling = None
        if done.cancelled():
            return
        if done.exception() is not None:  # as long as the leases hold, it can still be said that they were told
            logs.write(DispatchEvent.QUEUE_FAILED, LogLevel.ERROR, error=type(done.exception() or Exception()))
            self._settled += job.mine
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._settle, ())
            return
        self._settle(())
        self.ask()


class _Settling:
    """A job of the writer: settles what has ended when its turn comes, and the same once more if it runs again."""

    def __init__(self, ended: list[Settled], rules: Rules) -> None:
        self._ended = ended
        self._rules = rules
        self.mine: list[Settled] = []

    def run(self, connection: Connection, now_ms: int) -> None:
        if not self.mine:
            while self._ended:
                self.mine.append(self._ended.pop())
        settle(connection, now_ms, self.mine, self._rules)


def notice_of(leased: Leased, now_ms: int) -> Notice:
    """What the provider is given."""
    seconds = max(0, min(MAX_TTL_SECONDS, (leased.until_ms - now_ms) // 1_000))
    topic = base64.urlsafe_b64encode(leased.topic).decode().rstrip("=")
    return Notice(topic, seconds, Urgency.HIGH if leased.urgent else Urgency.NORMAL, leased.preview or None)


def word_of(outcome: said.Outcome) -> str:
    """For the metric."""
    match outcome:
        case said.Retry(trouble=trouble):
            return trouble.value
        case said.Rejected(rejection=rejection):
            return f"rejected_{rejection.value}"
        case _:
            return type(outcome).__name__.lower()


OUTCOMES: tuple[said.Outcome, ...] = (
    said.Delivered(),
    said.Gone(),
    *(said.Retry(each) for each in said.Trouble),
    *(said.Rejected(each) for each in said.Rejection),
)
WORDS = tuple(word_of(each) for each in OUTCOMES)
