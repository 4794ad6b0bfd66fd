"""Imported exports on disk: each a conversation of its own, apart from the history."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import apsw

PAGE = 500


class ArchiveRow(NamedTuple):
    """As the migration describes it."""

    archive_id: bytes
    certificate: bytes
    conversation: bytes
    created_ms: int
    from_ms: int
    until_ms: int
    imported_ms: int
    messages: int = 0
    whole: bool = False
    group_name: str = ""


class Archived:
    """Made by the store, whose transactions it takes part in."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def begin(self, row: ArchiveRow) -> None:
        """Not whole yet; what an earlier try left is gone."""
        self.remove(row.archive_id)
        self._db.execute("INSERT INTO archive VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", tuple(row))

    def add(self, archive_id: bytes, number: int, messages: Sequence[bytes]) -> None:
        """The next ones; the first of them has this number."""
        rows = [(archive_id, at, message) for at, message in enumerate(messages, number)]
        self._db.executemany("INSERT INTO archived VALUES (?, ?, ?)", rows)

    def complete(self, archive_id: bytes, messages: int) -> None:
        """All of it is here, and genuine."""
        self._db.execute("UPDATE archive SET whole = 1, messages = ? WHERE archive_id = ?", (messages, archive_id))

    def find(self, archive_id: bytes) -> ArchiveRow | None:
        """If it is whole."""
        return next(iter(self._select("archive_id = ?", archive_id)), None)

    def all(self) -> list[ArchiveRow]:
        """Whole ones, the newest import first."""
        return self._select("true")

    def _select(self, where: str, *values: bytes) -> list[ArchiveRow]:
        sql = f"SELECT * FROM archive WHERE {where} AND whole ORDER BY imported_ms DESC, archive_id"  # noqa: S608  # ours
        return [ArchiveRow(*row) for row in self._db.execute(sql, values)]

    def messages(self, archive_id: bytes) -> Iterator[bytes]:
        """In order, read page by page."""
        number = 0
        sql = "SELECT message FROM archived WHERE archive_id = ? AND number >= ? ORDER BY number LIMIT ?"
        while page := [message for (message,) in self._db.execute(sql, (archive_id, number, PAGE))]:
            number += len(page)
            yield from page

    def remove(self, archive_id: bytes) -> bool:
        """All of it; False when there was none."""
        self._db.execute("DELETE FROM archived WHERE archive_id = ?", (archive_id,))
        self._db.execute("DELETE FROM archive WHERE archive_id = ?", (archive_id,))
        return self._db.changes() > 0

    def forget_halves(self) -> None:
        """What an import that was killed has left."""
        halves = [archive_id for (archive_id,) in self._db.execute("SELECT archive_id FROM archive WHERE NOT whole")]
        for archive_id in halves:
            self.remove(archive_id)
