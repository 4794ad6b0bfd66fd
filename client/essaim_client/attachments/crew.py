"""Some things at once, not all: the first that fails ends the others."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager

Job = Callable[[], Coroutine[None, None, None]]
"""Not begun yet: one that never begins leaves nothing behind."""


async def at_once(limit: int, jobs: AsyncGenerator[Job, None]) -> None:
    """Take a job only when there is room for it; raises what the first to fail raised, when all have ended."""
    async with _one_failure(), aclosing(jobs), asyncio.TaskGroup() as group:
        room = asyncio.Semaphore(limit)
        await room.acquire()
        async for job in jobs:
            group.create_task(_in(room, job))
            await room.acquire()


async def _in(room: asyncio.Semaphore, job: Job) -> None:
    try:
        await job()
    finally:
        room.release()


@asynccontextmanager
async def _one_failure() -> AsyncGenerator[None, None]:
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
