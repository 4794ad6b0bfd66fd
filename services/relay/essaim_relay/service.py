"""RelayService: the guard's door for clients in any language. Proto in, proto out; the work is the forwarder's."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any
from weakref import WeakValueDictionary

import grpc.aio

from essaim.network.acceptor import client_budget
from essaim.network.call import IncomingCall, IncomingListener
from essaim.network.settings import LinkSettings
from essaim.network.shed import SHED, Full
from essaim.protocol.errors import ProtocolError
from essaim.protocol.link.calls import Budget, Total, classes_of
from essaim.protocol.link.grant import SendCredit
from essaim.protocol.link.refusal import LinkBrokenError
from essaim.protocol.onion import BadCellError, Refusal
from essaim.relay.v1 import relay_pb2, relay_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class CellNotCarriedError(ProtocolError):
    """This relay, or the path behind it, did not carry the cell."""


_ERRORS = {each: type(f"{each.name}Error", (CellNotCarriedError,), {"reason": each.name}) for each in Refusal}


def refused(refusal: Refusal, time_ms: int) -> CellNotCarriedError:
    """The error of a refusal; with STALE the relay's clock goes along."""
    error: CellNotCarriedError = _ERRORS[refusal]("the cell was not carried")
    if time_ms:
        error.metadata = {"nodeTimeMs": str(time_ms)}
    return error


class DirectCall:
    """An `IncomingCall` from the door. gRPC's own flow control grants: a reply is granted when one was taken."""

    peer = None

    def __init__(self, cell: bytes, budget: Budget) -> None:
        try:
            self._credit = SendCredit(classes_of(cell).reply)
        except LinkBrokenError as error:
            raise BadCellError("a cell whose prefix does not fit it") from error
        self.cell = cell
        self._budget = budget
        self._held = 0
        self.listener: IncomingListener | None = None
        self._replies: deque[bytes] = deque()
        self._refused: CellNotCarriedError | None = None
        self._ended = False
        self._arrived = asyncio.Event()

    def reply(self, seq: int, cell: bytes) -> bool:
        """Queue a reply, at once or when it is granted."""
        if self._ended:
            return True
        self._hold(len(cell))
        if not self._credit.offer(seq, cell):
            return False
        self._replies.append(cell)
        self._arrived.set()
        return True

    def refuse(self, refusal: Refusal, time_ms: int = 0) -> None:
        """End the call with a status."""
        self._refused = refused(refusal, time_ms)
        self.end()

    def end(self) -> None:
        """No more replies."""
        self._ended = True
        self._arrived.set()

    async def replies(self) -> AsyncGenerator[bytes, None]:
        """The reply cells in order; leaving early cancels the call."""
        try:
            while await self._more():
                cell = self._replies.popleft()
                yield cell
                self._hold(-len(cell))
                self._grant()
            if self._refused is not None:
                raise self._refused
        finally:
            ended, self._ended = self._ended, True
            self._hold(-self._held)
            if not ended and self.listener is not None:
                self.listener.on_cancelled()

    def _hold(self, size: int) -> None:
        self._held += size
        self._budget.take(size)

    async def _more(self) -> bool:
        while not self._replies and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        return bool(self._replies)

    def _grant(self) -> None:
        freed = self._credit.granted(1)
        self._replies.extend(cell for _, cell in freed)
        if freed and not self._ended and self.listener is not None:
            self.listener.on_handed(len(freed))


class RelayServicer(relay_pb2_grpc.RelayServiceServicer):
    """Send and Open. No metadata and no deadline of the caller goes further than this.

    A connection may have as many calls open here, and hold as much, as a client may on its links; what all clients
    together may hold is one for links and door.
    """

    def __init__(self, on_call: Callable[[IncomingCall], None], settings: LinkSettings, clients: Total) -> None:
        self._on_call = on_call
        self._settings = settings
        self._clients = clients
        self._budgets: WeakValueDictionary[str, Budget] = WeakValueDictionary()

    async def Send(self, request: relay_pb2.SendRequest, context: Context) -> relay_pb2.SendResponse:
        """One request, its first reply."""
        async with aclosing(self._replies(request.cell, context.peer())) as replies:
            async for cell in replies:
                return relay_pb2.SendResponse(cell=cell)
        raise refused(Refusal.BAD_REPLY, 0)

    async def Open(
        self, request: relay_pb2.OpenRequest, context: Context
    ) -> AsyncGenerator[relay_pb2.OpenResponse, None]:
        """One request, its replies."""
        async with aclosing(self._replies(request.cell, context.peer())) as replies:
            async for cell in replies:
                yield relay_pb2.OpenResponse(cell=cell)

    async def _replies(self, cell: bytes, connection: str) -> AsyncGenerator[bytes, None]:
        budget = self._budgets.setdefault(connection, client_budget(self._settings, self._clients))
        if not budget.admits():
            SHED[Full.DOOR].inc()
            raise refused(Refusal.BUSY, 0)
        budget.open(cell)
        try:
            call = DirectCall(cell, budget)
            self._on_call(call)
            async with aclosing(call.replies()) as replies:
                async for reply in replies:
                    yield reply
        finally:
            budget.close(cell)
