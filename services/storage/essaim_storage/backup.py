"""`essaim-storage backup | restore`: the node's database as one file, and back. docs/operations/backup.md."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import apsw

from essaim.runtime.database import migrations
from essaim.runtime.refusal import StartError, end
from essaim.runtime.volume import Hold, sync_folder
from essaim_storage.files import DATABASE_FILE, remove_with_log
from essaim_storage.incarnation import SUFFIX

STEP_PAGES = 1_024
"""Pages copied between two looks at what the running node wrote meanwhile."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        end(f"essaim-storage: {message}; --help lists what there is.")


def main(arguments: Sequence[str]) -> None:
    """Ends the process: 0 done, 2 with one sentence."""
    options = _parsed(arguments)
    try:
        if options.command == "backup":
            size = back_up(options.data_dir, options.to)
            sys.stdout.write(f"{options.to}: {size} bytes\n")
        else:
            restore(options.data_dir, options.source, replace=options.replace)
            sys.stdout.write("restored; the node takes a new incarnation when it starts\n")
    except StartError as error:
        end(f"essaim-storage: {error}")
    except (apsw.Error, OSError) as error:
        end(f"essaim-storage: it failed ({type(error).__name__}).")
    sys.exit(0)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="essaim-storage")
    commands = parser.add_subparsers(dest="command", required=True)
    out = commands.add_parser("backup", help="copy the database to a file, while the node runs or not")
    out.add_argument("--to", type=Path, required=True, help="the file, which must not be there yet")
    back = commands.add_parser("restore", help="put a backup in place; the node must not run")
    back.add_argument("--from", dest="source", type=Path, required=True, help="the file")
    back.add_argument("--replace", action="store_true", help="give up the database that is there")
    for each in (out, back):
        each.add_argument("--data-dir", type=Path, required=True, help="the node's data folder")
    return parser.parse_args(arguments)


def back_up(folder: Path, target: Path) -> int:
    """Bytes written. One state of the database, whatever the node does meanwhile; without one-time prekeys, which
    nobody may serve again.
    """
    if target.exists():
        raise StartError("the backup's file is there already.")
    database = folder / DATABASE_FILE
    if not database.exists():
        raise StartError("there is no database in this data folder.")
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    _copy(database, partial)
    _strip(partial)
    _sync(partial)
    partial.replace(target)
    sync_folder(target.resolve().parent)
    return target.stat().st_size


def restore(folder: Path, source: Path, *, replace: bool) -> None:
    """In place of what is there. The marker of starts goes, so that the node takes a new incarnation."""
    hold = Hold(folder)
    try:
        database = folder / DATABASE_FILE
        if database.exists() and not replace:
            raise StartError("there is a database already; --replace gives it up.")
        if not source.is_file():
            raise StartError("there is no such backup.")
        fresh = database.with_name(DATABASE_FILE + ".restored")
        try:
            _fill(fresh, source)
        except StartError:
            remove_with_log(fresh)
            raise
        (folder / (DATABASE_FILE + SUFFIX)).unlink(missing_ok=True)
        remove_with_log(database)
        fresh.replace(database)
        sync_folder(folder)
    finally:
        hold.release()


def _fill(fresh: Path, source: Path) -> None:
    fresh.unlink(missing_ok=True)
    _copy(source, fresh)
    _check(fresh)
    _sync(fresh)


def _copy(source: Path, target: Path) -> None:
    reading = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READWRITE)
    writing = apsw.Connection(str(target))
    try:
        reading.set_busy_timeout(5_000)
        with writing.backup("main", reading, "main") as copying:
            while not copying.done:
                copying.step(STEP_PAGES)
    except (apsw.NotADBError, apsw.CorruptError):
        raise StartError("this is no database, or it is damaged.") from None
    finally:
        writing.close()
        reading.close()


def _strip(copy: Path) -> None:
    connection = apsw.Connection(str(copy))
    try:
        connection.pragma("journal_mode", "delete")
        connection.pragma("secure_delete", True)
        connection.execute("DELETE FROM prekey")
    finally:
        connection.close()
    _check(copy)


def _check(copy: Path) -> None:
    """The file is whole, and of a schema that this program knows."""
    connection = apsw.Connection(str(copy))
    try:
        version, known = int(connection.pragma("user_version")), len(migrations("essaim_storage.migrations"))
        if version > known:
            raise StartError(f"the backup has version {version}, this program knows {known}: use a newer program.")
        said: object = connection.execute("PRAGMA quick_check(1)").get
        connection.execute("SELECT incarnation FROM node").fetchall()
    except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError):
        raise StartError("this is no backup of a storage node, or it is damaged.") from None
    finally:
        connection.close()
    if said != "ok":
        raise StartError("this is no backup of a storage node, or it is damaged.")


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
