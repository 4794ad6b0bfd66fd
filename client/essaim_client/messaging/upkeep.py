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
                done = await asyncio.gather(_succeeds(self._publish), _succeeds(self._mail.flush))
            finally:
                self.tried.set()
            await asyncio.sleep(EVERY_SECONDS if all(done) else RETRY_SECONDS)

    async def _publish(self) -> None:
        await self._publisher.publish()
        self.published.set()


async def _succeeds(work: Callable[[], Awaitable[None]]) -> bool:
    try:
        await work()
    except ProtocolError:
        return False
    return True
