"""What a client does unasked: publish what is due, and store what could not be stored before."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType

from essaim.protocol.errors import ProtocolError
from essaim_client.messaging.outgoing_mail import OutgoingMail
from essaim_client.messaging.publisher import Publisher

EVERY_SECONDS = 3_600.0
RETRY_SECONDS = 20.0


class Upkeep:
    """`async with Upkeep(publisher, mail)`: at once, every hour, and soon again after a failure."""

    def __init__(self, publisher: Publisher, mail: OutgoingMail) -> None:
        self._publisher = publisher
        self._mail = mail
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
                problems = await asyncio.gather(_problem(self._publish), _problem(self._mail.flush))
            finally:
                self.tried.set()
            self.problem = next((each for each in problems if each is not None), None)
            await asyncio.sleep(RETRY_SECONDS if self.problem else EVERY_SECONDS)

    async def _publish(self) -> None:
        await self._publisher.publish()
        self.published.set()


async def _problem(work: Callable[[], Awaitable[None]]) -> ProtocolError | None:
    try:
        await work()
    except ProtocolError as error:
        return error
    return None
