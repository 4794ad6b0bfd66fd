"""The one writer of a link's direction: waits as pacing says, joins a batch, hands it to gRPC, again."""

import asyncio
from collections.abc import Awaitable, Callable

from essaim.network.raw import encode
from essaim.network.settings import LinkSettings
from essaim.protocol.link.outbox import BATCH_BYTES, Outbox
from essaim.protocol.link.pacing import Pacer


class LinkWriter:
    """An outbox that empties itself. After each change of `outbox`, `poke`."""

    def __init__(self, settings: LinkSettings, on_batch: Callable[[int], None] | None = None) -> None:
        self.outbox = Outbox()
        self._pacer = Pacer(settings.quiet_us, settings.busy_us, BATCH_BYTES)
        self._on_batch = on_batch
        self._observe = settings.observe_batch
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def poke(self) -> None:
        """Something waits: send it when it is due."""
        if self._ready.is_set() or (self._timer is not None and self.outbox.queued < BATCH_BYTES):
            return  # it leaves soon, and is not full yet
        now_us = int(self._loop.time() * 1e6)
        due_us = self._pacer.due_us(self.outbox.queued, now_us)
        if due_us <= now_us:
            self._fire()
        elif self._timer is None:
            self._timer = self._loop.call_at(due_us / 1e6, self._fire)

    def _fire(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._ready.set()

    async def run(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write until cancelled. `write` returns when the batch may be forgotten: its wait is the back-pressure."""
        try:
            while True:
                await self._ready.wait()
                self._ready.clear()
                await self._write_batch(write)
        finally:
            self._fire()  # drops the timer; what is queued from now on goes nowhere

    async def _write_batch(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        pieces, size = self.outbox.take()
        if not pieces:
            return
        self._pacer.sent(size, int(self._loop.time() * 1e6))
        if self._on_batch is not None:
            self._on_batch(size)
        if self._observe is not None:
            self._observe(size)
        await write(encode(pieces))
        if self.outbox:
            self.poke()
