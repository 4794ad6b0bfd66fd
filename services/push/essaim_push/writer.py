"""The one writer: what waits is done in one transaction, and told to who asked once it is on disk.

Group commit without a timer: a batch begins when the one before it has been committed, with whatever came meanwhile. A
job that refuses what it is asked does so before it writes anything, so the others of its batch are not touched. A batch
that the database fails is done again job by job: a job may run more than once, and only its last run counts.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from essaim.protocol.errors import ProtocolError
from essaim.protocol.push.refusal import BusyError
from essaim.runtime.sql_database import SqlDatabase
from essaim.runtime.sql_failure import patiently, raise_if_disk_failed, told
from essaim_push import metrics

MOST = 256
"""Jobs in one transaction."""
WAITING = 4_096
"""Calls of devices that wait for the disk; further ones are refused BUSY."""
BUSY_MS = 1_000
T = TypeVar("T")
Run = Callable[[Connection, int], T]
"""(connection, now in ms) -> what to answer."""


@dataclass
class _Job:
    run: Run[Any]
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    outcome: Any = None


class Writer:
    """`run` is a background task; `submit` gives the future of a job's outcome, committed."""

    def __init__(self, database: SqlDatabase, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._jobs: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "writer")

    def submit(self, run: Run[T]) -> asyncio.Future[T]:
        """For the host's own work, of which there is little at a time."""
        job = _Job(run)
        self._jobs.append(job)
        self._wake.set()
        return job.done

    async def do(self, run: Run[T]) -> T:
        """For a call of a device. Raises what refused it."""
        if len(self._jobs) >= WAITING:
            raise BusyError(BUSY_MS)
        return await self.submit(run)

    async def run(self) -> None:
        """For ever. Raises when the disk fails: the process must end then."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._jobs:
                jobs = [self._jobs.popleft() for _ in range(min(MOST, len(self._jobs)))]
                await loop.run_in_executor(self._thread, self._commit, jobs)
                for job in jobs:
                    _answer(job)

    def close(self) -> None:
        """After the last job."""
        self._thread.shutdown()

    # In the thread

    def _commit(self, jobs: Sequence[_Job]) -> None:
        began = time.perf_counter()
        try:
            self._together(jobs)
        except Exception as error:  # noqa: BLE001 - one job's fault of ours must end neither the others nor the writer
            raise_if_disk_failed(error)
            metrics.DATABASE_FAULTS.inc()
            self._one_by_one(jobs)
        metrics.BATCH.observe(len(jobs))
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - began)

    def _together(self, jobs: Sequence[_Job]) -> None:
        now_ms = self._now_ms()
        with self._database.writer.begin() as connection:
            for job in jobs:
                try:
                    job.outcome = job.run(connection, now_ms)
                except ProtocolError as error:
                    job.outcome = error

    def _one_by_one(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            try:
                patiently(partial(self._together, [job]))
            except Exception as error:  # noqa: BLE001 - the asker is told INTERNAL, the log its type
                job.outcome = told(error)


def _answer(job: _Job) -> None:
    if job.done.done():  # whoever asked is gone
        return
    if isinstance(job.outcome, BaseException):
        job.done.set_exception(job.outcome)
    else:
        job.done.set_result(job.outcome)
