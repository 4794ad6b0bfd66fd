"""What a writer of an `SqlDatabase` does when that fails it: again, or the disk is full, or the process ends."""

import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from essaim.protocol.errors import ProtocolError

TRIES = 3
PAUSE_SECONDS = 0.01
POSTGRESQL_DISK_FULL = "53100"
T = TypeVar("T")


class DiskFullError(ProtocolError):
    """No room on the host's disk. What is there stays."""

    reason = "DISK_FULL"


def is_disk_full(error: Exception) -> bool:
    """SQLITE_FULL, or PostgreSQL's SQLSTATE 53100."""
    cause = getattr(error, "orig", None)
    if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return True
    return getattr(cause, "sqlstate", None) == POSTGRESQL_DISK_FULL


def raise_if_disk_failed(error: Exception) -> None:
    """A write or fsync that failed leaves nobody the wiser: the process ends, the next start reads what is there."""
    if getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR:
        raise error


def patiently(transaction: Callable[[], T]) -> T:
    """Its outcome. Replicas may get into each other's way: the loser does it again. Raises what the last try raised; a
    full disk is not tried again."""
    for number in range(1, TRIES):
        try:
            return transaction()
        except DBAPIError as error:
            if is_disk_full(error):
                raise
            time.sleep(PAUSE_SECONDS * number)
    return transaction()


def told(error: Exception) -> Exception:
    """What whoever asked for a transaction is told that cannot be done. Raises when the disk failed."""
    raise_if_disk_failed(error)
    return DiskFullError("no room on the disk") if is_disk_full(error) else error
