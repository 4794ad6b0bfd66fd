"""Questions of members, answered from memory where it suffices, else by a reader of the database."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from google.protobuf.message import Message
from sqlalchemy import Connection, func, select

from essaim.opengroup.v1 import action_pb2, room_pb2
from essaim.protocol.kdf import HASH_SIZE
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.permission import Act, Role
from essaim.protocol.opengroup.refusal import (
    BannedError,
    FileUnknownError,
    NotAllowedError,
    NotAuthorizedError,
    RoomUnknownError,
)
from essaim.protocol.opengroup.settings import CHUNK_SIZE
from essaim_opengroup import listing, metrics
from essaim_opengroup.access import Access, Seat, known
from essaim_opengroup.database import READERS, Database
from essaim_opengroup.feed import Feed
from essaim_opengroup.filtering import FILTER, host_settings
from essaim_opengroup.inboxes import Inboxes
from essaim_opengroup.news import Fresh, Reader
from essaim_opengroup.reading import MOST, Reading, entry_list
from essaim_opengroup.rows import host_role, room_row
from essaim_opengroup.schema import CHUNK, FILE, HOST, ROOM

REPLICA_TTL_MS: Final = 10_000
"""How long a right is believed where another replica may have changed it and the notice was lost."""
PAGES: Final = frozenset({"page", "get_posts", "search", "list_reactors"})
OFFICES: Final = {"list_members": Act.MODERATE, "list_reports": Act.MODERATE}
MAY_BE_HOST: Final = frozenset({"list_invitations", "list_audit"})


class Asking:
    """Read-only; `answer` gives the outcome of a reading action within a number of bytes."""

    def __init__(self, database: Database, host_id: bytes, now_ms: Callable[[], int]) -> None:
        self._database = database
        self.host_id = host_id
        self._now_ms = now_ms
        self._threads = ThreadPoolExecutor(READERS, "reader")
        self.access = Access(self.read, REPLICA_TTL_MS if database.postgresql else 0)
        self.feed = Feed(self._fetch, self._head)
        self.inboxes = Inboxes()

    async def close(self) -> None:
        await self.feed.close()
        self._threads.shutdown()

    async def read(self, question: Callable[[Connection], Any]) -> Any:
        """`question` in a thread, in a transaction of its own."""

        def ask() -> Any:
            began = time.perf_counter()
            with self._database.reader.begin() as connection:
                answer = question(connection)
            metrics.READ_SECONDS.observe(time.perf_counter() - began)
            return answer

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    async def answer(self, name: str, asked: Any, key: bytes, budget: int) -> Message:
        """Raises what forbids it."""
        if name == "changes":
            return await self._changes(asked, key, budget)
        if name in PAGES:
            return await self._page(name, asked, key, budget)
        if name in OFFICES or name in MAY_BE_HOST:
            return await self._office(name, asked, key, budget)
        answer: Message = await self.read(_QUESTIONS[name](asked, key, budget, self._now_ms()))
        return answer

    # The log

    async def seat(self, room_id: bytes, key: bytes, act: Act = Act.READ) -> Seat:
        """A reader who may."""
        now_ms = self._now_ms()
        seat = await self.access.seat(room_id, key, now_ms)
        seat.check(act, now_ms)
        return seat

    async def _changes(self, asked: action_pb2.Changes, key: bytes, budget: int) -> action_pb2.EntryList:
        seat = await self.seat(asked.room_id, key)
        entries, before = await self.after(seat.room.no, asked.room_id, asked.after, asked.limit or MOST)
        answer = entry_list(entries, seat.reader, asked.limit, budget)
        answer.chain_before, answer.version = before, seat.room.version
        return answer

    async def after(self, room_no: int, room_id: bytes, sequence: int, limit: int) -> tuple[Sequence[Fresh], bytes]:
        """(entries after a sequence number, the chain's hash before them)."""
        room = await self.feed.room(room_no)
        at_hand = room.after(sequence, min(limit, MOST) + 1)
        if at_hand is not None:
            return at_hand

        def ask(connection: Connection) -> tuple[Sequence[Fresh], bytes]:
            reading = Reading(connection, room_no, Reader(), 0)
            before = reading.chain(sequence) if sequence else None
            return reading.entries(sequence, min(limit, MOST) + 1), before or chain.first(self.host_id, room_id)

        found: tuple[Sequence[Fresh], bytes] = await self.read(ask)
        return found

    async def _fetch(self, room_no: int, after: int) -> Sequence[Fresh]:
        found: Sequence[Fresh] = await self.read(
            lambda connection: Reading(connection, room_no, Reader(), 0).entries(after, MOST)
        )
        return found

    async def _head(self, room_no: int) -> tuple[int, bytes]:
        row = await self.read(
            lambda connection: connection.execute(
                select(ROOM.c.sequence, ROOM.c.chain).where(ROOM.c.no == room_no)
            ).first()
        )
        if row is None:
            raise RoomUnknownError("no such room")
        return row.sequence, row.chain

    # Posts and lists

    async def _page(self, name: str, asked: Any, key: bytes, budget: int) -> Message:
        seat = await self.seat(asked.room_id, key)

        def ask(connection: Connection) -> Message:
            reading = Reading(connection, seat.room.no, seat.reader, budget)
            if name == "get_posts":
                return reading.named(asked.post_ids)
            how = {"page": reading.page, "search": reading.search, "list_reactors": reading.reactors}
            answer: Message = how[name](asked)  # type: ignore[operator]  # each takes its own action
            return answer

        answer: Message = await self.read(ask)
        return answer

    async def _office(self, name: str, asked: Any, key: bytes, budget: int) -> Message:
        if not key:
            raise NotAuthorizedError("this needs a member's signature")
        room_no = None
        if asked.room_id or name in OFFICES:
            act = Act.CONFIGURE if name == "list_audit" else Act.MODERATE
            room_no = (await self.seat(asked.room_id, key, act)).room.no
        now_ms = self._now_ms()

        def ask(connection: Connection) -> Message:
            if room_no is None:
                _check_owner(connection, key, now_ms)
            match name:
                case "list_invitations":
                    return listing.invitations(connection, room_no)
                case "list_audit":
                    return listing.audit(connection, room_no, asked.before, budget)
                case "list_reports":
                    return listing.reports(connection, room_no or 0, asked.after, budget)
                case _:
                    return listing.members(connection, room_no or 0, asked, budget, now_ms)

        answer: Message = await self.read(ask)
        return answer

    async def directs(self, key: bytes, after: int, budget: int) -> action_pb2.DirectList:
        """The own inbox after a number. Raises NotAuthorizedError for somebody who has not said who they are."""
        asked = action_pb2.ListDirect(after=after)
        found: action_pb2.DirectList = await self.read(_directs(asked, key, budget, self._now_ms()))
        return found

    async def sent(self, key: bytes, after: int, budget: int) -> action_pb2.SentList:
        """The own outbox, likewise."""
        asked = action_pb2.ListSent(after=after)
        found: action_pb2.SentList = await self.read(_sent(asked, key, budget, self._now_ms()))
        return found

    # Files

    async def file(self, room_id: bytes, key: bytes, name: bytes) -> tuple[int, int]:
        """(number, size) of a whole file of a room that the reader may read. Raises FileUnknownError."""
        seat = await self.seat(room_id, key)
        here = (FILE.c.room_no == seat.room.no) & (FILE.c.hash == name) & FILE.c.complete
        question = select(FILE.c.no, FILE.c.size).where(here)
        row = await self.read(lambda connection: connection.execute(question).first())
        if len(name) != HASH_SIZE or row is None:
            raise FileUnknownError("no such file here")
        return row.no, row.size

    async def piece(self, file_no: int, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`, out of one chunk; empty when the file has gone meanwhile."""
        start, within = offset - offset % CHUNK_SIZE, offset % CHUNK_SIZE
        here = (CHUNK.c.file_no == file_no) & (CHUNK.c.offset == start)
        part = func.substr(CHUNK.c.data, within + 1, size)
        found: bytes | None = await self.read(lambda connection: connection.execute(select(part).where(here)).scalar())
        return bytes(found or b"")


def _rooms(asked: action_pb2.ListRooms, key: bytes, budget: int, now_ms: int) -> Callable[[Connection], Message]:
    return lambda connection: listing.rooms(connection, _reader(connection, key), asked, budget, now_ms)


def _room(asked: action_pb2.GetRoom, key: bytes, _budget: int, now_ms: int) -> Callable[[Connection], Message]:
    def filter_of_all(connection: Connection) -> Message:
        listing.check_moderates(connection, _reader(connection, key), now_ms)
        raw = connection.execute(select(HOST.c.value).where(HOST.c.name == FILTER)).scalar()
        return room_pb2.Room(settings=host_settings(raw))

    def ask(connection: Connection) -> Message:
        here = ROOM.c.room_id == asked.room_id if asked.room_id else ROOM.c.name == asked.name
        row = connection.execute(select(ROOM).where(here)).first()
        told = listing.told_to(connection, room_row(row), _reader(connection, key), now_ms) if row else None
        if told is None or not (told.settings.listed or told.joined or told.own_role >= Role.MODERATOR):
            raise RoomUnknownError("no such room")
        return told

    return ask if asked.room_id or asked.name else filter_of_all


def _directs(asked: action_pb2.ListDirect, key: bytes, budget: int, now_ms: int) -> Callable[[Connection], Message]:
    if not key:
        raise NotAuthorizedError("this needs a member's signature")
    return lambda connection: listing.directs(connection, _reader(connection, key), asked.after, budget, now_ms)


def _sent(asked: action_pb2.ListSent, key: bytes, budget: int, now_ms: int) -> Callable[[Connection], Message]:
    if not key:
        raise NotAuthorizedError("this needs a member's signature")
    return lambda connection: listing.sent(connection, _reader(connection, key), asked.after, budget, now_ms)


_QUESTIONS: Final[dict[str, Callable[[Any, bytes, int, int], Callable[[Connection], Message]]]] = {
    "list_rooms": _rooms,
    "get_room": _room,
    "list_direct": _directs,
    "list_sent": _sent,
}


def _reader(connection: Connection, key: bytes) -> Reader:
    member = known(connection, key)
    return Reader(member.no if member else 0, key)


def _check_owner(connection: Connection, key: bytes, now_ms: int) -> None:
    member = known(connection, key)
    if member is None or host_role(member) < Role.OWNER:
        raise NotAllowedError("only owners of the host may see this")
    if member.banned_until_ms > now_ms:
        raise BannedError("you are banned here")
