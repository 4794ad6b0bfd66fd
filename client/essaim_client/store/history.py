"""Conversations on disk: the entries that make them, which of them follow which, and what is known to be missing.

Order is (position, message id, author): a position is one more than all that its author had seen, so what answers
something comes after it, and everybody who has the same entries has them in the same order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import apsw

HEADS_MAX = 8
LAST_POSITION = (1 << 63) - 1


@dataclass(frozen=True)
class Entry:
    """`conversation` is the other side's identity key, `author` that of who wrote it; no `content` once it is gone.

    `expires_ms`: when it goes, 0: stays; `once_read_ms`: so long after it was read, 0: not so.
    """

    conversation: bytes
    author: bytes
    message_id: bytes
    slot: int
    kind: str
    position: int
    sent_ms: int
    shown_ms: int
    expires_ms: int = 0
    once_read_ms: int = 0
    target: bytes = b""
    content: bytes = b""


@dataclass(frozen=True)
class Wanted:
    """An entry that this device lacks, and how often it has asked for it."""

    conversation: bytes
    message_id: bytes
    asked: int


class History:
    """Made by the store, whose transactions it takes part in.

    ORDER BY +column: the plus keeps SQLite from an index that has the order and reads the whole conversation.
    """

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    # Entries

    def add(self, entry: Entry, after: Iterable[bytes], now_ms: int) -> bool:
        """Keep an entry and what it follows; False when it is there already, or has been."""
        self._db.execute("INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(entry))
        if self._db.changes() == 0:
            return False
        self._db.execute(
            "DELETE FROM wanted WHERE conversation = ? AND message_id = ?", (entry.conversation, entry.message_id)
        )
        for parent in after:
            link = (entry.conversation, parent, entry.message_id)
            self._db.execute("INSERT OR IGNORE INTO link VALUES (?, ?, ?)", link)
        self.want(entry.conversation, after, now_ms)
        return True

    def find(self, conversation: bytes, message_id: bytes) -> list[Entry]:
        """Those of this id; more than one only when somebody took another's id."""
        return self._entries("conversation = ? AND message_id = ? ORDER BY +author", conversation, message_id)

    def about(self, conversation: bytes, target: bytes) -> list[Entry]:
        """What others say of a text, in order."""
        return self._entries("conversation = ? AND target = ? ORDER BY +position, message_id", conversation, target)

    def entries(self, conversation: bytes | None = None) -> list[Entry]:
        """In causal order; of one conversation, or of each."""
        order = "ORDER BY conversation, position, message_id, author"
        if conversation is None:
            return self._entries(f"true {order}")
        return self._entries(f"conversation = ? {order}", conversation)

    def before(self, entry: Entry, limit: int) -> list[Entry]:
        """Those that are not gone, the nearest first."""
        where = (
            "conversation = ?1 AND (position, message_id) < (?2, ?3) AND content <> x''"
            " ORDER BY position DESC, message_id DESC LIMIT ?4"
        )
        return self._entries(where, entry.conversation, entry.position, entry.message_id, limit)

    def latest(self, conversation: bytes, kind: str) -> Entry | None:
        """The last of its kind that is not gone."""
        where = "conversation = ? AND kind = ? AND content <> x'' ORDER BY position DESC, message_id DESC LIMIT 1"
        return next(iter(self._entries(where, conversation, kind)), None)

    def texts(self, conversation: bytes, beyond: tuple[int, bytes, bytes], limit: int) -> list[Entry]:
        """Those that are not gone, in order; the next ones after the place (position, message id, author)."""
        where = (
            "conversation = ? AND kind = 'text' AND content <> x'' AND (position, message_id, author) > (?, ?, ?)"
            " ORDER BY position, message_id, author LIMIT ?"
        )
        return self._entries(where, conversation, *beyond, limit)

    def newest_texts(self, conversation: bytes, limit: int, before: Entry | None = None) -> list[Entry]:
        """The last ones that are not gone, in order; of those before an entry, if one is given."""
        place = (before.position, before.message_id, before.author) if before else (LAST_POSITION, b"", b"")
        where = (
            "conversation = ? AND kind = 'text' AND content <> x'' AND (position, message_id, author) < (?, ?, ?)"
            " ORDER BY position DESC, message_id DESC, author DESC LIMIT ?"
        )
        return self._entries(where, conversation, *place, limit)[::-1]

    def count_texts(self, conversation: bytes) -> int:
        """How many there are that are not gone."""
        sql = "SELECT count(*) FROM entry WHERE conversation = ? AND kind = 'text' AND content <> x''"
        return int(self._number(sql, conversation))

    def conversations(self, since_ms: int = 0) -> list[bytes]:
        """Those with an entry that came since; the one with the newest first."""
        sql = (
            "SELECT conversation FROM entry GROUP BY conversation HAVING max(shown_ms) >= ? ORDER BY max(shown_ms) DESC"
        )
        return [conversation for (conversation,) in self._db.execute(sql, (since_ms,))]

    def _entries(self, where: str, *values: bytes | str | int) -> list[Entry]:
        return [Entry(*row) for row in self._db.execute(f"SELECT * FROM entry WHERE {where}", values)]  # noqa: S608  # ours

    # Order

    def next_position(self, conversation: bytes) -> int:
        """One more than the highest that was seen."""
        sql = "SELECT coalesce(max(position), 0) FROM entry WHERE conversation = ?"
        return int(self._number(sql, conversation)) + 1

    def heads(self, conversation: bytes) -> list[bytes]:
        """The newest entries: what no other is known to follow; at most 8."""
        sql = (
            "SELECT message_id FROM entry AS e WHERE conversation = ?1 AND NOT EXISTS"
            " (SELECT 1 FROM link WHERE conversation = ?1 AND parent = e.message_id)"
            " ORDER BY position DESC, message_id DESC LIMIT ?2"
        )
        return [head for (head,) in self._db.execute(sql, (conversation, HEADS_MAX))]

    def parents(self, conversation: bytes, child: bytes) -> list[bytes]:
        """What an entry follows, as its author said."""
        sql = "SELECT parent FROM link WHERE conversation = ? AND child = ?"
        return [parent for (parent,) in self._db.execute(sql, (conversation, child))]

    def followers(self, conversation: bytes, parent: bytes) -> list[bytes]:
        """Who has said something that follows an entry: authors."""
        sql = (
            "SELECT DISTINCT author FROM link JOIN entry USING (conversation)"
            " WHERE conversation = ? AND parent = ? AND message_id = child ORDER BY author"
        )
        return [author for (author,) in self._db.execute(sql, (conversation, parent))]

    # What goes

    def erase(self, conversation: bytes, author: bytes, message_id: bytes) -> bool:
        """Forget what it said and keep that it was; False when it is gone already, or unknown."""
        self._db.execute(
            "UPDATE entry SET content = x'', expires_ms = 0, once_read_ms = 0"
            " WHERE conversation = ? AND author = ? AND message_id = ? AND content <> x''",
            (conversation, author, message_id),
        )
        return self._db.changes() == 1

    def expire_at(self, entry: Entry, expires_ms: int) -> None:
        """It goes then."""
        self._db.execute(
            "UPDATE entry SET expires_ms = ?, once_read_ms = 0"
            " WHERE conversation = ? AND author = ? AND message_id = ?",
            (expires_ms, entry.conversation, entry.author, entry.message_id),
        )

    def due(self, now_ms: int) -> list[Entry]:
        """What should be gone by now."""
        return self._entries("expires_ms BETWEEN 1 AND ?", now_ms)

    def next_due(self) -> int | None:
        """When the next entry goes."""
        row = self._db.execute("SELECT min(expires_ms) FROM entry WHERE expires_ms > 0").fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def unread_timers(self, conversation: bytes, position: int) -> list[Entry]:
        """Entries up to a position whose time begins when they are read."""
        return self._entries("conversation = ? AND position <= ? AND once_read_ms > 0", conversation, position)

    def follow_to(self, before: bytes, conversation: bytes) -> None:
        """All of one conversation becomes part of another: its other side goes on under a new identity."""
        for table in ("entry", "link", "wanted", "receipt"):
            sql = f"UPDATE OR IGNORE {table} SET conversation = ? WHERE conversation = ?"  # noqa: S608  # ours
            self._db.execute(sql, (conversation, before))

    # What is missing

    def want(self, conversation: bytes, ids: Iterable[bytes], now_ms: int) -> None:
        """Somebody has these: those that are not here are missing."""
        self._db.executemany(
            "INSERT OR IGNORE INTO wanted SELECT ?1, ?2, 0, ?3 WHERE NOT EXISTS"
            " (SELECT 1 FROM entry WHERE conversation = ?1 AND message_id = ?2)",
            [(conversation, each, now_ms) for each in ids],
        )

    def wanted(self, now_ms: int, limit: int) -> list[Wanted]:
        """What is to be asked for now."""
        sql = (
            "SELECT conversation, message_id, asked FROM wanted WHERE asked >= 0 AND next_ms <= ?"
            " ORDER BY conversation, next_ms LIMIT ?"
        )
        return [Wanted(*row) for row in self._db.execute(sql, (now_ms, limit))]

    def asked(self, wanted: Sequence[Wanted], next_ms: int) -> None:
        """They have been asked for; again at `next_ms`."""
        self._db.executemany(
            "UPDATE wanted SET asked = asked + 1, next_ms = ? WHERE conversation = ? AND message_id = ?",
            [(next_ms, each.conversation, each.message_id) for each in wanted],
        )

    def give_up(self, conversation: bytes, ids: Iterable[bytes], after: int = 0) -> None:
        """Nobody has these any more: those that were asked for so often."""
        self._db.executemany(
            "UPDATE wanted SET asked = -1 WHERE conversation = ? AND message_id = ? AND asked >= ?",
            [(conversation, each, after) for each in ids],
        )

    # Receipts

    def read_by(self, conversation: bytes, reader: bytes, position: int) -> bool:
        """`reader` has read so far; False when that was known."""
        self._db.execute(
            "INSERT INTO receipt VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET position = excluded.position"
            " WHERE excluded.position > position",
            (conversation, reader, position),
        )
        return self._db.changes() == 1

    def receipts(self, conversation: bytes) -> dict[bytes, int]:
        """How far each reader has read."""
        rows = self._db.execute("SELECT reader, position FROM receipt WHERE conversation = ?", (conversation,))
        return dict(rows.fetchall())  # type: ignore[arg-type]  # two columns

    def _number(self, sql: str, *values: bytes) -> int:
        row = self._db.execute(sql, values).fetchone()
        return int(row[0]) if row else 0
