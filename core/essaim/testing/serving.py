"""Serve this servicer: a real gRPC server over real TLS on loopback, with the interceptor that services have."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc.aio

from essaim.network.tls import SERVER_OPTIONS, Certificate, dial, server_credentials
from essaim.runtime.calls import CallInterceptor


@dataclass(frozen=True)
class Served:
    """A running server and a channel to it."""

    server: grpc.aio.Server
    address: str
    certificate: Certificate
    channel: grpc.aio.Channel


@asynccontextmanager
async def serve(
    *adds: Callable[[grpc.aio.Server], None], service: str = "test", call_seconds: float = 20, calls: int = 4_096
) -> AsyncIterator[Served]:
    """`serve(partial(add_RelayServiceServicer_to_server, servicer))`: on a port of its own, until the end."""
    certificate = Certificate.make()
    interceptor = CallInterceptor(f"{service}.essaim", call_seconds, calls)
    server = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)
    for add in adds:
        add(server)
    port = server.add_secure_port("127.0.0.1:0", server_credentials(certificate))
    await server.start()
    address = f"127.0.0.1:{port}"
    try:
        async with dial(address, [certificate.der]) as channel:
            yield Served(server, address, certificate, channel)
    finally:
        await server.stop(None)
