"""The names of the database's files in the node's data folder."""

from pathlib import Path

DATABASE_FILE = "mailboxes.db"


def remove_with_log(database: Path) -> None:
    """The database, its write-ahead log and the index of that; what is missing is no error."""
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
