"""The embedded driver: steps go to the state machine, then to the log with the views that they make, then to everybody.

Nothing is answered or published before its fsync. A restart replays the log and comes to the same views; a header that
differs from the one signed before would be a fork, and ends the start.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import Genesis, Header, NetworkView
from essaim.protocol.view.entry import ordered
from essaim.runtime.refusal import StartError
from essaim.view.v1 import view_pb2
from essaim_discovery import metrics, snapshot
from essaim_discovery.apply import Applied, Event, Refused, Tick, ViewMade, apply
from essaim_discovery.authority import Signer
from essaim_discovery.ledger import Ledger, SignedView, Step
from essaim_discovery.publisher import Publisher
from essaim_discovery.state import State

BATCH = 256
SNAPSHOT_STEPS = 1_024


@dataclass
class _Waiting:
    transaction: bytes
    done: "asyncio.Future[Applied | Refused]"


@dataclass
class _Batch:
    """What one commit holds."""

    state: State
    steps: list[Step] = field(default_factory=list)
    views: list[NetworkView] = field(default_factory=list)
    answers: list[Applied | Refused] = field(default_factory=list)
    matters: bool = False
    """Whether anything happened but the passing of time and refusals: otherwise it is not worth an fsync."""


class Driver:
    """`run` is the process's background task; `submit` waits for its commit."""

    def __init__(self, genesis: Genesis, folder: Path, sign: Signer, now_ms: Callable[[], int]) -> None:
        """Opens and replays the log. Raises StartError."""
        self._sign = sign
        self._now_ms = now_ms
        self._queue: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._since_snapshot = 0
        self.publisher = Publisher()
        self._ledger = Ledger(folder)
        self._state = self._replay(genesis)
        metrics.measure(self._state)

    @property
    def state(self) -> State:
        """As of the last commit."""
        return self._state

    async def submit(self, transactions: Sequence[bytes]) -> list[Applied | Refused]:
        """What became of each, once it is on disk."""
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(each, loop.create_future()) for each in transactions]
        self._queue += waiting
        self._wake.set()
        return [await each.done for each in waiting]

    async def run(self) -> None:
        """Until cancelled. A log that cannot be written ends it, and with it the process."""
        while True:
            batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
            if not batch:
                await self._sleep()
                batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
            await self._do(batch)

    async def close(self) -> None:
        """The log, after the last step."""
        self._thread.shutdown()
        self._ledger.close()

    async def _sleep(self) -> None:
        """Until something is submitted or the next tick is due."""
        self._wake.clear()
        seconds = max(0, self._state.due_ms - self._now_ms()) / 1000
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _do(self, waiting: Sequence[_Waiting]) -> None:
        batch = self._compute([each.transaction for each in waiting])
        if batch.matters:
            views = [SignedView(view.serial, view.signed.SerializeToString()) for view in batch.views]
            await self._write(self._ledger.append, batch.steps, views)
            self._state = batch.state
        for view in batch.views:
            self.publisher.publish(view)
        for each, answer in zip(waiting, batch.answers, strict=True):
            if not each.done.done():
                each.done.set_result(answer)
        metrics.measure(self._state)
        await self._snapshot(len(batch.steps) if batch.matters else 0)

    def _compute(self, transactions: Sequence[bytes]) -> _Batch:
        """Time passes, transactions come, and a view is made if it is due. What changes nothing is not logged."""
        batch, now_ms = _Batch(self._state), self._now_ms()
        self._step(batch, Tick(now_ms))
        for transaction in transactions:
            self._step(batch, transaction)
        if batch.state.due_ms <= batch.state.now_ms:
            self._step(batch, Tick(now_ms))
        return batch

    def _step(self, batch: _Batch, step: Step) -> None:
        batch.state, events = apply(batch.state, step)
        logged = isinstance(step, Tick)
        for event in events:
            metrics.count(event)
            batch.matters |= not isinstance(event, Refused) and not (isinstance(event, Applied) and event.repeated)
            if isinstance(event, ViewMade):
                batch.views.append(self._signed(event, self._sign(event.header.raw)))
            elif isinstance(event, Applied | Refused):
                batch.answers.append(event)
                logged = isinstance(event, Applied) and not event.repeated
        if logged:
            batch.steps.append(step)

    async def _snapshot(self, steps: int) -> None:
        self._since_snapshot += steps
        if self._since_snapshot < SNAPSHOT_STEPS or self._state.changed:
            return
        self._since_snapshot = 0
        await self._write(self._ledger.keep_snapshot, snapshot.encode(self._state), self._state.serial)

    async def _write(self, write: Callable[..., None], *what: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, write, *what)

    # The start

    def _replay(self, genesis: Genesis) -> State:
        after, state = 0, State(genesis.network_id, genesis.parameters)
        kept = self._ledger.snapshot()
        try:
            if kept is not None:
                after, state = kept[0], snapshot.decode(kept[1])
                self.publisher.publish(self._as_of(state))
            if state.network_id != genesis.network_id:
                raise StartError("the log in this data folder is of another network.")
            for number, step in zip(count(1), self._ledger.steps(after), strict=False):
                state, events = apply(state, step)
                self._since_snapshot = number
                self._publish_again(events)
        except ProtocolError as error:
            raise StartError(f"the log in the data folder is damaged ({error.reason}).") from None
        return state

    def _as_of(self, state: State) -> NetworkView:
        signed = view_pb2.SignedHeader.FromString(self._ledger.view(state.serial) or b"")
        periods = state.parameters.key_periods
        entries = ordered(member.entry(periods) for member in state.members.values())
        return NetworkView.build(signed, Header.parse(signed.header), entries)

    def _publish_again(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, ViewMade):
                kept = view_pb2.SignedHeader.FromString(self._ledger.view(event.header.serial) or b"")
                if kept.header != event.header.raw:
                    raise StartError("the log comes to another view than was signed: this program must not go on.")
                self.publisher.publish(self._signed(event, kept.signatures))
            elif isinstance(event, Refused):
                raise StartError("the log holds a transaction that this program refuses.")

    @staticmethod
    def _signed(made: ViewMade, signatures: Sequence[view_pb2.AuthoritySignature]) -> NetworkView:
        signed = view_pb2.SignedHeader(header=made.header.raw, signatures=signatures)
        return NetworkView.build(signed, made.header, made.entries)
