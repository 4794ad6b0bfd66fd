"""Everything that happens, in one stream: what the inbox brings, and what this device notices by itself."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from essaim_client.messaging.events import Event

KEPT_MAX = 10_000
"""What happened while nobody asked: the oldest go first."""

Source = Callable[[], AsyncGenerator[Event, None]]


class EventStream:
    """`tell` is for whoever notices something; `follow` merges that with the inbox."""

    def __init__(self) -> None:
        self._noticed: deque[Event] = deque(maxlen=KEPT_MAX)
        self._more = asyncio.Event()

    def tell(self, event: Event) -> None:
        """Something happened."""
        self._noticed.append(event)
        self._more.set()

    def drain(self) -> list[Event]:
        """What was noticed and not given out yet."""
        noticed = list(self._noticed)
        self._noticed.clear()
        self._more.clear()
        return noticed

    async def follow(self, inbox: Source) -> AsyncGenerator[Event, None]:
        """Until it is closed. An event of the inbox is fetched only when somebody asks for the next one."""
        async with aclosing(inbox()) as arriving:
            taking: asyncio.Task[Event] | None = None
            noticing: asyncio.Task[bool] | None = None
            try:
                while True:
                    for event in self.drain():
                        yield event
                    taking = taking or asyncio.create_task(_next(arriving))
                    noticing = noticing or asyncio.create_task(self._more.wait())
                    await asyncio.wait({taking, noticing}, return_when=asyncio.FIRST_COMPLETED)
                    if noticing.done():
                        noticing = None
                    if taking.done():
                        event, taking = taking.result(), None
                        yield event
            finally:
                await _ended(taking, noticing)


async def _next(events: AsyncGenerator[Event, None]) -> Event:
    return await anext(events)


async def _ended(*tasks: "asyncio.Task[Event] | asyncio.Task[bool] | None") -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
