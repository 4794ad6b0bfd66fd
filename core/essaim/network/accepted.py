"""One link that was dialled to this process: its calls, one reader (the servicer's own coroutine), one writer."""

import asyncio
from collections.abc import Callable

import grpc.aio

from essaim.network.call import IncomingCall
from essaim.network.incoming import LinkedCall
from essaim.network.raw import decode
from essaim.network.settings import LinkSettings
from essaim.network.shed import SHED, Full
from essaim.network.writer import LinkWriter
from essaim.protocol.link.calls import Budget, CallTable
from essaim.protocol.link.frame import Cancel, Cell, End, Frame, Goaway, Grant, Message, Refuse, frames_of
from essaim.protocol.link.hello import Dialler
from essaim.protocol.link.refusal import LinkBrokenError
from essaim.protocol.onion.refusal import Refusal

Context = grpc.aio.ServicerContext[bytes, bytes]


class AcceptedStream:
    """The stream of such a link. gRPC fails to end one on which a message waits to be read, and keeps it even so."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waits = False
        self.read = context.read

    async def write(self, message: bytes) -> None:
        """Returns when the message has left; one whose write was cancelled waits on."""
        self._waits = True
        try:
            await self._context.write(message)
        except Exception:
            self._waits = False  # the stream is gone
            raise
        self._waits = False

    async def ending(self) -> None:
        """Before a status: what cannot be told one keeps its place until it is gone; then gRPC cancels this."""
        if self._waits:
            await asyncio.Event().wait()


class AcceptedLink:
    """The acceptor's end of a link. `on_message` is None where messages may not come."""

    def __init__(
        self,
        dialler: Dialler,
        budget: Budget,
        settings: LinkSettings,
        on_call: Callable[[IncomingCall], None],
        on_message: Callable[[bytes], None] | None,
    ) -> None:
        self.budget = budget
        self.link_class = dialler.link_class
        self._peer = dialler.node_id
        self._on_call = on_call
        self._on_message = on_message
        self._calls: CallTable[LinkedCall] = CallTable(dialler.link_class)
        self._writer = LinkWriter(settings, self._batch_left)
        self._draining = False

    async def run(self, stream: AcceptedStream) -> None:
        """Until the dialler closes, breaks its word (LinkBrokenError) or is gone; then every call is cancelled."""
        writing = asyncio.create_task(self._writer.run(stream.write))
        try:
            await self._read(stream)
        finally:
            writing.cancel()
            for call in self._calls.drain():
                call.cancelled()
            self.budget.give(self._writer.outbox.queued)
            await asyncio.gather(writing, return_exceptions=True)  # its error says only that the stream is gone

    async def _read(self, stream: AcceptedStream) -> None:
        while isinstance(message := await stream.read(), bytes):
            for frame in frames_of(decode(message)):
                self._take(frame)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, Cell):
            self._open(frame)
        elif isinstance(frame, Grant):
            if (call := self._calls.find(frame.call)) is not None:
                call.granted(frame.cells)
        elif isinstance(frame, Cancel):
            if (call := self._calls.find(frame.call)) is not None:
                call.cancelled()
        elif isinstance(frame, Message) and self._on_message is not None:
            self._on_message(frame.data)
        elif not isinstance(frame, Goaway):  # a dialler that drains needs nothing from here
            raise LinkBrokenError("a frame that this dialler may not send")

    def _open(self, frame: Cell) -> None:
        reply_class = self._calls.check_new(frame.call, frame.seq, frame.cell)
        if self._draining or not self.budget.admits():
            SHED[Full.LINK].inc()
            self.send_frame(Refuse(frame.call, Refusal.BUSY))
            return
        call = LinkedCall(self, frame.call, frame.cell, reply_class, self._peer)
        self._calls.add(frame.call, call)
        self.budget.open(frame.cell)
        self._on_call(call)

    def send_cell(self, number: int, seq: int, cell: bytes) -> None:
        """Queue a reply cell."""
        self._writer.outbox.cell(number, seq, cell)
        self._writer.poke()

    def send_frame(self, frame: End | Refuse) -> None:
        """Queue the frame that ends a call."""
        self._writer.outbox.frame(frame.encode())
        self._writer.poke()

    def forget(self, number: int, cell: bytes) -> None:
        """The call has ended here."""
        self._calls.end(number)
        self.budget.close(cell)

    def send_away(self) -> None:
        """Drain: GOAWAY, once. New calls are refused BUSY; the dialler closes when those under way have ended."""
        if self._draining:
            return
        self._draining = True
        self._writer.outbox.frame(Goaway().encode())
        self._writer.poke()

    def _batch_left(self, size: int) -> None:
        self.budget.give(size)
