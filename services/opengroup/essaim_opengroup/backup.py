"""`essaim-opengroup backup --data-dir DIR --to FILE`: a copy of a running host's SQLite database.

The host goes on meanwhile; the copy is whole, as of one moment. To restore: stop the host, put the copy in the place of
rooms.db, remove rooms.db-wal and rooms.db-shm, start. The host's key is a file of its own, `host-key`: without it there
is another host. PostgreSQL has pg_dump.
"""

import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from essaim.runtime.arguments import Arguments
from essaim.runtime.refusal import WRONG_SETTING, StartError

PROGRAM = "essaim-opengroup backup"
PAGES = 4_096
"""At a time; in between the host writes."""


def copy(source: Path, to: Path) -> None:
    """Raises FileNotFoundError, FileExistsError, sqlite3.Error."""
    if not source.is_file():
        raise FileNotFoundError(f"no database {source}")
    descriptor = os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        held, made = sqlite3.connect(f"file:{source}?mode=ro", uri=True), sqlite3.connect(to)
        try:
            held.backup(made, pages=PAGES)
        finally:
            held.close()
            made.close()
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def backup(arguments: Sequence[str]) -> int:
    """The exit code: 0, or 2 with one sentence on standard error."""
    parser = Arguments(prog=PROGRAM, description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="the host's folder")
    parser.add_argument("--to", type=Path, required=True, help="a file that does not exist yet")
    try:
        options = parser.parse_args(arguments)
        copy(options.data_dir / "rooms.db", options.to)
    except (OSError, sqlite3.Error, StartError) as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return WRONG_SETTING
    return 0


if __name__ == "__main__":
    sys.exit(backup(sys.argv[1:]))
