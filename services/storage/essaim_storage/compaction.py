"""Giving back what the database does not need any more: a file that grew once does not stay so for ever."""

from pathlib import Path

import apsw

INCREMENTAL = 2
FREE_SHARE, FREE_LEAST = 8, 256
"""Free pages that stay for what comes: an eighth, and at least 256 (a MiB)."""
STEP_PAGES = 4_096
"""Most that one step gives back: 16 MiB, a quarter of a second of the writer's thread."""


def make_compactable(path: Path, vfs: str | None) -> None:
    """A new file keeps what incremental vacuuming needs; one from before is written anew, once, if there is room."""
    connection = apsw.Connection(str(path), vfs=vfs)
    try:
        if connection.pragma("auto_vacuum") == INCREMENTAL:
            return
        connection.pragma("auto_vacuum", INCREMENTAL)
        if connection.pragma("page_count"):
            connection.pragma("secure_delete", True)
            connection.execute("VACUUM")
    except (apsw.FullError, apsw.NotADBError, apsw.CorruptError, apsw.BusyError):
        pass  # it works as it is; or opening it says what is wrong
    finally:
        connection.close()


def compact(connection: apsw.Connection) -> int:
    """One step; the pages that were given back. On the writer's connection, between transactions."""
    free, pages = connection.pragma("freelist_count"), connection.pragma("page_count")
    spare = free - max(pages // FREE_SHARE, FREE_LEAST)
    if spare <= 0:
        return 0
    connection.execute(f"PRAGMA incremental_vacuum({min(spare, STEP_PAGES)})").fetchall()
    return int(pages - connection.pragma("page_count"))
