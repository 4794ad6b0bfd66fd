"""Answers kept for retries: the same request, by its id, gets the same answer and is done once.

Below it each domain is idempotent by its own rules; this spares it the work, and joins a retry to a request that is
still under way.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

KEPT_MS = 10 * 60_000
MOST_KEPT = 4_096
LARGEST_KEPT = 4_096
"""Bytes: acknowledgements are small; what is larger was read, and can be read again."""


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: bytes
    until_ms: int


class Answers:
    """At most MOST_KEPT answers, for ten minutes."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._pending: dict[bytes, asyncio.Future[bytes]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def once(self, key: bytes, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The kept answer, or that of the request under way, or a new one. A failure is told to all and not kept."""
        self._forget()
        if (kept := self._kept.get(key)) is not None:
            return kept.answer
        if (pending := self._pending.get(key)) is not None:
            return await asyncio.shield(pending)
        return await self._make(key, make)

    async def _make(self, key: bytes, make: Callable[[], Awaitable[bytes]]) -> bytes:
        pending = self._pending[key] = asyncio.get_running_loop().create_future()
        try:
            answer = await make()
        except BaseException as error:
            pending.set_exception(error)
            pending.exception()  # seen: there may be nobody who waits
            raise
        finally:
            del self._pending[key]
        pending.set_result(answer)
        if len(answer) <= LARGEST_KEPT:
            self._kept[key] = _Kept(answer, self._now_ms() + KEPT_MS)
        return answer

    def _forget(self) -> None:
        while self._kept:
            key, oldest = next(iter(self._kept.items()))
            if len(self._kept) < MOST_KEPT and oldest.until_ms > self._now_ms():
                return
            del self._kept[key]
