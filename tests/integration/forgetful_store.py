"""`python forgetful_store.py FLAG...`: a storage node that drops a twentieth of what it keeps, and tells nobody.

Never part of a service: this program changes the service's classes in its own process before it starts them. It takes
and acknowledges every envelope, has it fsynced, and then wipes the bytes of those whose id comes first. Their rows
stay, so that in every comparison with another member it has them; what is missing it neither notices nor fetches.
"""

from collections.abc import Sequence
from pathlib import Path

import apsw

from essaim_storage.__main__ import main
from essaim_storage.effects import Change
from essaim_storage.row import ENVELOPE
from essaim_storage.sqlite_store import SqliteStore
from essaim_storage.sqlite_writer import SqliteWriter

FIRST_KEPT = bytes((13,))
"""13 of 256 first bytes: 5.1% of all ids, which are hashes."""
_DROP = "UPDATE record SET data = x'' WHERE kind = ? AND record_id < ? AND length(data) > 0"


def is_dropped(record_id: bytes) -> bool:
    """Whether such a node lets it go."""
    return record_id < FIRST_KEPT


def left_of(database: Path) -> tuple[int, int]:
    """(envelopes that a store of this kind lists, those whose bytes it has); read beside the process that writes."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        counts = "SELECT count(*), coalesce(sum(length(data) > 0), 0) FROM record WHERE kind = ?"
        ((listed, there),) = connection.execute(counts, (ENVELOPE,)).fetchall()
        return int(listed), int(there)
    finally:
        connection.close()


def plant() -> None:
    """From here on this process cheats."""
    honest = SqliteWriter.commit

    def commit(self: SqliteWriter, changes: Sequence[Change]) -> None:
        honest(self, changes)
        self._connection.execute(_DROP, (ENVELOPE, FIRST_KEPT))

    SqliteWriter.commit = commit  # type: ignore[method-assign]
    SqliteStore._report = lambda *_: None  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    plant()
    main()
