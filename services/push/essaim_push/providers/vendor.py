"""Calls to a vendor that the operator's settings name: HTTP/2, one long connection to each of its servers."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Mapping

from essaim.protocol.push.url import Url
from essaim_push.providers.answer import Answer
from essaim_push.providers.http2 import Http2Connection
from essaim_push.providers.outcome import CallFailedError, Retry, Trouble

ALPN = "h2"
CLOSE_SECONDS = 1.0
BRANCH_SECONDS = 0.25
"""Before the next address of a name is tried too (RFC 8305)."""


class Vendor:
    """`async with Vendor(...)`: `post`. Never follows a redirect. `tls` is for it alone: it is told to ask for h2."""

    def __init__(self, tls: ssl.SSLContext, seconds: float) -> None:
        tls.set_alpn_protocols([ALPN])
        self._tls = tls
        self._seconds = seconds
        self._connections: dict[str, Http2Connection] = {}
        self._open: set[Http2Connection] = set()
        self._dialling: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __aenter__(self) -> "Vendor":
        return self

    async def __aexit__(self, *error: object) -> None:
        for end in (Http2Connection.close, Http2Connection.abort):
            for each in self._open:
                end(each)
            if self._open:
                await asyncio.wait([each.closed for each in self._open], timeout=CLOSE_SECONDS)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises CallFailedError."""
        where = Url.parse(url)
        front = {":method": "POST", ":scheme": where.scheme, ":authority": where.authority, ":path": where.path}
        whole = [*front.items(), *headers.items(), ("content-length", str(len(body)))]
        connection, heard = None, 0
        try:
            async with asyncio.timeout(self._seconds):
                connection = await self._connected(where)
                heard = connection.heard
                return await connection.post(whole, body)
        except TimeoutError:
            if connection is not None and connection.heard == heard:  # all this time not a byte: nobody is there
                connection.abort()
            raise CallFailedError(Retry(Trouble.TIMEOUT)) from None
        except OSError:
            raise CallFailedError(Retry(Trouble.UNREACHABLE if connection is None else Trouble.BROKEN)) from None

    async def _connected(self, where: Url) -> Http2Connection:
        """Raises OSError."""
        async with self._dialling[where.origin]:
            connection = self._connections.get(where.origin)
            if connection is None or not connection.usable:
                connection = self._connections[where.origin] = await self._dial(where)
            return connection

    async def _dial(self, where: Url) -> Http2Connection:
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_connection(
            Http2Connection, where.host, where.port, ssl=self._tls, happy_eyeballs_delay=BRANCH_SECONDS
        )
        self._open.add(connection)
        connection.closed.add_done_callback(lambda _done: self._open.discard(connection))
        try:
            tls = transport.get_extra_info("ssl_object")
            if tls.selected_alpn_protocol() != ALPN:
                raise ConnectionResetError
            await connection.ready  # the server's settings say how many calls it takes at once
        except BaseException:
            connection.abort()
            raise
        return connection
