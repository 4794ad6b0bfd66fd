"""Live streams: what a reader may see of several rooms, from where they left off, then as it comes."""

import asyncio
from collections.abc import AsyncIterator

from essaim.opengroup.v1 import opengroup_pb2
from essaim.protocol.errors import ProtocolError
from essaim_opengroup.asking import Asking
from essaim_opengroup.reading import MOST, entry_list

MAX_ROOMS = 64


async def follow(
    asking: Asking, key: bytes, following: opengroup_pb2.Following, capacity: int, end: asyncio.Event
) -> AsyncIterator[opengroup_pb2.FollowResponse]:
    """Until `end`, or until no room is left that the reader may follow."""
    cursors = {each.room_id: each.after for each in following.rooms}
    versions: dict[bytes, int] = {}
    numbers: dict[bytes, int] = {}
    for room_id in list(cursors):
        try:
            numbers[room_id] = (await asking.seat(room_id, key)).room.no
        except ProtocolError as error:
            del cursors[room_id]
            yield opengroup_pb2.FollowResponse(room_id=room_id, refused=error.reason)
    async with asking.feed.listening(list(numbers.values())) as event:
        ending = asyncio.create_task(_both(end, event))
        try:
            while cursors and not end.is_set():
                event.clear()
                for room_id in list(cursors):
                    async for response in _fresh(asking, key, room_id, cursors, versions, capacity):
                        yield response
                if not end.is_set():
                    await event.wait()
        finally:
            ending.cancel()


async def _both(end: asyncio.Event, event: asyncio.Event) -> None:
    await end.wait()
    event.set()


async def _fresh(
    asking: Asking,
    key: bytes,
    room_id: bytes,
    cursors: dict[bytes, int],
    versions: dict[bytes, int],
    capacity: int,
) -> AsyncIterator[opengroup_pb2.FollowResponse]:
    """What one room has after its cursor, and its version where that has changed."""
    while True:
        try:
            seat = await asking.seat(room_id, key)
        except ProtocolError as error:
            del cursors[room_id]
            yield opengroup_pb2.FollowResponse(room_id=room_id, refused=error.reason)
            return
        after = cursors[room_id]
        entries, before = await asking.after(seat.room.no, room_id, after, MOST)
        some = entry_list(entries, seat.reader, MOST, capacity)
        if not some.entries and versions.get(room_id) == seat.room.version:
            return
        versions[room_id] = seat.room.version
        if some.entries:
            cursors[room_id] = some.entries[-1].sequence
        yield opengroup_pb2.FollowResponse(
            room_id=room_id, entries=some.entries, chain_before=before, version=seat.room.version
        )
        if not some.entries:
            return
