"""Calls to addresses that devices and bots named: anywhere on the web, and nowhere else."""

import asyncio
import ssl
from collections.abc import Mapping

import aiohttp
from yarl import URL

from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.protocol.push.url import HTTPS, Url
from essaim_push.providers.answer import MAX_BODY, Answer
from essaim_push.providers.outcome import CallFailedError, Rejected, Rejection, Retry, Trouble
from essaim_push.providers.reach import Reach
from essaim_push.providers.resolver import AddressForbiddenError, PinningResolver

PER_ORIGIN = 64
"""Connections to one server; others of ours wait for these, not for everybody's."""
IDLE_SECONDS = 30.0
MAX_HEADERS = 64
UNSENT = ("User-Agent", "Accept", "Accept-Encoding")
"""Headers that would tell of this host's software what nobody needs."""


class OpenWeb:
    """`async with OpenWeb(...)`: `post`."""

    def __init__(self, reach: Reach, tls: ssl.SSLContext, connections: int, seconds: float, *, plain: bool) -> None:
        self._reach = reach
        self._tls = tls
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._plain = plain

    async def __aenter__(self) -> "OpenWeb":
        resolver = PinningResolver(self._reach)
        connector = aiohttp.TCPConnector(
            resolver=resolver,
            socket_factory=resolver.open_socket,
            use_dns_cache=False,
            limit=self._connections,
            limit_per_host=min(PER_ORIGIN, self._connections),
            keepalive_timeout=IDLE_SECONDS,
            ssl=self._tls,
        )
        self._resolver = resolver
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=UNSENT,
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
            read_bufsize=MAX_BODY,
            max_headers=MAX_HEADERS,
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()
        await self._resolver.close()

    def check(self, url: Url) -> None:
        """What can be said without asking for the name. Raises EndpointRefusedError."""
        if url.scheme != HTTPS and not self._plain:
            raise EndpointRefusedError("an endpoint begins with https:// here")
        if url.address is not None and not self._reach.permits(url.address):
            raise EndpointRefusedError("an endpoint is on the public internet")

    async def post(self, url: Url, headers: Mapping[str, str], body: bytes) -> Answer:
        """Its answer, whatever it is; a redirect is an answer. Raises CallFailedError."""
        try:
            self.check(url)
            async with self._session.post(
                URL(url.text, encoded=True), headers=headers, data=body, allow_redirects=False
            ) as response:
                kept = await response.content.read(MAX_BODY)
                return Answer(response.status, response.headers.get("Retry-After", ""), kept)
        except EndpointRefusedError:
            raise CallFailedError(Rejected(Rejection.FORBIDDEN)) from None
        except TimeoutError:
            raise CallFailedError(Retry(Trouble.TIMEOUT)) from None
        except aiohttp.ClientSSLError:
            raise CallFailedError(Retry(Trouble.UNREACHABLE)) from None
        except aiohttp.ClientConnectorError as error:
            raise CallFailedError(_unconnected(error.os_error)) from None
        except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError, ValueError):
            raise CallFailedError(Retry(Trouble.BROKEN)) from None


def _unconnected(error: OSError) -> Retry | Rejected:
    if isinstance(error, AddressForbiddenError):
        return Rejected(Rejection.FORBIDDEN)
    return Retry(Trouble.UNREACHABLE)
