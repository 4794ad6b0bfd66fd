"""The answering side of one delivered call: seals replies in order and lets them go as the grants allow."""

import asyncio
from collections.abc import Callable

from essaim.network.call import IncomingCall
from essaim.protocol.geometry import MAX_REPLIES
from essaim.protocol.onion import CallKeys, ReplySealer


class StreamFullError(Exception):
    """The call has had all the replies that it may have but the last."""


class Replier:
    """One call's sealer and link end."""

    def __init__(self, call: IncomingCall, keys: CallKeys) -> None:
        self._call = call
        self._sealer = ReplySealer(keys)
        self._handed = asyncio.Event()
        self._sent = 0
        self.on_gone: Callable[[], object] | None = None
        """Called once when the caller has cancelled or is gone."""
        call.listener = self

    @property
    def capacity(self) -> int:
        """Most payload bytes of one reply."""
        return self._sealer.max_payload

    async def more(self, payload: bytes) -> None:
        """One of several replies; returns when it has left."""
        await self._send(*self._sealed(payload))

    async def heartbeat(self) -> None:
        """Say that the path lives."""
        self._count()
        await self._send(*self._sealer.heartbeat())

    def last(self, payload: bytes) -> None:
        """The last reply (without payload where a stream ends), and the end of the call."""
        self._call.reply(*self._sealer.seal(payload, last=True))
        self._call.end()

    def _sealed(self, payload: bytes) -> tuple[int, bytes]:
        self._count()
        return self._sealer.seal(payload, last=False)

    def _count(self) -> None:
        self._sent += 1
        if self._sent == MAX_REPLIES:
            raise StreamFullError

    async def _send(self, seq: int, cell: bytes) -> None:
        self._handed.clear()
        if not self._call.reply(seq, cell):
            await self._handed.wait()

    def on_handed(self, cells: int) -> None:
        """A reply that had to wait has left."""
        self._handed.set()

    def on_cancelled(self) -> None:
        """The caller is gone."""
        self._handed.set()
        if self.on_gone is not None:
            self.on_gone()
