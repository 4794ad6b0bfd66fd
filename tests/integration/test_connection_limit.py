"""Whoever opens connections and says nothing finds an end to it, and those that stand go on."""

import asyncio
import ssl

import grpc.aio

from essaim.network.tls import SERVER_OPTIONS, Certificate, server_credentials
from essaim.runtime.connections import LIMIT, SOCKETS, limited_to

MOST = 4


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


async def opened(port: int) -> asyncio.StreamWriter | None:
    """None: closed before it was answered."""
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting())
            return writer
    except (OSError, EOFError):
        return None


async def test_connections_beyond_the_limit_are_closed_and_room_comes_back() -> None:
    server = grpc.aio.server(options=[*SERVER_OPTIONS, limited_to(MOST)])
    port = server.add_secure_port("127.0.0.1:0", server_credentials(Certificate.make()))
    await server.start()
    try:
        found = [await opened(port) for _ in range(MOST + 3)]
        assert [each is not None for each in found] == [True] * MOST + [False] * 3
        assert LIMIT._value.get() == MOST
        assert next(iter(SOCKETS.collect())).samples[0].value >= MOST
        assert found[0] is not None
        found[0].transport.abort()
        async with asyncio.timeout(10):
            while (again := await opened(port)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for writer in (*found, again):
            if writer is not None:
                writer.transport.abort()
    finally:
        await server.stop(None)
