"""Answers kept for retries: the same request, by its id, gets the same answer and is done once.

Below it each domain is idempotent by its own rules; this spares it the work, and joins a retry to a request that is
still under way.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

KEPT_MS = 10 * 60_000
MOST_KEPT = 4_096
LARGEST_KEPT = 4_096
"""Bytes: acknowledgements are small; what is larger was read, and can be read again."""
TIME_SIZE = 8


class Answers:
    """At most MOST_KEPT answers, for ten minutes."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._kept: dict[bytes, bytes] = {}
        """Each answer behind the time until which it is kept: one object, for there are thousands of them."""
        self._order: deque[bytes] = deque()
        self._pending: dict[bytes, asyncio.Future[bytes]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def once(self, key: bytes, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The kept answer, or that of the request under way, or a new one. A failure is told to all and not kept."""
        self._forget()
        if (kept := self._kept.get(key)) is not None:
            return kept[TIME_SIZE:]
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
            self._kept[key] = (self._now_ms() + KEPT_MS).to_bytes(TIME_SIZE) + answer
            self._order.append(key)
        return answer

    def _forget(self) -> None:
        while self._order:
            until_ms = int.from_bytes(self._kept[self._order[0]][:TIME_SIZE])
            if len(self._kept) < MOST_KEPT and until_ms > self._now_ms():
                return
            del self._kept[self._order.popleft()]
