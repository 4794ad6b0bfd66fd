"""One member's live stream of a slot, carried over from path to path before the paths grow old."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import cast

from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.swarm_call import SERVICE, Swarms
from essaim_client.network.guard import draw
from essaim_client.network.method import Method

LIFE_MIN_SECONDS = 7 * 60
LIFE_SPREAD_SECONDS = 2 * 60
"""A stream moves to a new path 1 to 3 minutes before its path's ten minutes end."""
PATHS_MOST = 4
"""Paths in a row to one member, half an hour: then a quorum is read again, for a member may hold mail back."""
SUBSCRIBE = Method(SERVICE, "Subscribe")

Answers = asyncio.Queue[mailbox_pb2.SubscribeResponse | None]


class LiveStream:
    """`request` makes each Subscribe, with the cursor of that moment; `lane` is the stream's alone."""

    def __init__(
        self, swarms: Swarms, node_id: bytes, lane: bytes, request: Callable[[], mailbox_pb2.SubscribeRequest]
    ) -> None:
        self._swarms = swarms
        self._node_id = node_id
        self._lane = lane
        self._request = request

    async def answers(self) -> AsyncGenerator[mailbox_pb2.SubscribeResponse, None]:
        """Until the member ends it, its paths are used up, or it fails as `OnionClient.stream` does.

        What two paths bring comes twice.
        """
        answers: Answers = asyncio.Queue()
        chain = asyncio.create_task(self._chain(answers))
        try:
            while (answer := await answers.get()) is not None:
                yield answer
            await chain
        finally:
            await _ended(chain)

    async def _chain(self, answers: Answers) -> None:
        """One path after the other: each has answered before the one before it is left."""
        current: asyncio.Task[None] | None = None
        try:
            for _ in range(PATHS_MOST):
                successor = await self._begun(answers)
                if current is not None:
                    await _ended(current)
                current = successor
                if (await asyncio.wait({current}, timeout=self._life_seconds()))[0]:
                    return current.result()
        finally:
            if current is not None:
                await _ended(current)
            answers.put_nowait(None)

    async def _begun(self, answers: Answers) -> asyncio.Task[None]:
        """A stream on a new path, once it has answered (or died)."""
        first = asyncio.Event()
        stream = asyncio.create_task(self._stream(answers, first))
        stream.add_done_callback(lambda _: first.set())
        try:
            await first.wait()
        except asyncio.CancelledError:
            await _ended(stream)
            raise
        return stream

    async def _stream(self, answers: Answers, first: asyncio.Event) -> None:
        onion = self._swarms.onion
        onion.lanes.drop(self._lane)
        async with aclosing(onion.stream(self._node_id, SUBSCRIBE, self._request(), lane=self._lane)) as stream:
            async for answer in stream:
                first.set()
                answers.put_nowait(cast("mailbox_pb2.SubscribeResponse", answer))

    def _life_seconds(self) -> float:
        return LIFE_MIN_SECONDS + draw(self._swarms.random, LIFE_SPREAD_SECONDS * 1000) / 1000


async def _ended(task: asyncio.Task[None]) -> None:
    """Stop a task and wait until it has; what it raised is its reader's affair."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
