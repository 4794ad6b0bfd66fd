"""What a client does unasked: publish what is due, store what could not be stored before, keep its devices in step."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType

from essaim.protocol.errors import ProtocolError

EVERY_SECONDS = 3_600.0
RETRY_SECONDS = 20.0

Duty = Callable[[], Awaitable[object]]


class Upkeep:
    """`async with Upkeep(publish, duties)`: at once, every hour, and soon again after a failure."""

    def __init__(self, publish: Duty, duties: Sequence[Duty]) -> None:
        self._publish_due = publish
        self._duties = duties
        self.published = asyncio.Event()
        """Others can write to this device."""
        self.tried = asyncio.Event()
        """The first round is over, well or not."""
        self.problem: ProtocolError | None = None
        """Why the last round did not do all of it."""

    async def __aenter__(self) -> "Upkeep":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self.round()
            finally:
                self.tried.set()
            await asyncio.sleep(RETRY_SECONDS if self.problem else EVERY_SECONDS)

    async def round(self) -> None:
        """All that is due, side by side; `problem` says what failed."""
        problems = await asyncio.gather(_problem(self._publish), *map(_problem, self._duties))
        self.problem = next((each for each in problems if each is not None), None)

    async def _publish(self) -> None:
        await self._publish_due()
        self.published.set()


async def _problem(work: Duty) -> ProtocolError | None:
    try:
        await work()
    except ProtocolError as error:
        return error
    return None
