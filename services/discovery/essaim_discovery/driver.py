"""The embedded driver: one authority, one log. What is applied is on disk before it is answered, and before it shows.

One task applies, so nothing else guards the state. Transactions that come while the disk is busy share the next fsync.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import Genesis, NetworkView
from essaim.runtime import logs
from essaim.runtime.errors import InternalError
from essaim.runtime.logs import LogLevel, NodeEvent
from essaim.runtime.refusal import StartError
from essaim_discovery import metrics, snapshot
from essaim_discovery.admission import EVERYBODY, Admission
from essaim_discovery.apply import apply
from essaim_discovery.authority import Authority
from essaim_discovery.events import Event, EventKind
from essaim_discovery.log import Applied, Log
from essaim_discovery.passing import next_due_ms
from essaim_discovery.publication import Publication
from essaim_discovery.state import State
from essaim_discovery.steady import SteadyClock
from essaim_discovery.transaction import Resume, Tick

IDLE_SECONDS = 60.0
"""The longest sleep: a clock that was set is noticed within it."""
QUIET = frozenset(
    {EventKind.PROVEN, EventKind.KEYS_PUBLISHED, EventKind.KEYS_EXPIRED, EventKind.REPORTED, EventKind.COMPLETED}
)

MAX_TIME_MS = 1 << 62

Outcome = ProtocolError | None
P = ParamSpec("P")
R = TypeVar("R")


class DiscoveryEvent(logs.Event):
    """What discovery has to say."""

    NODE = "node"
    VIEW = "view"


@dataclass(frozen=True)
class _Submission:
    transactions: Sequence[discovery_pb2.SignedTransaction]
    done: asyncio.Future[list[Outcome]]


class Driver:
    """`run` is the task. Times come from `now_ms` and enter the state as ticks alone."""

    def __init__(
        self,
        genesis: Genesis,
        authority: Authority,
        log: Log,
        now_ms: Callable[[], int],
        compact_at: int,
        admission: Admission = EVERYBODY,
        least_serial: int = 0,
    ) -> None:
        """Brings back what the log holds; StartError when that is of another network."""
        self._log = log
        self._admission = admission
        self._disk = ThreadPoolExecutor(1, "disk")
        self._compact_at = compact_at
        self._state = _replay(genesis, log)
        self._now_ms = SteadyClock(now_ms, self._state.now_ms).now_ms
        self.views = _kept_views(genesis, authority, log, least_serial)
        self._pending: list[_Submission] = []
        self._wake = asyncio.Event()
        self._started = asyncio.Event()

    @property
    def state(self) -> State:
        """What is on disk."""
        return self._state

    async def submit(self, transactions: Sequence[discovery_pb2.SignedTransaction]) -> list[Outcome]:
        """For each one None, on disk, or why it is refused."""
        done: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._pending.append(_Submission(transactions, done))
        metrics.PENDING.set(len(self._pending))
        self._wake.set()
        return await done

    async def started(self) -> None:
        """Until there is a view of this start."""
        await self._started.wait()

    async def close(self) -> None:
        """After `run`: what it had begun to write is written."""
        self._disk.shutdown()
        self._log.close()

    async def run(self) -> None:
        """As long as the process lives."""
        await self._commit([Resume(self._now_ms())])
        while True:
            if self.views.due_ms(self._state) <= self._now_ms():
                await self._publish()
            self._started.set()
            await self._work_or_due()
            await self._take()

    async def _work_or_due(self) -> None:
        due_ms = min(self.views.due_ms(self._state), next_due_ms(self._state) or MAX_TIME_MS)
        seconds = min(max(0.0, (due_ms - self._now_ms()) / 1_000), IDLE_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _take(self) -> None:
        """Apply the passing of time and whatever has been submitted, as one."""
        now_ms = self._now_ms()
        due_ms = next_due_ms(self._state)
        submissions, self._pending = self._pending, []
        metrics.PENDING.set(0)
        if submissions or (due_ms is not None and due_ms <= now_ms):
            transactions = [each for submission in submissions for each in submission.transactions]
            outcomes = await self._commit([Tick(now_ms), *transactions])
            self._answer(submissions, outcomes[1:])

    async def _commit(self, proposed: Sequence[Applied]) -> list[Outcome]:
        """Apply, write what was applied, and only then go by it."""
        state, applied, events, outcomes = self._state, list[Applied](), list[Event](), list[Outcome]()
        for each in proposed:
            try:
                if isinstance(each, discovery_pb2.SignedTransaction):
                    self._admission.check(each)
                state, happened = apply(state, each)
                outcomes.append(None)
            except ProtocolError as error:
                outcomes.append(error)
                continue
            except Exception as error:  # what anybody may submit must not end the network's authority
                if not isinstance(each, discovery_pb2.SignedTransaction):
                    raise
                logs.fault(NodeEvent.CALL_FAILED, error)
                outcomes.append(InternalError("internal error"))
                continue
            if happened or not isinstance(each, discovery_pb2.SignedTransaction):
                applied.append(each)
                events.extend(happened)
        with metrics.COMMIT_SECONDS.time():
            await self._on_disk(self._write, applied, state)
        self._state = state
        _tell(state, events)
        return outcomes

    async def _on_disk(self, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._disk, partial(work, *arguments, **named))

    def _write(self, applied: Sequence[Applied], state: State) -> None:
        self._log.append(applied)
        if self._log.length() >= self._compact_at:
            self._log.compact(snapshot.dump(state))

    def _answer(self, submissions: Sequence[_Submission], outcomes: Sequence[Outcome]) -> None:
        at = 0
        for each in submissions:
            mine = list(outcomes[at : at + len(each.transactions)])
            at += len(each.transactions)
            if not each.done.done():  # its caller may have gone
                each.done.set_result(mine)

    async def _publish(self) -> None:
        await self._commit([Tick(self._now_ms()), self.views.begin()])
        with metrics.SIGN_SECONDS.time():
            view = await self._on_disk(self.views.renew, self._state)
        self.views.publish(view)
        _tell_view(view)


def _replay(genesis: Genesis, log: Log) -> State:
    kept = log.snapshot()
    try:
        state = snapshot.load(kept, genesis) if kept is not None else State.of(genesis)
        if state.network_id != genesis.network_id:
            raise StartError("the data folder holds another network than the genesis names.")
        for each in log.entries():
            state, _ = apply(state, each)
    except ProtocolError:
        raise StartError("the log in the data folder is damaged or of another network.") from None
    return state


def _kept_views(genesis: Genesis, authority: Authority, log: Log, least_serial: int) -> Publication:
    try:
        return Publication(genesis, authority, log, least_serial)
    except ProtocolError:
        raise StartError("the views in the data folder are damaged or of another network.") from None


def _tell(state: State, events: Sequence[Event]) -> None:
    metrics.count_nodes(state)
    for each in events:
        metrics.count_event(each)
        level = LogLevel.DEBUG if each.kind in QUIET else LogLevel.INFO
        fields = {} if each.role is None else {"role": each.role}
        logs.write(DiscoveryEvent.NODE, level, kind=each.kind, **fields)


def _tell_view(view: NetworkView) -> None:
    metrics.count_view(view)
    logs.write(
        DiscoveryEvent.VIEW, epoch=view.epoch, serial=view.serial, nodes=len(view.nodes), swarms=len(view.swarms)
    )
