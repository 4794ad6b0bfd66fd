"""Who may do what, from memory: rooms and standings as the database last said, forgotten when a commit changes them.

Writing asks the database again in its transaction; this is for reading and following. Used on the event loop alone.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from essaim.protocol.opengroup.permission import Act, Role, Standing, check
from essaim.protocol.opengroup.refusal import RoomUnknownError
from essaim_opengroup.listing import membership
from essaim_opengroup.news import Reader
from essaim_opengroup.rows import MemberRow, RoomRow, member_row, room_row, rules_of, standing_of
from essaim_opengroup.schema import MEMBER, ROOM

MOST = 100_000
"""Standings kept, some 300 bytes each."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A reader in a room."""

    room: RoomRow
    standing: Standing
    reader: Reader

    def check(self, act: Act, now_ms: int) -> None:
        """Raises what forbids it."""
        check(act, rules_of(self.room.settings), self.standing, now_ms)


class Access:
    """`ttl_ms`: how long something is believed where another replica's notice may be lost; 0: for good."""

    def __init__(self, read: Callable[[Callable[[Connection], Any]], Awaitable[Any]], ttl_ms: int) -> None:
        self._read = read
        self._ttl_ms = ttl_ms
        self._seats: OrderedDict[tuple[bytes, bytes], tuple[int, Seat]] = OrderedDict()
        self._room_ids: dict[int, bytes] = {}
        self._generation = 0

    async def seat(self, room_id: bytes, key: bytes, now_ms: int) -> Seat:
        """Raises RoomUnknownError."""
        held = self._seats.get((room_id, key))
        if held is not None and (not self._ttl_ms or now_ms - held[0] < self._ttl_ms):
            return held[1]
        generation = self._generation
        seat: Seat = await self._read(lambda connection: _seat(connection, room_id, key))
        if generation == self._generation:  # else it may be what has just been changed
            self._seats[room_id, key] = (now_ms, seat)
            self._room_ids[seat.room.no] = room_id
            while len(self._seats) > MOST:
                self._seats.popitem(last=False)
        return seat

    def forget(self, room_no: int | None, key: bytes | None) -> None:
        """Rights have changed: of one member or (None) everybody, in one room or (None) on the whole host."""
        self._generation += 1
        if room_no is None and key is None:
            self._seats.clear()
        elif room_no is not None and key is not None:
            self._seats.pop((self._room_ids.get(room_no, b""), key), None)  # the common case: somebody has joined
        else:
            gone = [p for p, (_, seat) in self._seats.items() if p[1] == key or seat.room.no == room_no]
            for pair in gone:
                del self._seats[pair]


def _seat(connection: Connection, room_id: bytes, key: bytes) -> Seat:
    row = connection.execute(select(ROOM).where(ROOM.c.room_id == room_id)).first()
    if row is None:
        raise RoomUnknownError("no such room")
    room, member = room_row(row), known(connection, key)
    if member is None:
        return Seat(room, Standing(role=Role.MEMBER if key else Role.STRANGER), Reader(key=key))
    standing = standing_of(member, membership(connection, room.no, member.no))
    return Seat(room, standing, Reader(member.no, key, standing.role >= Role.MODERATOR))


def known(connection: Connection, key: bytes) -> MemberRow | None:
    """None for nobody, and for a key that the host has not seen."""
    row = connection.execute(select(MEMBER).where(MEMBER.c.key == key)).first() if key else None
    return member_row(row) if row is not None else None
