"""Calls to a vendor that the operator's settings name: HTTP/2 over few long connections."""

import asyncio
import ssl
from collections.abc import Mapping

import httpcore

from essaim_push.providers.answer import MAX_BODY, Answer
from essaim_push.providers.outcome import CallFailedError, Retry, Trouble

CONNECTIONS = 4
"""Each carries a hundred calls at once; Apple asks for few and long ones."""
IDLE_SECONDS = 3_600.0


class Vendor:
    """`async with Vendor(...)`: `post`. Never follows a redirect. `http1`: whether that may be spoken too."""

    def __init__(self, tls: ssl.SSLContext, seconds: float, *, http1: bool = False) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            tls, max_connections=CONNECTIONS, keepalive_expiry=IDLE_SECONDS, http1=http1, http2=True
        )
        self._seconds = seconds

    async def __aenter__(self) -> "Vendor":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._pool.aclose()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises CallFailedError."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(url, headers, body)
        except (TimeoutError, httpcore.TimeoutException):
            raise CallFailedError(Retry(Trouble.TIMEOUT)) from None
        except httpcore.ConnectError:
            raise CallFailedError(Retry(Trouble.UNREACHABLE)) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ConnectionNotAvailable, OSError):
            raise CallFailedError(Retry(Trouble.BROKEN)) from None

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        content = [(name.encode(), value.encode()) for name, value in headers.items()]
        async with self._pool.stream("POST", url, headers=content, content=body) as response:
            kept = b""
            async for chunk in response.aiter_stream():
                kept += chunk
                if len(kept) >= MAX_BODY:
                    break
            named = {name.lower(): value for name, value in response.headers}
            after = named.get(b"retry-after", b"").decode("latin-1")
            return Answer(response.status, after, kept[:MAX_BODY])
