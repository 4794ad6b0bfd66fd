"""The record ids of the SQLite store by their place on the ring: sums of buckets in memory, the rest from an index.

Two triggers of the writing connection tell of every row that comes or goes, whatever statement did it; the sums change
when the transaction is committed. They are counted anew at each start: about a second for a million records.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import apsw

from essaim.protocol.view.swarm import position_of
from essaim_storage.arc import LAST, Arc
from essaim_storage.tally import (
    ID_SIZE,
    Fingerprint,
    Part,
    Tally,
    fingerprint_of,
    inner_buckets,
    key_of,
    outer_parts,
    span_positions,
)

MIDDLE = 1 << 63
_TRIGGERS = """
CREATE TEMP TRIGGER tally_in AFTER INSERT ON main.record BEGIN
  SELECT tally((SELECT position FROM mailbox WHERE id = NEW.mailbox), NEW.record_id, 1);
END;
CREATE TEMP TRIGGER tally_out BEFORE DELETE ON main.record BEGIN
  SELECT tally((SELECT position FROM mailbox WHERE id = OLD.mailbox), OLD.record_id, -1);
END;
"""
_LISTED = (
    "SELECT mailbox.position, record.record_id FROM mailbox CROSS JOIN record ON record.mailbox = mailbox.id"
    " WHERE mailbox.position BETWEEN ? AND ? ORDER BY mailbox.position"
)


def stored_position(position: int) -> int:
    """SQLite's integers are signed: less 2^63, the order stays."""
    return position - MIDDLE


class RecordIds:
    """Read on the event loop; told of changes on the writer's thread."""

    def __init__(self, reading: apsw.Connection, writing: apsw.Connection) -> None:
        self._reading = reading
        self._tally = Tally()
        self._changes: list[tuple[int, bytes, int]] = []
        _fill_positions(writing)
        for position, record_id in self._all(writing, 0, LAST):
            self._tally.add(position, record_id)
        writing.create_scalar_function("tally", self._note, 3)
        writing.execute(_TRIGGERS)

    # ---- asked

    def fingerprints(self, parts: Sequence[Part]) -> Sequence[Fingerprint]:
        """Of sisters, mostly: what is read from the index is read once for all."""
        read: dict[Arc, list[tuple[int, bytes]]] = {}
        return [self._fingerprint(part, read) for part in parts]

    def listed(self, part: Part, limit: int) -> Sequence[bytes]:
        """The first ids of a part, in the order of their keys."""
        return [record_id for _, record_id in sorted(self._rows(part, {}))[:limit]]

    def _fingerprint(self, part: Part, read: dict[Arc, list[tuple[int, bytes]]]) -> Fingerprint:
        inner = inner_buckets(part)
        total, count = self._tally.of_buckets(*inner) if inner else (0, 0)
        for side in outer_parts(part):
            ids = [int.from_bytes(record_id) for _, record_id in self._rows(side, read)]
            total, count = total + sum(ids), count + len(ids)
        return fingerprint_of(total, count)

    def _rows(self, part: Part, read: dict[Arc, list[tuple[int, bytes]]]) -> Iterator[tuple[int, bytes]]:
        """(key, id) of a part's records."""
        first, last = span_positions(part)
        positions = max(first, part.arc[0]), min(last, part.arc[1])
        if positions not in read:
            read[positions] = [(key_of(*row), row[1]) for row in self._all(self._reading, *positions)]
        return (row for row in read[positions] if part.span[0] <= row[0] <= part.span[1])

    def _all(self, connection: apsw.Connection, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """(position, record id). To the last row: a statement left half read would keep the log from being emptied."""
        for position, record_id in connection.execute(_LISTED, (stored_position(first), stored_position(last))):
            if _is_good(position, record_id):
                yield position + MIDDLE, record_id

    # ---- told

    def _note(self, *row: Any) -> None:
        position, record_id, step = row
        if _is_good(position, record_id):
            self._changes.append((position + MIDDLE, record_id, step))

    def committed(self) -> None:
        """The transaction's rows are durable."""
        changes, self._changes = self._changes, []
        for position, record_id, step in changes:
            (self._tally.add if step > 0 else self._tally.remove)(position, record_id)

    def rolled_back(self) -> None:
        """The transaction was not."""
        self._changes = []


def _is_good(position: object, record_id: object) -> bool:
    """A flipped bit can change a column's type: such a row counts as gone."""
    return isinstance(position, int) and isinstance(record_id, bytes) and len(record_id) == ID_SIZE


def _fill_positions(connection: apsw.Connection) -> None:
    """For mailboxes from before there were positions."""
    with connection:
        old: list[Any] = connection.execute("SELECT id, mailbox_id FROM mailbox WHERE position IS NULL").fetchall()
        for mailbox, mailbox_id in old:
            position = stored_position(position_of(mailbox_id))
            connection.execute("UPDATE mailbox SET position = ? WHERE id = ?", (position, mailbox))
