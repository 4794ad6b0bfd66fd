"""The signed views: kept for diffs, and told to whoever follows."""

import asyncio
from collections.abc import AsyncIterator

from essaim.protocol.view import NetworkView, ViewHistory
from essaim.view.v1 import view_pb2


class Publisher:
    """`publish` each view once it is on disk."""

    def __init__(self) -> None:
        self._history = ViewHistory()
        self._changed = asyncio.Event()
        self._ended = False

    @property
    def newest(self) -> NetworkView | None:
        """The view that everybody is to have."""
        return self._history.newest

    def answer(self, epoch: int, serial: int) -> view_pb2.ViewAnswer | None:
        """For somebody who has (epoch, serial)."""
        return self._history.answer(epoch, serial)

    def publish(self, view: NetworkView) -> None:
        """The next view."""
        self._history.add(view)
        self._wake()

    def end(self) -> None:
        """Whoever follows is let go."""
        self._ended = True
        self._wake()

    async def follow(self, epoch: int, serial: int) -> AsyncIterator[view_pb2.ViewAnswer]:
        """What leads from (epoch, serial) to the newest view, then to each newer one."""
        while not self._ended:
            changed, newest = self._changed, self.newest
            if newest is None or (newest.epoch, newest.serial) == (epoch, serial):
                await changed.wait()
                continue
            answer = self.answer(epoch, serial)
            epoch, serial = newest.epoch, newest.serial
            if answer is not None:
                yield answer

    async def first(self) -> None:
        """Returns once there is a view."""
        while self.newest is None:
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
