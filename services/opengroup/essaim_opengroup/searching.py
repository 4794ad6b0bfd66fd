"""Search, newest first, bounded in what it reads: a word that half of a million posts have costs what a rare one does.

Both databases keep the room in the index of words, so that what other rooms say is never looked at.

SQLite      FTS5 gives its rows in falling order one by one: as many are taken as the answer needs.
PostgreSQL  a GIN index gives all matches at once, in no order: so each post's words have its *block* among them, which
            are 65,536 entries of the room's log. The newest block that may hold an answer is asked first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from essaim.protocol.opengroup.refusal import SearchRefusedError

MAX_WORDS = 200
AT_ONCE = 256
"""Candidates taken out of the index at a time."""
MOST_TIMES = 32
"""Per answer. Of a candidate only a whisper for somebody else is left out, so that the first time mostly suffices."""
BLOCK = 1 << 16
"""Sequence numbers of one block; the migration says it once more."""
MAX_BLOCKS = 16
"""Asked for one answer, at most: a million entries."""

_SQLITE = text(
    # CROSS JOIN: the index is the outer loop, whatever SQLite thinks that it knows of the tables.
    "SELECT post.no, post.sequence FROM post_words CROSS JOIN post ON post.no = post_words.rowid"
    " WHERE post_words MATCH :words AND post_words.rowid < :before ORDER BY post_words.rowid DESC LIMIT :most"
)
_FIRST = text("SELECT no FROM post WHERE room_no = :room AND sequence >= :before ORDER BY sequence LIMIT 1")
_POSTGRESQL = text(
    # Materialised: else the planner may walk the posts of the block and look for the words in each.
    "WITH found AS MATERIALIZED (SELECT no, sequence FROM post WHERE words @@"
    " (plainto_tsquery('simple', :words) && CAST(:block AS tsquery)))"
    " SELECT no, sequence FROM found WHERE sequence < :before ORDER BY sequence DESC LIMIT :most"
)
_NODES = text("SELECT numnode(plainto_tsquery('simple', :words))")
NONE_BEFORE = (1 << 63) - 1


@dataclass(frozen=True)
class Candidates:
    """Posts that have the words, the newest first; `down_to` is the sequence number above which all were looked at."""

    numbers: list[int]
    down_to: int


def check_words(words: str) -> None:
    """Raises SearchRefusedError."""
    if not words.split() or len(words) > MAX_WORDS or "\0" in words:
        raise SearchRefusedError(f"1 to {MAX_WORDS} characters to search for")


def candidates(connection: Connection, room_no: int, words: str, before: int, newest: int) -> Iterator[Candidates]:
    """Some at a time, below the sequence number `before` (0: all); `newest` is the room's. Ends when all were given, or
    when enough was read: then the last one's `down_to` is above 1."""
    if connection.dialect.name == "postgresql":
        return _by_blocks(connection, room_no, words, before or newest + 1)
    return _in_order(connection, room_no, words, before)


def _in_order(connection: Connection, room_no: int, words: str, before: int) -> Iterator[Candidates]:
    quoted = " ".join('"' + word.replace('"', '""') + '"' for word in words.split())
    asked: dict[str, Any] = {"words": f'room_no : "{room_no}" AND text : ({quoted})', "most": AT_ONCE}
    below = connection.execute(_FIRST, {"room": room_no, "before": before}).scalar() if before else None
    for _ in range(MOST_TIMES):
        rows = connection.execute(_SQLITE, asked | {"before": below or NONE_BEFORE}).all()
        if len(rows) < AT_ONCE:
            yield Candidates([row.no for row in rows], 1)
            return
        below = rows[-1].no
        yield Candidates([row.no for row in rows], rows[-1].sequence)


def _by_blocks(connection: Connection, room_no: int, words: str, before: int) -> Iterator[Candidates]:
    if not connection.execute(_NODES, {"words": words}).scalar():
        return  # nothing in it is a word
    block = (before - 1) // BLOCK
    last = max(0, block - MAX_BLOCKS + 1)
    for _ in range(MOST_TIMES):
        asked = {"words": words, "block": f"'{block_word(room_no, block)}'", "before": before, "most": AT_ONCE}
        rows = connection.execute(_POSTGRESQL, asked).all()
        before = rows[-1].sequence if len(rows) == AT_ONCE else block * BLOCK
        yield Candidates([row.no for row in rows], max(1, before))
        if before <= block * BLOCK:
            block -= 1
        if block < last:
            return


def block_word(room_no: int, block: int) -> str:
    """As the migration makes it; no word of a post has an upper-case letter."""
    return f"R{room_no}B{block}"
