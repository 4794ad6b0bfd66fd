"""Live streams: what a reader may see of several rooms, own inbox and outbox; from somewhere, then as it comes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import nullcontext

from essaim.opengroup.v1 import opengroup_pb2
from essaim.protocol.errors import ProtocolError
from essaim_opengroup.asking import Asking
from essaim_opengroup.reading import MOST, entry_list

MAX_ROOMS = 64
RESERVED = 64
"""Bytes of a response around what it lists."""


async def follow(
    asking: Asking, key: bytes, following: opengroup_pb2.Following, capacity: int, end: asyncio.Event
) -> AsyncGenerator[opengroup_pb2.FollowResponse, None]:
    """Until `end`, or until no room is left that the reader may follow, and no inbox either."""
    cursors = {each.room_id: each.after for each in following.rooms}
    versions: dict[bytes, int] = {}
    numbers: dict[bytes, int] = {}
    for room_id in list(cursors):
        try:
            numbers[room_id] = (await asking.seat(room_id, key)).room.no
        except ProtocolError as error:
            del cursors[room_id]
            yield opengroup_pb2.FollowResponse(room_id=room_id, refused=error.reason)
    boxes = _boxes(asking, key, following)
    async with asking.feed.listening(list(numbers.values())) as event:
        ending = asyncio.create_task(_both(end, event))
        listening = asking.inboxes.listening(key, event) if boxes else nullcontext()
        try:
            with listening:
                while (cursors or boxes) and not end.is_set():
                    event.clear()
                    for room_id in list(cursors):
                        async for response in _fresh(asking, key, room_id, cursors, versions, capacity):
                            yield response
                    for box in boxes:
                        async for response in box.fresh(capacity):
                            yield response
                    if not end.is_set():
                        await event.wait()
        finally:
            ending.cancel()


def _boxes(asking: Asking, key: bytes, following: opengroup_pb2.Following) -> "list[Inbox | Outbox]":
    boxes: list[Inbox | Outbox] = []
    if following.HasField("directs_after"):
        boxes.append(Inbox(asking, key, following.directs_after))
    if following.HasField("sent_after"):
        boxes.append(Outbox(asking, key, following.sent_after))
    return boxes


async def _both(end: asyncio.Event, event: asyncio.Event) -> None:
    await end.wait()
    event.set()


class Inbox:
    """A member's direct messages from a number on."""

    def __init__(self, asking: Asking, key: bytes, after: int) -> None:
        self._asking = asking
        self._key = key
        self._after = after
        self._began = False

    async def fresh(self, capacity: int) -> AsyncIterator[opengroup_pb2.FollowResponse]:
        """What has come; the first time at least a word that this is followed."""
        more = True
        while more:
            told = await self._asking.directs(self._key, self._after, capacity - RESERVED)
            more = told.more and bool(told.directs)
            if told.directs or not self._began:
                self._began = True
                self._after = told.directs[-1].number if told.directs else self._after
                yield opengroup_pb2.FollowResponse(directs=told.directs)


class Outbox:
    """What a member has sent, from whatever device, from a number on."""

    def __init__(self, asking: Asking, key: bytes, after: int) -> None:
        self._asking = asking
        self._key = key
        self._after = after

    async def fresh(self, capacity: int) -> AsyncIterator[opengroup_pb2.FollowResponse]:
        """What was sent since."""
        more = True
        while more:
            told = await self._asking.sent(self._key, self._after, capacity - RESERVED)
            more = told.more and bool(told.sent)
            if told.sent:
                self._after = told.sent[-1].number
                yield opengroup_pb2.FollowResponse(sent=told.sent)


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
