"""How replicas of one host hear of each other's commits: NOTIFY in the transaction, LISTEN on a connection of its own.

    payload = JSON {"rooms": {room number: sequence}, "access": [[room number or null, member key in hex or null]],
                    "inboxes": [member key in hex]}

A notice says only that there is something: entries are read from the database. A connection that was lost may have
missed some, so after it everything is read anew.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
from sqlalchemy import URL

from essaim.runtime import logs
from essaim.runtime.logs import Event, LogLevel
from essaim_opengroup.news import Changed, News

CHANNEL = "essaim_rooms"
MAX_ROOMS = 40
"""And as many keys of both kinds, in one payload, which PostgreSQL limits to 8,000 bytes."""
PAUSE_SECONDS = 1.0


class NoticeEvent(Event):
    """What is logged of it."""

    LISTENING_LOST = "listening_lost"


def payloads(news: News) -> Iterator[str]:
    """What a commit tells the other replicas."""
    heads = {each.room_no: each.sequence for each in news.fresh}
    access = [(no, key.hex() if key is not None else None) for no, key in news.changed_access]
    rooms, inboxes = sorted(heads), [key.hex() for key in sorted(news.inboxes)]
    for first in range(0, max(len(rooms), len(access), len(inboxes)), MAX_ROOMS):
        some = slice(first, first + MAX_ROOMS)
        told = {"rooms": {no: heads[no] for no in rooms[some]}, "access": access[some], "inboxes": inboxes[some]}
        yield json.dumps(told)


@dataclass(frozen=True)
class Notice:
    """What another replica has committed."""

    heads: dict[int, int]
    """Sequence by room number."""
    access: list[Changed]
    inboxes: list[bytes]


def read(payload: str) -> Notice:
    """One of a replica that runs an older program says nothing of inboxes."""
    told = json.loads(payload)
    changed = [(no, bytes.fromhex(key) if key is not None else None) for no, key in told["access"]]
    heads = {int(no): int(sequence) for no, sequence in told["rooms"].items()}
    return Notice(heads, changed, [bytes.fromhex(key) for key in told.get("inboxes", ())])


async def listen(url: URL, hear: Callable[[Notice], None], lost: Callable[[], None]) -> None:
    """For ever; `lost` after each start of listening."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(address, autocommit=True)
            async with connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                lost()
                async for notice in connection.notifies():
                    hear(read(notice.payload))
        except psycopg.Error:
            logs.write(NoticeEvent.LISTENING_LOST, LogLevel.WARNING)
        await asyncio.sleep(PAUSE_SECONDS)
