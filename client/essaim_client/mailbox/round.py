"""One reading of several mailboxes: a few at a time, each over paths of its own, given out in their order."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from essaim.protocol.errors import ProtocolError
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.reading import Reader, Reading
from essaim_client.mailbox.swarm_call import Swarms

AT_ONCE = 6
AHEAD = 64
"""Envelopes of one mailbox that wait for those of the mailboxes before it."""

Found = tuple[Access, mailbox_pb2.StoredEnvelope]
Items = asyncio.Queue[mailbox_pb2.StoredEnvelope | ProtocolError | None]


class Round:
    """`async for` over `envelopes()`, once; then `read` and `problems` say how it went."""

    def __init__(self, swarms: Swarms, accesses: Sequence[Access]) -> None:
        self._swarms = swarms
        self._accesses = accesses
        self.read: list[Access] = []
        """Those that r - W + 1 members answered for, to the end."""
        self.problems: list[ProtocolError] = []
        """What the others failed with, in their order."""

    async def envelopes(self) -> AsyncGenerator[Found, None]:
        """What is in them, and which of them it is in."""
        few = asyncio.Semaphore(AT_ONCE)
        pairs = [(access, Items(AHEAD)) for access in self._accesses]
        tasks = [asyncio.create_task(self._fill(access, queue, few)) for access, queue in pairs]
        try:
            for (access, queue), task in zip(pairs, tasks, strict=True):
                while (item := await _next(queue, task)) is not None:
                    if isinstance(item, ProtocolError):
                        self.problems.append(item)
                    else:
                        yield access, item
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _fill(self, access: Access, queue: Items, few: asyncio.Semaphore) -> None:
        async with few:
            try:
                async with aclosing(Reader(self._swarms, access).read(Reading())) as envelopes:
                    async for envelope in envelopes:
                        await queue.put(envelope)
                self.read.append(access)
            except ProtocolError as error:
                await queue.put(error)
        await queue.put(None)


async def _next(queue: Items, task: "asyncio.Task[None]") -> mailbox_pb2.StoredEnvelope | ProtocolError | None:
    """The next item; whatever else ended the task that brings them is raised."""
    getting = asyncio.ensure_future(queue.get())
    try:
        await asyncio.wait({getting, task}, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done() and queue.empty():
            task.result()
        return await getting
    finally:
        getting.cancel()
