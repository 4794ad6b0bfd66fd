"""What happens in rooms, in memory: heads, the newest entries, and who waits for the next.

A poll that finds nothing new, and a stream that is up to date, ask no disk. Used on the event loop alone.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from essaim_opengroup.news import Fresh

RECENT = 512
"""Entries of a room that are kept at hand."""
MAX_ROOMS = 4_096


@dataclass
class RoomFeed:
    """One room. `recent` are the entries from `base + 1` to `head`; `base_chain` is the chain's hash at `base`."""

    room_no: int
    head: int
    chain: bytes
    base: int = 0
    base_chain: bytes = b""
    recent: deque[Fresh] = field(default_factory=deque)
    listeners: set[asyncio.Event] = field(default_factory=set)
    fetching: asyncio.Task[None] | None = None
    behind: bool = False
    """Something may be there that no fetch which has begun would find."""

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing is at hand any more: entries have changed."""
        self.recent.clear()
        self.base, self.base_chain = self.head, self.chain

    def add(self, fresh: Fresh) -> None:
        """The next entry."""
        self.recent.append(fresh)
        self.head, self.chain = fresh.sequence, fresh.chain
        while len(self.recent) > RECENT:
            gone = self.recent.popleft()
            self.base, self.base_chain = gone.sequence, gone.chain

    def after(self, sequence: int, limit: int) -> tuple[Sequence[Fresh], bytes] | None:
        """(entries, chain before them) from memory; None where it does not reach."""
        if sequence >= self.head:
            return (), self.chain
        if sequence < self.base:
            return None
        first = sequence - self.base
        found = [self.recent[index] for index in range(first, min(first + limit, len(self.recent)))]
        return found, self.base_chain if first == 0 else self.recent[first - 1].chain

    def wake(self) -> None:
        """Everybody who waits."""
        for each in self.listeners:
            each.set()


Fetch = Callable[[int, int], Awaitable[Sequence[Fresh]]]
"""(room number, after) -> the entries that follow, from the database."""
Head = Callable[[int], Awaitable[tuple[int, bytes]]]


class Feed:
    """All rooms that anybody has asked for since the start."""

    def __init__(self, fetch: Fetch, head: Head) -> None:
        self._fetch = fetch
        self._head = head
        self._rooms: dict[int, RoomFeed] = {}

    async def room(self, room_no: int) -> RoomFeed:
        """Its feed, begun at its head by the database."""
        found = self._rooms.get(room_no)
        if found is None:
            sequence, chain = await self._head(room_no)
            found = self._rooms.setdefault(room_no, RoomFeed(room_no, sequence, chain))
            self._catch_up(found)  # what was committed since the head was read, nobody has published here
            self._shrink(room_no)
        return found

    def _shrink(self, keep: int) -> None:
        if len(self._rooms) > MAX_ROOMS:
            idle = (no for no, each in self._rooms.items() if not each.listeners and no != keep)
            gone = next(idle, None)
            if gone is not None:
                del self._rooms[gone]

    def publish(self, fresh: Sequence[Fresh]) -> None:
        """Entries that this process has committed, in their order."""
        touched = set()
        for each in fresh:
            room = self._rooms.get(each.room_no)
            if room is None or each.sequence <= room.head:
                continue
            touched.add(each.room_no)
            if each.sequence == room.head + 1:
                room.add(each)
            else:  # another replica was faster
                self._catch_up(room)
            if each.erases:
                room.forget()
        for room_no in touched:
            self._rooms[room_no].wake()

    def remote(self, room_no: int, sequence: int) -> None:
        """Another replica says that a room has gone so far."""
        room = self._rooms.get(room_no)
        if room is not None and sequence > room.head:
            self._catch_up(room)

    def doubt(self) -> None:
        """Notices may have been missed: look at every room."""
        for room in self._rooms.values():
            self._catch_up(room)

    def wake(self, room_no: int | None) -> None:
        """Rights have changed: who follows looks again."""
        for room in self._rooms.values() if room_no is None else filter(None, [self._rooms.get(room_no)]):
            room.wake()

    def _catch_up(self, room: RoomFeed) -> None:
        room.behind = True
        if room.fetching is None or room.fetching.done():
            room.fetching = asyncio.get_running_loop().create_task(self._fetch_all(room))

    async def close(self) -> None:
        """Before the readers are."""
        tasks = [room.fetching for room in self._rooms.values() if room.fetching is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch_all(self, room: RoomFeed) -> None:
        while room.behind:
            room.behind = False
            fresh = await self._fetch(room.room_no, room.head)
            for each in fresh:
                if each.sequence == room.head + 1:
                    room.add(each)
            if any(each.erases for each in fresh):
                room.forget()
            if fresh:
                room.behind = True
                room.wake()

    @asynccontextmanager
    async def listening(self, room_nos: Sequence[int]) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever something happens in one of the rooms."""
        event = asyncio.Event()
        rooms = [await self.room(no) for no in room_nos]
        for room in rooms:
            room.listeners.add(event)
        try:
            yield event
        finally:
            for room in rooms:
                room.listeners.discard(event)
