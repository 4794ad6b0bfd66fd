"""How far files have come that are sent, fetched or taken back: kept over a kill."""

from enum import StrEnum
from typing import NamedTuple

import apsw

from essaim.messaging.v1 import content_pb2


class Direction(StrEnum):
    """What is being done with a file."""

    SENDING = "sending"
    FETCHING = "fetching"
    TAKING_BACK = "taking back"


class Transfer(NamedTuple):
    """One file on its way; `subject` and `place` are what a repeated command finds it by."""

    transfer_id: bytes
    direction: str
    subject: bytes
    place: str
    file: bytes
    header: bytes

    @property
    def described(self) -> content_pb2.File:
        return content_pb2.File.FromString(self.file)


class Transfers:
    """Made by the store, whose transactions it takes part in."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def begin(self, transfer: Transfer) -> None:
        self._db.execute("INSERT INTO transfer VALUES (?, ?, ?, ?, ?, ?)", tuple(transfer))

    def find(self, direction: Direction, subject: bytes, place: str) -> Transfer | None:
        """The newest."""
        found = self._select("direction = ? AND subject = ? AND place = ?", direction.value, subject, place)
        return found[-1] if found else None

    def all(self, direction: Direction) -> list[Transfer]:
        return self._select("direction = ?", direction.value)

    def _select(self, where: str, *values: str | bytes) -> list[Transfer]:
        sql = f"SELECT * FROM transfer WHERE {where} ORDER BY rowid"  # noqa: S608  # constants of this class
        return [Transfer(*row) for row in self._db.execute(sql, values)]

    def done(self, transfer_id: bytes, number: int) -> None:
        self._db.execute("INSERT OR IGNORE INTO transfer_piece VALUES (?, ?)", (transfer_id, number))

    def pieces_done(self, transfer_id: bytes) -> set[int]:
        rows = self._db.execute("SELECT number FROM transfer_piece WHERE transfer_id = ?", (transfer_id,))
        return {int(number) for (number,) in rows}

    def forget(self, transfer_id: bytes) -> None:
        for table in ("transfer", "transfer_piece"):
            self._db.execute(f"DELETE FROM {table} WHERE transfer_id = ?", (transfer_id,))  # noqa: S608  # the two above
