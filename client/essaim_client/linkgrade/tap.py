"""A wire tap of our own: a port of loopback that passes to a node whatever comes, and keeps how each side began."""

import asyncio
from contextlib import suppress
from types import TracebackType

KEPT = 1 << 16
"""Bytes of each direction: both hellos are well within."""


class Tap:
    """`async with Tap(host, port) as tap`: dial `tap.address`."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._passing: set[asyncio.Task[None]] = set()
        self.client = bytearray()
        self.server = bytearray()

    async def __aenter__(self) -> "Tap":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        try:
            onward_reader, onward = await asyncio.open_connection(*self._to)
        except OSError:
            writer.close()
            return
        with suppress(asyncio.CancelledError):  # the tap is taken away
            await asyncio.gather(_pass(reader, onward, self.client), _pass(onward_reader, writer, self.server))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    try:
        while data := await reader.read(1 << 16):
            kept += data[: KEPT - len(kept)]
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
