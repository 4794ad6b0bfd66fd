"""A server that speaks HTTP/2 and nothing else, by `h2`: each request whole, each answer as told."""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

from push_receiver.plan import Plan, Step


@dataclass
class Request:
    """`headers` in lower case, with the pseudo ones. `connection` tells connections apart."""

    headers: dict[str, str]
    connection: int
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """A status, and a JSON body if there is one."""

    status: int
    document: dict[str, object] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return b"" if self.document is None else json.dumps(self.document).encode()


WINDOW, STREAMS = 1_000, 100
"""A stream takes so many bytes before they are acknowledged; a connection has one, and as many when a call was good."""
Answering = Callable[[Request, Step], Reply]


class Http2Server:
    """`answering` is asked once a request is whole."""

    def __init__(self, answering: Answering, plan: Plan) -> None:
        self._answering = answering
        self._plan = plan
        self._count = 0
        self.connections = 0

    async def start(self, tls: ssl.SSLContext, port: int = 0) -> int:
        """On loopback; the port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        self.connections += 1
        talk = Talk(self._answering, self._plan, writer, self._count)
        try:
            await talk.run(reader)
        except (ConnectionError, ProtocolError, OSError):
            pass
        finally:
            talk.end()


class Talk:
    """One connection."""

    def __init__(self, answering: Answering, plan: Plan, writer: asyncio.StreamWriter, number: int) -> None:
        self._answering = answering
        self._plan = plan
        self._writer = writer
        self._number = number
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, Request] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._trusted = self._mute = False

    def end(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._writer.close()

    async def run(self, reader: asyncio.StreamReader) -> None:
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 1, SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})
        await self._flush()
        while data := await reader.read(65_536):
            if self._mute:
                await asyncio.Event().wait()
            for event in self._h2.receive_data(data):
                self._take(event)
            await self._flush()

    def _take(self, event: object) -> None:
        if isinstance(event, RequestReceived):
            self._requests[event.stream_id] = Request(_text(event.headers), self._number)
        elif isinstance(event, DataReceived):
            self._requests[event.stream_id].body += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self._tasks[event.stream_id] = asyncio.ensure_future(self._answer(event.stream_id))
        elif isinstance(event, StreamReset):
            self._requests.pop(event.stream_id, None)
            if event.stream_id in self._tasks:
                self._tasks.pop(event.stream_id).cancel()

    async def _answer(self, stream: int) -> None:
        request, step = self._requests.pop(stream), await self._plan.next()
        if step.reset:
            self._break()
        self._mute = self._mute or step.mute
        if step.reset or self._mute:
            return
        try:
            await self._say(stream, self._answering(request, step), step)
        except (StreamClosedError, ProtocolError, ConnectionError):
            return  # who asked has gone
        finally:
            self._tasks.pop(stream, None)

    async def _say(self, stream: int, reply: Reply, step: Step) -> None:
        if reply.status == 200 and not self._trusted:
            self._trusted = True
            self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS})
        if step.reset_stream:
            self._h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
        else:
            body = b"x" * min(step.huge_body, 60_000) if step.huge_body else reply.body
            headers = {":status": str(reply.status)} | {name.lower(): value for name, value in reply.headers.items()}
            self._h2.send_headers(stream, list(headers.items()), end_stream=not body)
            for start in range(0, len(body), 16_384):
                self._h2.send_data(stream, body[start : start + 16_384], end_stream=start + 16_384 >= len(body))
        if step.goaway:
            self._h2.close_connection(additional_data=reply.body)
        await self._flush()
        if step.goaway:
            self._writer.close()

    def _break(self) -> None:
        end: socket.socket = self._writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())
        await self._writer.drain()


def _text(headers: Iterable[tuple[str | bytes, str | bytes]]) -> dict[str, str]:
    return {str(name): str(value) for name, value in headers}
