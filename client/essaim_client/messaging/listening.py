"""An endless iteration over messages that may be waited for with a time limit."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

T = TypeVar("T")


def _seen(task: "asyncio.Task[object]") -> None:
    """Whoever waited may have left: how the wait ended is then nobody's, and no complaint of the loop's."""
    if not task.cancelled():
        task.exception()


class Listening(Generic[T]):
    """`async for` over a generator, with one difference: cancelling a wait for the next item loses nothing.

    `asyncio.wait_for(anext(generator), 5)` would end a plain generator when the time is over, and lose what it had in
    hand; here the next wait goes on. Nothing is fetched that nobody has asked for.
    """

    def __init__(self, items: AsyncGenerator[T, None]) -> None:
        self._items = items
        self._next: asyncio.Task[T] | None = None
        self._turn = asyncio.Lock()
        self.closed = False

    def __aiter__(self) -> "Listening[T]":
        return self

    async def __anext__(self) -> T:
        async with self._turn:
            if self.closed:
                raise StopAsyncIteration
            if self._next is None:
                self._next = asyncio.create_task(self._take())
                self._next.add_done_callback(_seen)
            await asyncio.wait({self._next})
            taken, self._next = self._next, None
            if taken.cancelled():
                raise StopAsyncIteration
            return taken.result()

    async def _take(self) -> T:
        return await anext(self._items)

    async def aclose(self) -> None:
        """End it; who waits for the next item sees the end."""
        self.closed = True
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._items.aclose()
