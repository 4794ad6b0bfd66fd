"""One connection that speaks HTTP/2 (RFC 9113), by `h2`: many calls at once, each let go of in its time."""

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import NoAvailableStreamIDError, ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings

from essaim.runtime.logs import hush
from essaim_push.providers.answer import MAX_BODY, Answer

MOST = 250
"""Calls at once, where the server allows as many; others wait for room."""
MAX_HEADERS = 16_384
FRAME_HEAD, KIND_AT, GOAWAY, LAST_STREAM = 9, 3, 0x7, (1 << 31) - 1
Headers = Iterable[tuple[str, str]]
hush("hpack")  # it tells every header: tokens and devices


class _Call:
    """A request under way, and what has come of its answer."""

    def __init__(self, body: bytes) -> None:
        self.unsent = body
        self.status = 0
        self.retry_after = ""
        self.body = b""
        self.over = False
        self.done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(Answer(self.status, self.retry_after, self.body[:MAX_BODY]))


class Http2Connection(asyncio.Protocol):
    """`await ready`, then `post` as often as wanted while it is `usable`."""

    def __init__(self) -> None:
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        own = {SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADERS}
        self._h2.local_settings = Settings(client=True, initial_values=own)
        self._calls: dict[int, _Call] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._over = False
        self._partial = b""
        self.usable = True
        """Whether calls may be begun. Those under way may go on all the same (RFC 9113, section 6.8)."""
        self.heard = 0
        """Bytes that have come, ever."""

    async def post(self, headers: Headers, body: bytes) -> Answer:
        """`body` is not empty. Raises ConnectionResetError: no answer will come."""
        await self._room()
        try:
            stream = self._h2.get_next_available_stream_id()
            call = self._calls[stream] = _Call(body)
            self._h2.send_headers(stream, list(headers))
        except (NoAvailableStreamIDError, ProtocolError):
            self._end()
            raise ConnectionResetError from None
        try:
            self._send(stream, call)
            self._flush()
            return await call.done
        finally:
            self._let_go(stream)

    async def _room(self) -> None:
        while self.usable and len(self._calls) >= min(MOST, self._h2.remote_settings.max_concurrent_streams):
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._wake()  # what woke it is for another
                raise
        if not self.usable:
            raise ConnectionResetError

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _let_go(self, stream: int) -> None:
        """Tell the server when its answer is no longer waited for: else the stream would take up room for ever."""
        call = self._calls.pop(stream, None)
        if call is not None and not call.over and not self._over:
            with suppress(ProtocolError):
                self._h2.reset_stream(stream, ErrorCodes.CANCEL)
            self._flush()
        self._wake()
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self._transport is not None and (self._over or not (self.usable or self._calls)):
            self._transport.abort()  # a goodbye would be waited for

    def _send(self, stream: int, call: _Call) -> None:
        """As much of the body as the server's windows let."""
        while call.unsent:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            piece, call.unsent = call.unsent[:room], call.unsent[room:]
            self._h2.send_data(stream, piece, end_stream=not call.unsent)

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._h2.data_to_send())

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        self.heard += len(data)
        self._partial += data
        try:
            while not self._over and (frame := self._frame()):
                if frame[KIND_AT] == GOAWAY:
                    self._sent_away(frame[FRAME_HEAD:])
                else:
                    for event in self._h2.receive_data(frame):
                        self._take(event)
        except (ProtocolError, ValueError):  # no HTTP/2, or no HTTP in it
            self._end()
        self._flush()
        self._leave_if_done()

    def _frame(self) -> bytes:
        """The next whole frame; empty where it has not come whole yet. RFC 9113, section 4.1."""
        size = FRAME_HEAD + int.from_bytes(self._partial[:3])
        if size > FRAME_HEAD + self._h2.max_inbound_frame_size:
            raise ProtocolError
        if len(self._partial) < max(FRAME_HEAD, size):
            return b""
        frame, self._partial = self._partial[:size], self._partial[size:]
        return frame

    def _sent_away(self, told: bytes) -> None:
        """GOAWAY, which h2 would take for the end of all: no call is begun any more, what the server has goes on."""
        self.usable = False
        last = int.from_bytes(told[:4]) & LAST_STREAM
        for stream, call in self._calls.items():
            if stream > last and not call.done.done():
                call.over = True
                call.done.set_exception(ConnectionResetError())
        for _ in range(len(self._waiting)):
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._end()
        if not self.closed.done():
            self.closed.set_result(None)

    def _take(self, event: Event) -> None:
        if isinstance(event, RemoteSettingsChanged | WindowUpdated):
            self._more_room(isinstance(event, RemoteSettingsChanged))
        elif isinstance(event, ResponseReceived | DataReceived | StreamEnded | StreamReset):
            self._answered(event)

    def _more_room(self, settings: bool) -> None:
        if settings and not self.ready.done():
            self.ready.set_result(None)
        for stream, call in self._calls.items():
            self._send(stream, call)
        for _ in range(len(self._waiting)):
            self._wake()

    def _answered(self, event: ResponseReceived | DataReceived | StreamEnded | StreamReset) -> None:
        if isinstance(event, DataReceived):
            with suppress(StreamClosedError):
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        call = self._calls.get(event.stream_id)
        if call is None:
            return
        if isinstance(event, ResponseReceived):
            headers = {bytes(name): bytes(value).decode("latin-1") for name, value in event.headers}
            call.status, call.retry_after = _status(headers.get(b":status", "")), headers.get(b"retry-after", "")
        elif isinstance(event, DataReceived):
            call.body += event.data
            if len(call.body) >= MAX_BODY:
                call.finish()
        elif isinstance(event, StreamEnded):
            call.over = not call.unsent
            call.finish()
        else:
            call.over = True
            if not call.done.done():
                call.done.set_exception(ConnectionResetError())

    def _end(self) -> None:
        """No call is begun any more; those under way are told."""
        self.usable, self._over = False, True
        for call in self._calls.values():
            if not call.done.done():
                call.done.set_exception(ConnectionResetError())
        if not self.ready.done():
            self.ready.set_exception(ConnectionResetError())
            self.ready.exception()  # whoever waits has it; nobody need
        while self._waiting:
            self._wake()

    def abort(self) -> None:
        """At once, without a word."""
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """With GOAWAY."""
        if not self._over:
            self._h2.close_connection()
            self._flush()
        self._end()
        if self._transport is not None:
            self._transport.close()


def _status(text: str) -> int:
    """RFC 9110, section 15: three digits. Raises ValueError."""
    if len(text) != 3 or not (text.isascii() and text.isdecimal()) or text[0] == "0":
        raise ValueError
    return int(text)
