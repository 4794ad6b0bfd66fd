"""The log of a room as it is kept beside the host: a line for each entry, in words and in the bytes that prove them."""

from collections.abc import AsyncGenerator
from typing import Any

from essaim.opengroup.v1 import action_pb2, room_pb2
from essaim.protocol.geometry import CellClass
from essaim.protocol.opengroup.statement import Statement
from essaim_client.rooms.asking import Asker
from essaim_client.rooms.history import History
from essaim_client.rooms.shown import RoomEvent, event_of


async def exported(asker: Asker, room_id: bytes) -> AsyncGenerator[dict[str, Any], None]:
    """From its first entry to its last, checked link by link. Raises HistoryForkedError."""
    whole = History(asker.host.host_id, room_id, Unkept())
    more = True
    while more:
        asked = action_pb2.Action(changes=action_pb2.Changes(room_id=room_id, after=whole.sequence, limit=100))
        told = (await asker.do(asked, CellClass.LARGE)).entries
        statements = whole.advance(told.entries, told.chain_before)
        for entry, statement in zip(told.entries, statements, strict=True):
            yield _line(entry, statement, event_of(room_id, entry, statement))
        more = told.more and bool(told.entries)


class Unkept:
    """A memory for a history that is checked once."""

    def get(self, key: str) -> bytes | None:
        return None

    def put(self, key: str, value: bytes) -> None:
        """Nothing is kept."""


def _line(entry: room_pb2.Entry, statement: Statement | None, event: RoomEvent) -> dict[str, Any]:
    line: dict[str, Any] = {
        "sequence": entry.sequence,
        "time_ms": entry.time_ms,
        "author": entry.author.hex(),
        "kind": event.kind,
        "digest": (statement.digest if statement is not None else entry.digest).hex(),
    }
    words = {"text": event.text, "emoji": event.emoji, "post_id": event.post_id.hex(), "about": event.about.hex()}
    line |= {name: value for name, value in words.items() if value}
    line |= {name: True for name in ("undone", "everybodys", "release") if getattr(event, name)}
    if statement is not None:
        line |= {"statement": statement.raw.hex(), "signature": statement.signature.hex()}
    return line
