"""The log on disk: SQLite, WAL, synchronous FULL. What `append` has returned from survives a power cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from essaim.runtime.database import migrations, open_database
from essaim_discovery.apply import Tick

DATABASE_FILE = "discovery.db"
VIEWS_KEPT = 4_096
Step = Tick | bytes


@dataclass(frozen=True)
class SignedView:
    """A header that was signed: `signed` is a serialised SignedHeader."""

    serial: int
    signed: bytes


class Ledger:
    """One writer. Reading happens at the start alone."""

    def __init__(self, folder: Path) -> None:
        """Raises StartError for a damaged or newer database."""
        self._connection = open_database(folder / DATABASE_FILE, migrations("essaim_discovery.migrations"))

    def append(self, steps: Sequence[Step], views: Sequence[SignedView]) -> None:
        """All of it or nothing; fsynced."""
        rows = [(step.now_ms, None) if isinstance(step, Tick) else (None, step) for step in steps]
        with self._connection:
            self._connection.executemany("INSERT INTO log (now_ms, transaction_bytes) VALUES (?, ?)", rows)
            self._connection.executemany(
                "INSERT INTO view (serial, signed_header) VALUES (?, ?)", [(each.serial, each.signed) for each in views]
            )

    def keep_snapshot(self, state: bytes, serial: int) -> None:
        """The state after all that was appended; what it makes needless goes."""
        with self._connection:
            position = self._number("SELECT coalesce(max(position), 0) FROM log")
            self._connection.execute(
                "REPLACE INTO snapshot (only, position, state) VALUES (1, ?, ?)", (position, state)
            )
            # The last row stays: positions must go on from it.
            self._connection.execute("DELETE FROM log WHERE position < ?", (position,))
            self._connection.execute("DELETE FROM view WHERE serial < ?", (serial - VIEWS_KEPT,))

    def snapshot(self) -> tuple[int, bytes] | None:
        """(position, state), if one was kept."""
        for position, state in self._connection.execute("SELECT position, state FROM snapshot"):
            return int(position), bytes(state)
        return None

    def steps(self, after: int) -> Iterator[Step]:
        """Every step after a position, in order."""
        query = "SELECT now_ms, transaction_bytes FROM log WHERE position > ? ORDER BY position"
        for now_ms, transaction in self._connection.execute(query, (after,)):
            yield Tick(now_ms) if transaction is None else bytes(transaction)

    def view(self, serial: int) -> bytes | None:
        """The serialised SignedHeader of a serial."""
        for (signed,) in self._connection.execute("SELECT signed_header FROM view WHERE serial = ?", (serial,)):
            return bytes(signed)
        return None

    def close(self) -> None:
        self._connection.close()

    def _number(self, query: str) -> int:
        cursor: apsw.Cursor = self._connection.execute(query)
        return int(next(iter(cursor))[0])
