"""The incarnation of a database: 16 random bytes, drawn anew when it may have been restored from a copy.

A restored database gives arrival numbers a second time, so cursors of before must not be believed. How it is noticed:
the database counts its starts, and a marker beside it has the same count with the file's inode. A copy put in place has
another inode, or another count. A snapshot of the whole volume has neither: whoever restores one says so (setting
`restored`). Drawing once too often only makes clients read again.
"""

import os
from pathlib import Path

import apsw

INCARNATION_SIZE = 16
SUFFIX = ".starts"


def enter(connection: apsw.Connection, path: Path, *, restored: bool) -> bytes:
    """Count this start, and give the incarnation that it has."""
    with connection:
        row = connection.execute("SELECT incarnation, starts FROM node").get
        known = row is not None and not restored and _marker(path) == _mark(path, row[1])
        incarnation = row[0] if known else os.urandom(INCARNATION_SIZE)
        starts = 1 if row is None else row[1] + 1
        if row is None:
            connection.execute("INSERT INTO node VALUES (?, ?, 0, 0)", (incarnation, starts))
        else:
            connection.execute("UPDATE node SET incarnation = ?, starts = ?", (incarnation, starts))
    _leave_marker(path, starts)
    return bytes(incarnation)


def _mark(path: Path, starts: int) -> str:
    return f"{starts} {path.stat().st_ino}\n"


def _marker(path: Path) -> str:
    try:
        return path.with_name(path.name + SUFFIX).read_text()
    except FileNotFoundError:
        return ""


def _leave_marker(path: Path, starts: int) -> None:
    """Replace it in one step. Lost in a crash: the next start draws anew."""
    marker = path.with_name(path.name + SUFFIX)
    fresh = marker.with_suffix(".new")
    fresh.write_text(_mark(path, starts))
    fresh.replace(marker)
