"""Names to addresses, once for each connection: what was judged is what is connected to."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from essaim_push.providers.reach import Reach, read_address

THREADS: Final = 32
"""A name server that does not answer holds one for some 10 seconds; these are of nobody else."""
MOST: Final = 4
"""Addresses that are tried of one name."""


class AddressForbiddenError(OSError):
    """None of a name's addresses may be called."""


class PinningResolver(AbstractResolver):
    """Gives aiohttp addresses that `reach` permits, as numbers, so that nothing asks again."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises AddressForbiddenError, or OSError where there is no such name."""
        ask = asyncio.get_running_loop().run_in_executor
        found = await ask(self._threads, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        permitted = [each for each in found if self._permits(each[4])]
        if not permitted:
            raise AddressForbiddenError("no address of this name may be called")
        return [_result(host, port, each) for each in permitted[:MOST]]

    def _permits(self, where: Any) -> bool:
        address = read_address(str(where[0]))
        return address is not None and self._reach.permits(address)

    def open_socket(self, info: Any) -> socket.socket:
        """aiohttp's last step before it connects: whatever brought it here, only to what is permitted."""
        family, kind, protocol, _, where = info
        if not self._permits(where):
            raise AddressForbiddenError("this address may not be called")
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _result(host: str, port: int, info: Any) -> ResolveResult:
    family, _, protocol, _, where = info
    return {
        "hostname": host,
        "host": where[0],
        "port": port,
        "family": family,
        "proto": protocol,
        "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    }
