"""The SQLite log of an embedded discovery: what was applied since the snapshot, and the last views.

Each method is one transaction, on disk (fsync) when it returns. Bounded: a snapshot takes the place of the log up to
it, and views are pruned to about what the history holds.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.view import Header
from essaim.protocol.view.history import VIEWS_MAX
from essaim.protocol.view.wire import parse
from essaim.runtime.database import migrations, open_database
from essaim.view.v1 import view_pb2
from essaim_discovery.transaction import BeginView, Resume, Tick

DATABASE_FILE = "discovery.db"
WHOLE_EVERY = 64
"""Every so many serials a view is kept whole; those between as what has changed."""

Applied = Tick | Resume | BeginView | discovery_pb2.SignedTransaction
MIGRATIONS = migrations("essaim_discovery.migrations")


class _Kind(IntEnum):
    TICK = 0
    RESUME = 1
    TRANSACTION = 2
    BEGIN_VIEW = 3


@dataclass(frozen=True)
class KeptView:
    """A view as the log has it: `signed` is None until an authority has signed the header."""

    header: bytes
    signed: bytes | None
    content: view_pb2.WholeView | view_pb2.ViewDiff


class Log:
    """Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """StartError when the database is damaged, in use or newer."""
        self._connection = open_database(folder / DATABASE_FILE, MIGRATIONS, exclusive=True, busy_ms=0)

    def close(self) -> None:
        self._connection.close()

    # The log

    def append(self, applied: Sequence[Applied]) -> None:
        """Everything of it, or nothing."""
        with self._connection:
            self._connection.executemany(
                "INSERT INTO log (kind, now_ms, signed, serial, hash) VALUES (?, ?, ?, ?, ?)",
                [_row(each) for each in applied],
            )

    def entries(self) -> Iterator[Applied]:
        """In the order of `append`, from the snapshot on."""
        for kind, *row in self._connection.execute(
            "SELECT kind, now_ms, signed, serial, hash FROM log ORDER BY number"
        ):
            yield _read(_Kind(kind), *row)

    def snapshot(self) -> bytes | None:
        """The state that `entries` continue; None when they begin with the genesis."""
        found: bytes | None = self._connection.execute("SELECT state FROM snapshot").get
        return found

    def compact(self, state: bytes) -> None:
        """`state` is what the snapshot and all entries give: it takes their place."""
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO snapshot VALUES (1, ?)", (state,))
            self._connection.execute("DELETE FROM log")

    def length(self) -> int:
        """Entries since the snapshot."""
        return int(self._connection.execute("SELECT count(*) FROM log").get)

    # The views

    def propose(self, header: Header, content: view_pb2.WholeView | view_pb2.ViewDiff) -> None:
        """Before any signature: from now on this is the header of its serial."""
        whole = isinstance(content, view_pb2.WholeView)
        row = (header.epoch, header.serial, header.raw, whole, content.SerializeToString(deterministic=True))
        with self._connection:
            self._connection.execute("INSERT INTO view VALUES (?, ?, ?, NULL, ?, ?)", row)
            if whole:
                self._prune(header.epoch, header.serial - VIEWS_MAX)

    def _prune(self, epoch: int, serial: int) -> None:
        """Views before the last whole one at or before `serial`: those after it lead on from there."""
        self._connection.execute(
            "DELETE FROM view WHERE epoch = ?1 AND serial <"
            " (SELECT max(serial) FROM view WHERE epoch = ?1 AND whole AND serial <= ?2)",
            (epoch, serial),
        )

    def sign(self, header: Header, signed: view_pb2.SignedHeader) -> None:
        """Signatures that may be published once this returns."""
        row = (signed.SerializeToString(deterministic=True), header.epoch, header.serial)
        with self._connection:
            self._connection.execute("UPDATE view SET signed = ? WHERE epoch = ? AND serial = ?", row)

    def views(self) -> Iterable[KeptView]:
        """Oldest first; the first one is whole."""
        rows = self._connection.execute("SELECT header, signed, whole, content FROM view ORDER BY epoch, serial")
        for header, signed, whole, content in rows:
            parsed = parse(view_pb2.WholeView, content) if whole else parse(view_pb2.ViewDiff, content)
            yield KeptView(header, signed, parsed)


def _row(applied: Applied) -> tuple[int, int, bytes, int, bytes]:
    match applied:
        case Tick(now_ms):
            return _Kind.TICK, now_ms, b"", 0, b""
        case Resume(now_ms):
            return _Kind.RESUME, now_ms, b"", 0, b""
        case BeginView(serial, previous_hash):
            return _Kind.BEGIN_VIEW, 0, b"", serial, previous_hash
        case _:
            return _Kind.TRANSACTION, 0, applied.SerializeToString(deterministic=True), 0, b""


def _read(kind: _Kind, now_ms: int, signed: bytes, serial: int, previous_hash: bytes) -> Applied:
    match kind:
        case _Kind.TICK:
            return Tick(now_ms)
        case _Kind.RESUME:
            return Resume(now_ms)
        case _Kind.BEGIN_VIEW:
            return BeginView(serial, previous_hash)
        case _Kind.TRANSACTION:
            return parse(discovery_pb2.SignedTransaction, signed)
