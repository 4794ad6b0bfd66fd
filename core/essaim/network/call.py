"""The two ends of a call, as links give them to their users.

ProtocolError
└── LinkRefusedError      LINK_REFUSED: the peer, or the lack of a link to it, ended the call; `.refusal` says why
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Protocol

from essaim.protocol.errors import ProtocolError
from essaim.protocol.onion.refusal import Refusal


class LinkRefusedError(ProtocolError):
    """The call has ended without its replies. `time_ms` is the peer's clock with STALE, else 0."""

    reason = "LINK_REFUSED"

    def __init__(self, refusal: Refusal, time_ms: int = 0) -> None:
        super().__init__(f"the call was refused: {refusal.name}")
        self.refusal = refusal
        self.time_ms = time_ms


class CallListener(Protocol):
    """Who opened a call. Called on the event loop, never while `Links.open` runs."""

    def on_reply(self, seq: int, cell: bytes) -> None:
        """A reply cell of the right size, granted; the order is not checked here."""

    def on_refused(self, refusal: Refusal, time_ms: int) -> None:
        """The call has ended."""

    def on_end(self) -> None:
        """The call has ended."""


class OutgoingCall(Protocol):
    """The opener's handle of a call."""

    def consumed(self, cells: int) -> None:
        """So many reply cells were handed on: as many more may come."""

    def cancel(self) -> None:
        """No more of this; the listener hears nothing any more."""


class IncomingListener(Protocol):
    """Who answers a call."""

    def on_handed(self, cells: int) -> None:
        """So many reply cells that had to wait have left."""

    def on_cancelled(self) -> None:
        """The caller wants no more, or is gone. The call has ended."""


class IncomingCall(Protocol):
    """A call to answer, from a link or from the guard's door."""

    listener: IncomingListener | None

    @property
    def cell(self) -> bytes:
        """The request."""

    @property
    def peer(self) -> bytes | None:
        """The node that sent it; None for a client."""

    def reply(self, seq: int, cell: bytes) -> bool:
        """Send a reply cell. False: it waits for a grant, and `on_handed` tells when it has left."""

    def refuse(self, refusal: Refusal, time_ms: int = 0) -> None:
        """End the call without (further) replies."""

    def end(self) -> None:
        """End the call after the replies given."""


class Call:
    """A call for who has a task for it. `async with`: leaving cancels what has not ended."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, bytes] | LinkRefusedError | None] = deque()
        self._arrived = asyncio.Event()
        self._ended = False
        self.handle: OutgoingCall | None = None

    def on_reply(self, seq: int, cell: bytes) -> None:
        self._push((seq, cell))

    def on_refused(self, refusal: Refusal, time_ms: int) -> None:
        self._ended = True
        self._push(LinkRefusedError(refusal, time_ms))

    def on_end(self) -> None:
        self._ended = True
        self._push(None)

    def _push(self, event: tuple[int, bytes] | LinkRefusedError | None) -> None:
        self._events.append(event)
        self._arrived.set()

    async def replies(self) -> AsyncGenerator[tuple[int, bytes], None]:
        """(sequence, cell) until END; each is granted anew when the next is asked for. LinkRefusedError."""
        while (event := await self._next()) is not None:
            if isinstance(event, LinkRefusedError):
                raise event
            yield event
            if not self._ended and self.handle is not None:
                self.handle.consumed(1)

    async def _next(self) -> tuple[int, bytes] | LinkRefusedError | None:
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()

    def cancel(self) -> None:
        """No more of this."""
        if not self._ended and self.handle is not None:
            self._ended = True
            self.handle.cancel()
            self._push(None)

    async def __aenter__(self) -> "Call":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
