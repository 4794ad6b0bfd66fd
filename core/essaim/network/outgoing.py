"""One link that this process dials, from its dial to its break: the calls on it, one reader, one writer."""

import asyncio
import contextlib
from collections.abc import Callable

import grpc.aio

from essaim.network import tls
from essaim.network.call import CallListener
from essaim.network.peer import Peer
from essaim.network.raw import decode, encode, link_stream
from essaim.network.settings import LinkSettings
from essaim.network.writer import LinkWriter
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.link.calls import CallTable
from essaim.protocol.link.frame import Cancel, Cell, Challenge, End, Frame, Goaway, Grant, Refuse, frames_of
from essaim.protocol.link.grant import ReceiveCredit
from essaim.protocol.link.hello import LinkIdentity, answer
from essaim.protocol.link.refusal import LinkBrokenError
from essaim.protocol.onion.refusal import Refusal

Stream = grpc.aio.StreamStreamCall[bytes, bytes]
BREAKS = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError, ProtocolError, TimeoutError)
"""How a link breaks; gRPC says so in several ways, by what was under way. Anything else is a fault of ours."""


class DialledCall:
    """The opener's handle of a call, and its place in the link's table."""

    __slots__ = ("_credit", "_link", "listener", "number")

    def __init__(self, link: "OutgoingLink", number: int, reply_class: CellClass, listener: CallListener) -> None:
        self._link = link
        self.number = number
        self._credit = ReceiveCredit(reply_class)
        self.listener = listener

    def received(self, frame: Cell) -> None:
        """A reply cell came; LinkBrokenError when it may not."""
        self._credit.received(frame.cell)
        self.listener.on_reply(frame.seq, frame.cell)

    def consumed(self, cells: int) -> None:
        """Hand back-pressure on."""
        if grant := self._credit.consumed(cells):
            self._link.send(self.number, Grant(self.number, grant))

    def cancel(self) -> None:
        """End it at both ends."""
        self._link.cancel(self.number)


class OutgoingLink:
    """A stream of one class to one node. `run` lives as long as the connection."""

    def __init__(
        self,
        peer: Peer,
        link_class: int,
        identity: LinkIdentity | None,
        settings: LinkSettings,
        on_up: Callable[["OutgoingLink"], None],
    ) -> None:
        self.peer = peer
        self.up = False
        self.up_at: float | None = None
        """The loop's time when it came up."""
        self.leaving = False
        """The peer drains, or its place has changed: no new calls."""
        self.link_class = link_class
        self._on_up = on_up
        self._identity = identity
        self._settings = settings
        self._calls: CallTable[DialledCall] = CallTable(link_class)
        self._writer = LinkWriter(settings)
        self._idle = asyncio.Event()

    @property
    def queued(self) -> int:
        """Bytes that wait to leave."""
        return self._writer.outbox.queued

    @property
    def full(self) -> bool:
        """More waits to leave than may."""
        return self.queued >= self._settings.queued_bytes

    def leads_to(self, peer: Peer) -> bool:
        """Whether the view still gives this node the address and certificates that were dialled."""
        if peer is self.peer:
            return True
        return self.peer.address == peer.address and list(self.peer.certificates) == list(peer.certificates)

    def open(self, cell: bytes, reply_class: CellClass, listener: CallListener) -> DialledCall:
        """Open a call with this cell, now or when the link is up."""
        call = DialledCall(self, self._calls.next_number(), reply_class, listener)
        self._calls.add(call.number, call)
        self._writer.outbox.cell(call.number, 0, cell)
        self._poke()
        return call

    def tell(self, message: bytes) -> None:
        """Queue a MESSAGE."""
        self._writer.outbox.message(message)
        self._poke()

    def send(self, number: int, frame: Grant | Cancel) -> None:
        """Queue a small frame of a call that is open."""
        if self._calls.find(number) is not None:
            self._writer.outbox.frame(frame.encode())
            self._poke()

    def cancel(self, number: int) -> None:
        """Cancel an open call; one that has ended stays as it is."""
        self.send(number, Cancel(number))
        self._ended(number)

    def leave(self) -> None:
        """No new calls; the link closes when those under way have ended."""
        self.leaving = True
        if not len(self._calls):
            self._idle.set()

    def _poke(self) -> None:
        if self.up:
            self._writer.poke()

    def _ended(self, number: int) -> DialledCall | None:
        self._calls.find(number)  # a number that never was breaks the link
        call = self._calls.end(number)
        if self.leaving and not len(self._calls):
            self._idle.set()
        return call

    async def run(self) -> None:
        """Dial, and serve until the link breaks or has left. Every call still open ends with UNREACHABLE."""
        try:
            with contextlib.suppress(*BREAKS):
                async with tls.dial_peer(self.peer) as channel:
                    stream = link_stream(channel)
                    await self._greet(stream)
                    await self._serve(stream)
        finally:
            self.up = False
            self.leaving = True
            for call in self._calls.drain():
                call.listener.on_refused(Refusal.UNREACHABLE, 0)

    async def _greet(self, stream: Stream) -> None:
        async with asyncio.timeout(self._settings.connect_seconds):
            frames = list(frames_of(decode(await _message(stream))))
            if len(frames) != 1 or not isinstance(challenge := frames[0], Challenge):
                raise LinkBrokenError("a link begins with a CHALLENGE")
            await stream.write(encode([answer(challenge, self._identity, self.peer.node_id, self.link_class).encode()]))
        self.up = True
        self.up_at = asyncio.get_running_loop().time()
        self._on_up(self)
        self._writer.poke()

    async def _serve(self, stream: Stream) -> None:
        """Until one of reader, writer and `leave` ends it."""
        tasks = [asyncio.create_task(each) for each in (self._read(stream), self._write(stream), self._idle.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _write(self, stream: Stream) -> None:
        await self._writer.run(stream.write)

    async def _read(self, stream: Stream) -> None:
        while True:
            for frame in frames_of(decode(await _message(stream))):
                self._take(frame)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, Cell):
            if (call := self._calls.find(frame.call)) is not None:
                call.received(frame)
        elif isinstance(frame, End):
            if (call := self._ended(frame.call)) is not None:
                call.listener.on_end()
        elif isinstance(frame, Refuse):
            if (call := self._ended(frame.call)) is not None:
                call.listener.on_refused(frame.refusal, frame.time_ms)
        elif isinstance(frame, Goaway):
            self.leave()
        else:
            raise LinkBrokenError("a frame that an acceptor does not send")


async def _message(stream: Stream) -> bytes:
    message = await stream.read()
    if not isinstance(message, bytes):  # grpc.aio.EOF
        raise LinkBrokenError("the peer has closed the link")
    return message
