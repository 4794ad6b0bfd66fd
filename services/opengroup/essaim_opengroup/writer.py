"""The one writer: what waits is done in one transaction, and told to who asked once it is on disk.

Group commit without a timer: a batch begins when the one before it has been committed, with whatever came meanwhile.
An action that is refused takes nothing of its batch with it. One that the database itself fails is done again alone.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import func, select

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.runtime.sql_failure import patiently, raise_if_disk_failed, told
from essaim_opengroup import metrics
from essaim_opengroup.database import Database
from essaim_opengroup.news import Changed, Fresh, News
from essaim_opengroup.notice import CHANNEL, payloads
from essaim_opengroup.work import Work

MOST = 256
"""Actions in one transaction."""
MAX_CHAINS = 100_000
"""Hashes of rooms' chains kept at hand, some 15 MB."""
WAITING = 4_096
"""Actions that wait for the disk; further ones are refused BUSY."""


class WriterBusyError(ProtocolError):
    """More waits for the disk than it can take in time."""

    reason = "BUSY"


@dataclass
class Job:
    """One action: `run` in the transaction, with what it names locked (rooms) and read (members, statements)."""

    run: Callable[[Work], Any]
    rooms: Sequence[bytes] = ()
    members: Sequence[bytes] = ()
    digests: Sequence[bytes] = ()
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    outcome: Any = None


class Writer:
    """`run` is a background task; `do` gives the outcome of an action, committed."""

    def __init__(
        self, database: Database, host: SigningKey, now_ms: Callable[[], int], tell: Callable[[News], None]
    ) -> None:
        self._database = database
        self._host = host
        self._now_ms = now_ms
        self._tell = tell
        self._jobs: deque[Job] = deque()
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "writer")
        self._chains: dict[tuple[int, int], bytes] = {}
        self._filtered: dict[bytes, bool] = {}

    async def do(self, job: Job) -> Any:
        """Raises what refused it."""
        if len(self._jobs) >= WAITING:
            raise WriterBusyError("too much waits for the disk")
        self._jobs.append(job)
        self._wake.set()
        return await job.done

    def filters(self, room_id: bytes) -> bool:
        """Whether the last text for a room was looked at by a filter. A hint: what decides asks the database."""
        return self._filtered.get(room_id, False)

    async def run(self) -> None:
        """For ever. Raises when the disk fails: the process must end then."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._jobs:
                jobs = [self._jobs.popleft() for _ in range(min(MOST, len(self._jobs)))]
                news = await loop.run_in_executor(self._thread, self._commit, jobs)
                self._tell(news)
                for job in jobs:
                    _answer(job)

    def close(self) -> None:
        self._thread.shutdown()

    # In the thread

    def _commit(self, jobs: list[Job]) -> News:
        began = time.perf_counter()
        try:
            news = self._together(jobs)
        except Exception as error:  # noqa: BLE001 - one action's fault of ours must end neither the others nor the writer
            raise_if_disk_failed(error)
            metrics.DATABASE_FAULTS.inc()
            news = self._one_by_one(jobs)
        metrics.BATCH.observe(len(jobs))
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - began)
        return news

    def _together(self, jobs: Sequence[Job]) -> News:
        with self._database.writer.begin() as connection:
            work = Work(connection, self._host.public.raw, self._now_ms(), self._chains, voice=self._host)
            work.lock(room for job in jobs for room in job.rooms)
            work.prefetch(key for job in jobs for key in job.members)
            work.prefetch_said(digest for job in jobs for digest in job.digests)
            for job in jobs:
                _attempt(work, job)
            work.finish()
            news = News(work.fresh, work.changed_access, work.inboxes)
            if self._database.postgresql:
                for payload in payloads(news):
                    connection.execute(select(func.pg_notify(CHANNEL, payload)))
        self._remember(work)
        return news

    def _remember(self, work: Work) -> None:
        """Committed: what it learnt of the chains holds for good."""
        if len(self._chains) > MAX_CHAINS:
            self._chains.clear()
        self._chains |= work.new_chains
        self._filtered |= work.filtered

    def _one_by_one(self, jobs: Sequence[Job]) -> News:
        fresh, changed, inboxes = list[Fresh](), set[Changed](), set[bytes]()
        for job in jobs:
            try:
                news = patiently(partial(self._together, [job]))
                fresh += news.fresh
                changed |= set(news.changed_access)
                inboxes |= set(news.inboxes)
            except Exception as error:  # noqa: BLE001 - the asker is told INTERNAL, the log its type
                job.outcome = told(error)
        return News(fresh, changed, inboxes)


def _attempt(work: Work, job: Job) -> None:
    try:
        job.outcome = job.run(work)
        work.members.keep()
    except ProtocolError as error:
        job.outcome = error
        work.members.take_back()


def _answer(job: Job) -> None:
    if job.done.done():  # whoever asked is gone
        return
    if isinstance(job.outcome, BaseException):
        job.done.set_exception(job.outcome)
    else:
        job.done.set_result(job.outcome)
