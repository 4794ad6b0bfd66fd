"""One transaction's work: what its actions have read and are about to write.

Actions of one batch see each other's effects here; entries and posts reach the database together, in a few statements
for the whole batch. A room's row is locked from its first use to the commit: its sequence numbers become visible in
their order, on every replica.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from essaim.opengroup.v1 import room_pb2
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.authorization import Signer
from essaim.protocol.opengroup.filter import Filter
from essaim.protocol.opengroup.permission import Act, Role, Standing, check
from essaim.protocol.opengroup.refusal import PostUnknownError, RoomUnknownError
from essaim.protocol.opengroup.statement import Statement
from essaim_opengroup.database import insert_once
from essaim_opengroup.members import Members
from essaim_opengroup.news import Changed, Fresh
from essaim_opengroup.rows import (
    MemberRow,
    MembershipRow,
    PostRow,
    RoomRow,
    room_row,
    room_values,
    standing_of,
)
from essaim_opengroup.schema import AUDIT, ENTRY, POST, ROOM


@dataclass
class Work:
    """The writer makes one for each batch; `commit` is called once, at the end."""

    connection: Connection
    host_id: bytes
    now_ms: int
    chains: Mapping[tuple[int, int], bytes] = field(default_factory=dict)
    """Hashes of (room, sequence) that are on disk: what members say they have seen is asked for again and again."""
    fresh: list[Fresh] = field(default_factory=list)
    changed_access: set[Changed] = field(default_factory=set)
    inboxes: set[bytes] = field(default_factory=set)
    """Member keys for whom a direct message has come, or who have sent one."""
    voice: Signer | None = None
    """The host's own key, for what it says itself."""
    host_filter: Filter | None = None
    """Once it was read."""
    filtered: dict[bytes, bool] = field(default_factory=dict)
    """Ids of rooms for which a text came: whether there is a filter for it."""

    def __post_init__(self) -> None:
        self.members = Members(self.connection, self.now_ms)
        self._rooms: dict[bytes, RoomRow] = {}
        self._posts: dict[tuple[int, bytes], PostRow] = {}
        self._said: dict[tuple[int, bytes], tuple[int, int, bytes] | None] = {}
        self._dirty_rooms: set[bytes] = set()
        self._entries: list[dict[str, Any]] = []
        self._new_posts: list[dict[str, Any]] = []
        self.new_chains: dict[tuple[int, int], bytes] = {}

    # Rooms

    def lock(self, room_ids: Iterable[bytes]) -> None:
        """All rooms of a batch in one order, so that no two replicas wait for each other."""
        rows = self.connection.execute(
            select(ROOM).where(ROOM.c.room_id.in_(sorted(set(room_ids)))).order_by(ROOM.c.no).with_for_update()
        )
        for row in rows:
            self._keep_room(row)

    def room(self, room_id: bytes) -> RoomRow:
        """Locked. Raises RoomUnknownError."""
        found = self._rooms.get(room_id)
        if found is None:
            row = self.connection.execute(select(ROOM).where(ROOM.c.room_id == room_id).with_for_update()).first()
            if row is None:
                raise RoomUnknownError("no such room")
            found = self._keep_room(row)
        return found

    def _keep_room(self, row: Any) -> RoomRow:
        found = self._rooms[row.room_id] = room_row(row)
        return found

    def add_room(self, room: RoomRow) -> None:
        """A new one, written at once."""
        values = room_values(room) | {"room_id": room.room_id, "created_ms": room.created_ms}
        room.no = self.connection.execute(insert(ROOM).values(values).returning(ROOM.c.no)).scalar_one()
        self._rooms[room.room_id] = room

    def remove_room(self, room: RoomRow) -> None:
        """With everything in it."""
        self.flush()
        self.connection.execute(delete(ROOM).where(ROOM.c.no == room.no))
        del self._rooms[room.room_id]
        self._dirty_rooms.discard(room.room_id)
        self.changed_access.add((room.no, None))

    def touch(self, room: RoomRow, *, information: bool = True) -> None:
        """It will be written; `information`: what members see of it has changed."""
        self._dirty_rooms.add(room.room_id)
        if information:
            room.version += 1
            self.changed_access.add((room.no, None))

    def touch_all(self) -> None:
        """What members see of every room has changed."""
        for room in self._rooms.values():
            self.touch(room)
        others = ROOM.c.room_id.not_in(list(self._rooms))
        self.execute(update(ROOM).where(others).values(version=ROOM.c.version + 1))
        self.changed_access.add((None, None))

    # Members

    def prefetch(self, keys: Iterable[bytes]) -> None:
        """Those of a batch, by one question; and what they are in the rooms locked."""
        self.members.prefetch(keys, [each.no for each in self._rooms.values()])

    def member(self, key: bytes) -> MemberRow:
        """A key that was not seen before becomes known now."""
        return self.members.member(key)

    def known(self, key: bytes) -> MemberRow | None:
        """None for a key that the host has never seen."""
        return self.members.known(key)

    def member_by_number(self, no: int) -> MemberRow:
        """One that something refers to."""
        return self.members.numbered(no)

    def membership(self, room: RoomRow, member: MemberRow) -> MembershipRow:
        """What a member is in a room; a new row only reaches the database by `change`."""
        return self.members.membership(room.no, member.no)

    def change(self, membership: MembershipRow, *, rights: bool = True) -> None:
        """It will be written."""
        self.members.change(membership)
        if rights:
            key = self.member_by_number(membership.member_no).key
            self.changed_access.add((membership.room_no, key))

    def standing(self, room: RoomRow, member: MemberRow) -> Standing:
        return standing_of(member, self.membership(room, member))

    def check(self, act: Act, room: RoomRow, member: MemberRow) -> None:
        """Raises what forbids it."""
        check(act, room.rules, self.standing(room, member), self.now_ms)

    def role(self, room: RoomRow, member: MemberRow) -> Role:
        return self.standing(room, member).role

    def join(self, room: RoomRow, member: MemberRow) -> MembershipRow:
        """Into the room, if the member is not in it."""
        membership = self.membership(room, member)
        if not membership.joined_ms:
            membership.joined_ms = self.now_ms
            room.members += 1
            self.touch(room, information=False)
            self.change(membership)
        return membership

    # The log

    def prefetch_said(self, digests: Iterable[bytes]) -> None:
        """Which statements of a batch the rooms locked have already, by one question."""
        wanted, rooms = sorted(set(digests)), [each.no for each in self._rooms.values()]
        if not wanted or not rooms:
            return
        self._said |= {(room_no, digest): None for room_no in rooms for digest in wanted}
        columns = (ENTRY.c.room_no, ENTRY.c.digest, ENTRY.c.sequence, ENTRY.c.time_ms, ENTRY.c.chain)
        here = ENTRY.c.room_no.in_(rooms) & ENTRY.c.digest.in_(wanted)
        for row in self.connection.execute(select(*columns).where(here)):
            self._said[row.room_no, row.digest] = (row.sequence, row.time_ms, row.chain)

    def said(self, room: RoomRow, digest: bytes) -> tuple[int, int, bytes] | None:
        """(sequence, time, chain) of a statement that the room has already."""
        if (room.no, digest) in self._said:
            return self._said[room.no, digest]
        row = self.connection.execute(
            select(ENTRY.c.sequence, ENTRY.c.time_ms, ENTRY.c.chain).where(
                ENTRY.c.room_no == room.no, ENTRY.c.digest == digest
            )
        ).first()
        return None if row is None else (row.sequence, row.time_ms, row.chain)

    def chain_at(self, room: RoomRow, sequence: int) -> bytes | None:
        """The chain's hash there; None where there is nothing."""
        if sequence == room.sequence:
            return room.chain
        if sequence == 0:
            return chain.first(self.host_id, room.room_id)
        key = (room.no, sequence)
        known = self.new_chains.get(key) or self.chains.get(key)
        if known is None:
            found = self.connection.execute(
                select(ENTRY.c.chain).where(ENTRY.c.room_no == room.no, ENTRY.c.sequence == sequence)
            ).scalar()
            if found is None:
                return None
            known = self.new_chains[key] = found
        return known

    def append(
        self, room: RoomRow, author: MemberRow, statement: Statement, target: int, post: "PostRow | None" = None
    ) -> int:
        """The next entry; its sequence number. `post` gives who may see it, where it belongs to one."""
        room.sequence += 1
        sequence = room.sequence
        room.chain = chain.step(room.chain, sequence, self.now_ms, statement.digest)
        whisper, whisper_to = (post.whisper, post.whisper_to) if post is not None else (False, None)
        filtered = post is not None and post.filtered
        target = target or (sequence if post is not None else 0)
        self._entries.append(
            {
                "room_no": room.no,
                "sequence": sequence,
                "target": target,
                "author_no": author.no,
                "time_ms": self.now_ms,
                "statement": statement.raw,
                "signature": statement.signature,
                "digest": statement.digest,
                "chain": room.chain,
                "whisper": whisper,
                "whisper_to": whisper_to,
                "filtered": filtered,
            }
        )
        self._said[room.no, statement.digest] = (sequence, self.now_ms, room.chain)
        self.new_chains[room.no, sequence] = room.chain
        self._dirty_rooms.add(room.room_id)
        entry = room_pb2.Entry(
            sequence=sequence,
            time_ms=self.now_ms,
            author=author.key,
            statement=statement.raw,
            signature=statement.signature,
        )
        erases = not target or statement.kind == "delete"
        seen = (statement.digest, whisper, whisper_to, erases, filtered)
        self.fresh.append(Fresh(room.no, sequence, room.chain, entry, *seen))
        return sequence

    def add_post(self, room: RoomRow, author: MemberRow, statement: Statement, post: PostRow) -> None:
        """Its row; the entry is `append`ed with it."""
        self._posts[room.no, statement.digest] = post
        self._new_posts.append(
            {
                "room_no": room.no,
                "sequence": post.sequence,
                "post_id": statement.digest,
                "author_no": author.no,
                "time_ms": self.now_ms,
                "text": statement.message.post.text,
                "thread": post.thread,
                "changed": post.sequence,
                "whisper": post.whisper,
                "whisper_to": post.whisper_to,
                "filtered": post.filtered,
            }
        )

    def post(self, room: RoomRow, post_id: bytes) -> PostRow:
        """One that is there and not deleted. Raises PostUnknownError."""
        found = self._posts.get((room.no, post_id))
        if found is None:
            row = self.connection.execute(
                select(POST).where(POST.c.room_no == room.no, POST.c.post_id == post_id)
            ).first()
            if row is not None:
                names = PostRow.__slots__
                found = self._posts[room.no, post_id] = PostRow(**{name: getattr(row, name) for name in names})
        if found is None or found.deleted:
            raise PostUnknownError("no such post")
        return found

    def forget_posts(self) -> None:
        """Many have changed: read them anew."""
        self._posts.clear()

    def update_post(self, room: RoomRow, post: PostRow, **values: Any) -> None:
        """At once: it may be one of this very batch."""
        self.flush()
        self.execute(update(POST).where(POST.c.room_no == room.no, POST.c.sequence == post.sequence).values(values))

    # Writing

    def execute(self, statement: Any) -> Any:
        """Any other statement, after what was said before it."""
        self.flush()
        return self.connection.execute(statement)

    def scalars(self, question: Select[Any]) -> list[Any]:
        self.flush()
        return list(self.connection.execute(question).scalars())

    def insert(self, table: Any, values: dict[str, Any]) -> bool:
        """A row, unless one with its key is there already; whether it was new."""
        return insert_once(self.connection, table, values)

    def audit(self, room: RoomRow | None, actor: MemberRow, action: str, about: bytes = b"", until_ms: int = 0) -> None:
        """What was done with an office is kept."""
        row = {"room_no": room.no if room else None, "member_no": actor.no, "time_ms": self.now_ms}
        self.connection.execute(insert(AUDIT).values(row | {"action": action, "object": about, "until_ms": until_ms}))

    def flush(self) -> None:
        """Entries and posts to the database."""
        if self._entries:
            self.connection.execute(insert(ENTRY), self._entries)
            self._entries = []
        if self._new_posts:
            self.connection.execute(insert(POST), self._new_posts)
            self._new_posts = []

    def finish(self) -> None:
        """Everything that waits, before the commit."""
        self.flush()
        self.members.write()
        for room_id in sorted(self._dirty_rooms):
            room = self._rooms[room_id]
            self.connection.execute(update(ROOM).where(ROOM.c.no == room.no).values(room_values(room)))

    def count(self, question: Select[Any]) -> int:
        """How many rows a question has."""
        self.flush()
        return int(self.connection.execute(select(func.count()).select_from(question.subquery())).scalar_one())
