"""A service's SQLite database: opened one way, brought to its schema by numbered SQL files.

`<package>/0001_<what>.sql`, `0002_...`: applied in order, each in a transaction of its own with `PRAGMA user_version`.
A binary refuses a database that is newer than its last file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import apsw

from essaim.runtime.refusal import StartError

BUSY_MS = 5_000  # how long a statement waits for another connection
CACHE_KIB = 1_024  # pages that one connection keeps; the system keeps the file anyhow
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


@dataclass(frozen=True)
class Migration:
    """One step of a schema. `number` counts from 1 without a gap."""

    number: int
    sql: str


def migrations(package: str) -> Sequence[Migration]:
    """The numbered SQL files of a Python package, in order. ValueError for a gap: a file was forgotten."""
    found = []
    folder = next(iter(import_module(package).__path__))  # not importlib.resources: that takes a megabyte
    for file in Path(folder).iterdir():
        name = _NAME.match(file.name)
        if name:
            found.append(Migration(int(name[1]), file.read_text()))
    found.sort(key=lambda each: each.number)
    if [each.number for each in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations of {package} are not numbered 0001, 0002, ...")
    return found


def open_database(
    path: Path | str,
    steps: Sequence[Migration],
    *,
    vfs: str | None = None,
    exclusive: bool = False,
    busy_ms: int = BUSY_MS,
) -> apsw.Connection:
    """A connection in WAL mode with synchronous FULL (a COMMIT returns after its fsync), migrated to the last step.

    `exclusive` keeps the lock for the connection's life and needs no shared memory, so that any `vfs` can hold the log;
    a second connection is then refused. Raises StartError for a newer or damaged database.
    """
    try:
        connection = apsw.Connection(str(path), vfs=vfs)
        configure(connection, exclusive=exclusive, busy_ms=busy_ms)
        migrate(connection, steps)
    except (apsw.NotADBError, apsw.CorruptError):
        raise StartError("the database is damaged; restore it from a copy or let the node start afresh.") from None
    except apsw.BusyError:
        raise StartError("the database is in use by another process.") from None
    except apsw.CantOpenError:
        raise StartError("the database cannot be opened.") from None
    return connection


def configure(connection: apsw.Connection, *, exclusive: bool = False, busy_ms: int = BUSY_MS) -> None:
    """The pragmas that the promises rest on; for every further connection to the same file, too."""
    connection.set_busy_timeout(busy_ms)
    if exclusive:
        connection.pragma("locking_mode", "exclusive")
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("cache_size", -CACHE_KIB)
    connection.pragma("foreign_keys", True)
    connection.pragma("secure_delete", True)  # purged bytes are overwritten, not only forgotten
    connection.pragma("trusted_schema", False)
    # Plans may not depend on bound values: else SQLite compiles whatever looks at a partial index anew for each value.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def migrate(connection: apsw.Connection, steps: Sequence[Migration]) -> None:
    """Apply the steps after `PRAGMA user_version`. Raises StartError when the database knows more than `steps`."""
    version = int(connection.pragma("user_version"))
    if version > len(steps):
        raise StartError(f"the database has version {version}, this program knows {len(steps)}: use a newer program.")
    for step in steps[version:]:
        with connection:
            connection.execute(step.sql)
            connection.pragma("user_version", step.number)
