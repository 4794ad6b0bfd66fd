"""The incarnation of a database: 16 random bytes, drawn anew when it may have been restored from a copy.

A restored database gives arrival numbers a second time, so cursors of before must not be believed. It lacks what this
node has acknowledged since, so it is not settled, and may have prekeys that were given away, so it has none. How it
is noticed: the database counts its starts, and a marker beside it has the same count with the file's inode; after an
orderly end also the time at which the file was written last. A copy put in place has another inode, count or time. A
snapshot of the whole volume has none of these: whoever restores one says so (setting `restored`). Drawing once too
often makes clients read again and this node compare with more of the others.
"""

import os
from pathlib import Path

import apsw

from essaim.runtime.refusal import StartError
from essaim.runtime.volume import write_durably

INCARNATION_SIZE = 16
SUFFIX = ".starts"
FIRST = "INSERT INTO node (incarnation, starts, settled, last_number) VALUES (?, ?, 0, 0)"


def enter(connection: apsw.Connection, path: Path, *, restored: bool) -> bytes:
    """Count this start, and give the incarnation that it has."""
    with connection:
        row = connection.execute("SELECT incarnation, starts FROM node").get
        if row is not None and not (isinstance(row[0], bytes) and isinstance(row[1], int)):
            raise StartError("the database is damaged; restore it from a copy or let the node start afresh.")
        marks = () if row is None else (_mark(path, row[1]), _last_mark(path, row[1]))
        known = not restored and _marker(path) in marks
        incarnation = row[0] if known else os.urandom(INCARNATION_SIZE)
        starts = 1 if row is None else row[1] + 1
        if row is None:
            connection.execute(FIRST, (incarnation, starts))
        else:
            connection.execute("UPDATE node SET incarnation = ?, starts = ?", (incarnation, starts))
            if not known:
                connection.execute("UPDATE node SET settled = 0")
                # They may have been given out since the copy was made. The batches' versions stay, so that none of them
                # comes back by being published again.
                connection.execute("DELETE FROM prekey")
    _leave_marker(path, starts)
    return bytes(incarnation)


def _mark(path: Path, starts: int) -> str:
    return f"{starts} {path.stat().st_ino}\n"


def leave(path: Path) -> None:
    """The orderly end, when the database is closed."""
    starts, *_ = _marker(path).split() or ["0"]
    write_durably(path.with_name(path.name + SUFFIX), _last_mark(path, int(starts)).encode())


def _last_mark(path: Path, starts: int) -> str:
    stat = path.stat()
    return f"{starts} {stat.st_ino} {stat.st_mtime_ns}\n"


def _marker(path: Path) -> str:
    try:
        return path.with_name(path.name + SUFFIX).read_text()
    except FileNotFoundError:
        return ""


def _leave_marker(path: Path, starts: int) -> None:
    """Replace it in one step. Lost in a crash: the next start draws anew."""
    marker = path.with_name(path.name + SUFFIX)
    write_durably(marker, _mark(path, starts).encode())
