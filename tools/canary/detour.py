"""Clients from an address of their own: their connections leave from it, so that a node that notes one is found out.

All of 127.0.0.0/8 is this machine. A process that is `detoured` dials a port of its own for each node, and what comes
there goes on from the canary's address. For the clients of a test alone: it changes what this process dials.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from essaim.network import tls


class Detour:
    """The ports of one process."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._ports: dict[str, int] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    async def open(self, addresses: list[str]) -> None:
        """Ports for these nodes, `ip:port`."""
        for address in addresses:
            host, _, port = address.rpartition(":")
            server = await asyncio.start_server(self._through(host, int(port)), "127.0.0.1", 0)
            self._servers.append(server)
            self._ports[address] = server.sockets[0].getsockname()[1]

    def target(self, address: str) -> str:
        """In the place of `essaim.network.tls.target`."""
        port = self._ports.get(address)
        return _target(address) if port is None else _target(f"127.0.0.1:{port}")

    def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()

    def _through(self, host: str, port: int):  # type: ignore[no-untyped-def]  # noqa: ANN202  (asyncio's callback)
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self.connections += 1
            with suppress(OSError, asyncio.CancelledError):
                onward_reader, onward = await asyncio.open_connection(host, port, local_addr=(self._source, 0))
                await asyncio.gather(_pass(reader, onward), _pass(onward_reader, writer))
            writer.close()

        return connected


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


_target = tls.target


@asynccontextmanager
async def detoured(source: str, addresses: list[str]) -> AsyncIterator[Detour]:
    """`async with` it: whatever this process dials at these addresses arrives from `source`."""
    detour = Detour(source)
    await detour.open(addresses)
    tls.target = detour.target
    try:
        yield detour
    finally:
        tls.target = _target
        detour.close()
        await asyncio.sleep(0)
