"""A vendor's server that sends anything: each call has an answer or an end, and nothing else comes out."""

import asyncio
import random
from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

from essaim.testing.effort import examples
from essaim_push.providers.answer import MAX_BODY, Answer
from essaim_push.providers.http2 import Http2Connection

HEADERS = [(":method", "POST"), (":scheme", "https"), (":authority", "vendor.example.org"), (":path", "/x")]
STATUSES = ["200", "404", "099", "1000", "abc", "+20", "\uff12\uff10\uff10", "", "-1"]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def taken(self) -> bytes:
        data, self.written = self.written, b""
        return data

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        self.is_over = True

    abort = close


class Server:
    """An honest one, whose bytes are spoilt on their way."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        config = H2Configuration(client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False)
        self._h2 = H2Connection(config)
        self._h2.initiate_connection()

    def answers(self, data: bytes) -> bytes:
        with suppress(ProtocolError):
            for event in self._h2.receive_data(data):
                if isinstance(event, RequestReceived) and self._rng.random() < 0.1:
                    self._h2.reset_stream(event.stream_id)
                elif isinstance(event, StreamEnded):
                    with suppress(ProtocolError):
                        self._answer(event.stream_id)
        return self._h2.data_to_send()

    def _answer(self, stream: int) -> None:
        rng = self._rng
        status = rng.choice(STATUSES) if rng.random() < 0.3 else "200"
        headers = [(":status", status.encode()), ("retry-after", b"x" * rng.randrange(9)), ("x", b"\xe9")]
        self._h2.send_headers(stream, headers[: rng.randrange(1, 4)])
        for _ in range(rng.randrange(4)):
            self._h2.send_data(stream, rng.randbytes(rng.choice((0, 1, 900, 9_000))))
        if rng.random() < 0.8:
            self._h2.end_stream(stream)


def spoilt(rng: random.Random, data: bytes) -> bytes:
    kind = rng.randrange(5)
    if kind == 0 or not data:
        return data + rng.randbytes(rng.randrange(30))
    place = rng.randrange(len(data))
    if kind == 1:
        return data[:place]
    if kind == 2:
        return data[:place] + bytes((data[place] ^ (1 << rng.randrange(8)),)) + data[place + 1 :]
    return data


async def converse(seed: int) -> list[object]:
    """Three calls; what became of them."""
    rng, wire, connection = random.Random(seed), Wire(), Http2Connection()
    connection.connection_made(wire)
    server = Server(rng)
    calls = [asyncio.ensure_future(connection.post(HEADERS, rng.randbytes(rng.randrange(1, 5_000)))) for _ in range(3)]
    for _ in range(4):
        await asyncio.sleep(0)
        data = spoilt(rng, server.answers(wire.taken()))
        while data and not wire.is_over:
            size = rng.randrange(1, len(data) + 1)
            connection.data_received(data[:size])
            data = data[size:]
    connection.connection_lost(None)
    ended = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
    assert not connection.usable and not connection._calls
    return list(ended)


def test_http2_of_any_server_ends_each_call_in_one_of_two_ways():
    answered = 0
    for seed in range(examples(400)):
        for ended in asyncio.run(converse(seed)):
            known = isinstance(ended, Answer) and 100 <= ended.status <= 999 and len(ended.body) <= MAX_BODY
            answered += known
            assert known or isinstance(ended, ConnectionResetError), (seed, ended)

    assert answered > 100  # some servers are honest
