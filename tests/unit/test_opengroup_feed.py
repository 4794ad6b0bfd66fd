"""What a host has at hand of its rooms: nothing that another replica says is missed."""

import asyncio
from collections.abc import Sequence

from essaim.opengroup.v1 import room_pb2
from essaim_opengroup.feed import Feed
from essaim_opengroup.news import Fresh

ROOM = 1


async def test_notice_that_comes_during_a_fetch_is_followed_by_another() -> None:
    """The database had been read when the entry came, and the answer was not yet there: it says nothing of it."""
    log: list[Fresh] = []
    begun, answered = asyncio.Event(), asyncio.Event()

    async def fetch(room_no: int, after: int) -> Sequence[Fresh]:
        found = [each for each in log if each.room_no == room_no and each.sequence > after]
        begun.set()
        await answered.wait()
        return found

    async def head(_: int) -> tuple[int, bytes]:
        return 0, b""

    feed = Feed(fetch, head)
    async with feed.listening([ROOM]) as event:
        await begun.wait()
        log.append(Fresh(ROOM, 1, b"chain", room_pb2.Entry(sequence=1), b"digest", whisper=False, whisper_to=None))
        feed.remote(ROOM, 1)
        answered.set()
        await asyncio.wait_for(event.wait(), 5)
        assert (await feed.room(ROOM)).head == 1
    await feed.close()
