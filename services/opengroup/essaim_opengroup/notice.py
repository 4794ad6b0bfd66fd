"""How replicas of one host hear of each other's commits: NOTIFY in the transaction, LISTEN on a connection of its own.

    payload = JSON {"rooms": {room number: sequence}, "access": [[room number or null, member key in hex or null]]}

A notice says only that there is something: entries are read from the database. A connection that was lost may have
missed some, so after it everything is read anew.
"""

import asyncio
import json
from collections.abc import Callable, Iterator

import psycopg
from sqlalchemy import URL

from essaim.runtime import logs
from essaim.runtime.logs import Event, LogLevel
from essaim_opengroup.news import Changed, News

CHANNEL = "essaim_rooms"
MAX_ROOMS = 50
"""In one payload, which PostgreSQL limits to 8,000 bytes."""
PAUSE_SECONDS = 1.0


class NoticeEvent(Event):
    """What is logged of it."""

    LISTENING_LOST = "listening_lost"


def payloads(news: News) -> Iterator[str]:
    """What a commit tells the other replicas."""
    heads = {each.room_no: each.sequence for each in news.fresh}
    access = [(no, key.hex() if key is not None else None) for no, key in news.changed_access]
    rooms = sorted(heads)
    for first in range(0, max(len(rooms), len(access)), MAX_ROOMS):
        some = rooms[first : first + MAX_ROOMS]
        yield json.dumps({"rooms": {no: heads[no] for no in some}, "access": access[first : first + MAX_ROOMS]})


def read(payload: str) -> tuple[dict[int, int], list[Changed]]:
    """(sequence by room number, whose rights have changed)."""
    told = json.loads(payload)
    changed = [(no, bytes.fromhex(key) if key is not None else None) for no, key in told["access"]]
    return {int(no): int(sequence) for no, sequence in told["rooms"].items()}, changed


async def listen(url: URL, hear: Callable[[dict[int, int], list[Changed]], None], lost: Callable[[], None]) -> None:
    """For ever; `lost` after each start of listening."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(address, autocommit=True)
            async with connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                lost()
                async for notice in connection.notifies():
                    hear(*read(notice.payload))
        except psycopg.Error:
            logs.write(NoticeEvent.LISTENING_LOST, LogLevel.WARNING)
        await asyncio.sleep(PAUSE_SECONDS)
