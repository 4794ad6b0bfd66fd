"""For tests/**/room_*.py: the history of a room as a member's client checks it."""

from essaim.protocol.opengroup.statement import Statement
from essaim_client.rooms.history import History
from room_host import HOST_ID, RoomMember


class Memory(dict):
    """A client's store."""

    def put(self, key: str, value: bytes) -> None:
        self[key] = value


async def history(member: RoomMember, room_id: bytes) -> tuple[bytes, list[Statement | None]]:
    """The chain's end and the statements that a client of this member comes to; it raises where something is wrong."""
    told = await member.changes(room_id)
    checked = History(HOST_ID, room_id, Memory())
    statements = checked.advance(told.entries, told.chain_before)
    return checked.chain, statements
