"""What moderators and owners do to a whole host: its filter, its offices, and a member's posts in all rooms."""

from collections.abc import Sequence
from dataclasses import dataclass

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from essaim.protocol.geometry import CellClass
from essaim.protocol.opengroup.statement import Statement
from essaim.protocol.status import read_status
from essaim_client.rooms.asking import Asker
from essaim_client.rooms.history import History, Kept

AT_ONCE = 16
"""Purges in one batch: it fits a small cell."""
MOST_ROOMS = 10_000
"""An honest host has no more."""
ROUNDS = 5
"""A member who is not banned may write on meanwhile."""


@dataclass(frozen=True)
class PurgedRoom:
    """A room that had posts of the member; `refused` is the host's reason where they are still there."""

    room_id: bytes
    name: str
    refused: str = ""


async def filter_of(asker: Asker) -> room_pb2.RoomSettings:
    """What holds in all rooms, its fields beginning with `filter`. By a moderator of the host."""
    asked = action_pb2.Action(get_room=action_pb2.GetRoom())
    return (await asker.do(asked)).room.settings


async def change_filter(asker: Asker, settings: room_pb2.RoomSettings) -> room_pb2.RoomSettings:
    """By an owner: what is present takes the place of what was; all of it as it is now."""
    change = action_pb2.ChangeRoom(settings=settings)
    return (await asker.do(action_pb2.Action(change_room=change))).room.settings


async def rooms_of(asker: Asker, author: bytes) -> list[room_pb2.Room]:
    """Those that hold posts of a member, unlisted ones too. By a moderator of the host."""
    found: list[room_pb2.Room] = []
    more = True
    while more:
        after = found[-1].settings.name if found else ""
        asked = action_pb2.ListRooms(after=after, author=author)
        told = (await asker.do(action_pb2.Action(list_rooms=asked), CellClass.MEDIUM)).rooms
        found += told.rooms
        more = told.more and bool(told.rooms) and len(found) < MOST_ROOMS
    return found


async def purge(asker: Asker, kept: Kept, member: bytes) -> list[PurgedRoom]:
    """Delete all that a member has written anywhere at the host, by a statement of one's own in each room."""
    done: dict[bytes, PurgedRoom] = {}
    for _ in range(ROUNDS):
        left = [each for each in await rooms_of(asker, member) if not _was_refused(done, each.room_id)]
        if not left:
            break
        for first in range(0, len(left), AT_ONCE):
            for room in await _purged(asker, kept, left[first : first + AT_ONCE], member):
                done[room.room_id] = room
    return sorted(done.values(), key=lambda each: each.name)


def _was_refused(done: dict[bytes, PurgedRoom], room_id: bytes) -> bool:
    return room_id in done and bool(done[room_id].refused)


async def _purged(asker: Asker, kept: Kept, rooms: Sequence[room_pb2.Room], member: bytes) -> list[PurgedRoom]:
    statements = [_purge(asker, kept, each, member) for each in rooms]
    says = (action_pb2.Say(statement=s.raw, author=s.author, signature=s.signature) for s in statements)
    results = await asker.attempt([action_pb2.Action(say=say) for say in says])
    refusals = [read_status(each.status) for each in results]
    return [
        PurgedRoom(room.room_id, room.settings.name, refusal.reason if refusal is not None else "")
        for room, refusal in zip(rooms, refusals, strict=True)
    ]


def _purge(asker: Asker, kept: Kept, room: room_pb2.Room, member: bytes) -> Statement:
    """Over what this device has checked of the room; of one that it never looked at, over what the host says."""
    history = History(asker.host.host_id, room.room_id, kept)
    seen = (history.sequence, history.chain) if history.known else (room.sequence, room.chain)
    message = statement_pb2.Statement(
        host_id=asker.host.host_id,
        room_id=room.room_id,
        time_ms=asker.now_ms(),
        seen_sequence=seen[0],
        seen_chain=seen[1],
        purge=statement_pb2.Purge(member=member),
    )
    return Statement.make(message, asker.signer)
