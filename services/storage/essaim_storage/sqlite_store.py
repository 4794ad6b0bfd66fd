"""The disk of a node: SQLite in WAL mode with synchronous FULL, the only place with SQL (beside its writing half).

Reads are answered at once on a connection of the event loop, from what is committed; writing happens on a connection
and a thread of its own (`writer`). SQLite shows a commit to readers after its fsync, never before.
"""
# ruff: noqa: S608  (every statement is put together from constants of this file)

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw

from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, Record, RegistrationRecord, SlotMark, Tombstone
from essaim.protocol.mailbox.rule import SILENT_ENTRIES
from essaim.runtime.database import CACHE_KIB, migrations, open_database
from essaim_storage import incarnation, metrics
from essaim_storage.arc import Arcs
from essaim_storage.compaction import make_compactable
from essaim_storage.row import COLUMNS, SLOT_IN_PROOF, SLOT_PROOF_SIZE, BadRowError, Head, checksum, record_of
from essaim_storage.sqlite_ids import RecordIds, stored_position
from essaim_storage.sqlite_writer import SqliteWriter
from essaim_storage.store import Entry, Newest, PrekeyBatch
from essaim_storage.tally import ID_SIZE, Fingerprint, Part

DatabaseError = apsw.Error
"""What reading raises when the file itself is broken: no answer of it may be believed any more."""

MOST_CACHE_KIB = 16 << 10
"""Of the writer's connection: that of a database of 64 GB."""

_JOINED = "record JOIN mailbox ON mailbox.id = record.mailbox"
_COLUMNS = COLUMNS.replace(" kind", " record.kind")
_HEAD = f"SELECT {_COLUMNS} FROM {_JOINED}"
_WHOLE = f"SELECT {_COLUMNS}, data FROM {_JOINED}"


def cache_kib(path: Path) -> int:
    """Pages that the writer keeps, in KiB: the inner pages of the index of ids, which has no order, fit in.

    They are some 1/10,000 of the file, and each envelope that comes needs another.
    """
    return max(CACHE_KIB, min(path.stat().st_size >> 22, MOST_CACHE_KIB))


class SqliteStore:
    """Implements `essaim_storage.store.Store`.

    `vfs`: one exclusive connection for reading and writing, for tests on a file system that fails.
    `on_bad(record id)` is called for each record that fails its checksum, once until it is forgotten.
    """

    def __init__(self, path: Path, *, max_bytes: int = 0, restored: bool = False, vfs: str | None = None) -> None:
        self._path = path
        steps = migrations("essaim_storage.migrations")
        make_compactable(path, vfs)
        writing = open_database(path, steps, vfs=vfs, exclusive=vfs is not None)
        self._connection = writing if vfs is not None else open_database(path, steps)
        self._writing = writing
        writing.pragma("cache_size", -cache_kib(path))
        self._incarnation = incarnation.enter(writing, path, restored=restored)
        self._bad: set[bytes] = set()
        self._damage = 0
        self._ids = RecordIds(self._connection, writing)
        self.writer = SqliteWriter(writing, max_bytes // writing.pragma("page_size"), self._ids)
        self.on_bad: Callable[[bytes], None] = _ignore

    def close(self) -> None:
        """Checkpoint and close. Nothing may be under way."""
        self.writer.checkpoint()
        self._connection.close()
        self._writing.close()
        incarnation.leave(self._path)

    def incarnation(self) -> bytes:
        return self._incarnation

    def settled(self) -> bool:
        return bool(self._one("SELECT settled FROM node"))

    def last_number(self) -> int:
        return int(self._one("SELECT last_number FROM node"))

    def damage(self) -> int:
        return self._damage

    # ---- records

    def has(self, record_id: bytes) -> bool:
        if record_id in self._bad:
            return self.record(record_id) is not None
        return self._one("SELECT 1 FROM record WHERE record_id = ?", record_id) is not None

    def record(self, record_id: bytes) -> Record | None:
        return next(self._records(f"{_WHOLE} WHERE record_id = ?", record_id), None)

    def naming(self, envelope_id: bytes) -> Sequence[Tombstone | ExpiryRecord]:
        found = self._records(
            f"{_WHOLE} WHERE number IN (SELECT number FROM removal WHERE envelope_id = ?) ORDER BY number", envelope_id
        )
        return [each for each in found if isinstance(each, Tombstone | ExpiryRecord)]

    def sweeps(self, mailbox_id: bytes) -> Sequence[Tombstone]:
        return [each for each in self._special(mailbox_id) if isinstance(each, Tombstone)]

    def under(self, mailbox_id: bytes, slot: bytes) -> Sequence[Record]:
        mailbox = "mailbox = (SELECT id FROM mailbox WHERE mailbox_id = ?)"
        where = f"{mailbox} AND length(proof) = {SLOT_PROOF_SIZE} AND substr(proof, {SLOT_IN_PROOF}, 1) = ?"
        return list(self._records(f"{_WHOLE} WHERE {where} ORDER BY number", mailbox_id, slot))

    def mark(self, mailbox_id: bytes, slot: bytes) -> SlotMark | None:
        marks = (each for each in self._special(mailbox_id) if isinstance(each, SlotMark))
        return next((each for each in marks if each.slot == slot), None)

    def has_registered(self, mailbox_id: bytes) -> bool:
        return mailbox_id in self.writer.registered

    def registration(self, mailbox_id: bytes, slot: bytes, day: int) -> RegistrationRecord | None:
        return next(iter(self._registrations(mailbox_id, "AND slot = ? AND version = ?", slot, day)), None)

    def registrations(self, mailbox_id: bytes) -> Sequence[RegistrationRecord]:
        return self._registrations(mailbox_id, "ORDER BY slot, version")

    def registered(self, mailbox_id: bytes) -> Sequence[tuple[bytes, int]]:
        if not self.has_registered(mailbox_id):
            return []
        where = "mailbox = (SELECT id FROM mailbox WHERE mailbox_id = ?) AND kind = 7"
        return self._all(f"SELECT slot, version FROM record WHERE {where} ORDER BY slot, version", mailbox_id)

    def _registrations(self, mailbox_id: bytes, which: str, *values: int | bytes) -> list[RegistrationRecord]:
        if not self.has_registered(mailbox_id):
            return []
        where = f"mailbox = (SELECT id FROM mailbox WHERE mailbox_id = ?) AND record.kind = 7 {which}"
        found = self._records(f"{_WHOLE} WHERE {where}", mailbox_id, *values)
        return [each for each in found if isinstance(each, RegistrationRecord)]

    def _special(self, mailbox_id: bytes) -> Iterator[Record]:
        """Sweeps and slot marks: few mailboxes have any, and those that never had are known without a look."""
        if mailbox_id not in self.writer.special:
            return iter(())
        where = "mailbox = (SELECT id FROM mailbox WHERE mailbox_id = ?) AND record.kind IN (3, 4, 6) ORDER BY number"
        return self._records(f"{_WHOLE} WHERE {where}", mailbox_id)

    def newest(self, mailbox_id: bytes, slot: bytes) -> Newest | None:
        heads = self._heads(
            f"{_HEAD} WHERE mailbox_id = ? AND record.kind = 0 AND version > 0 AND slot = ?", mailbox_id, slot
        )
        return next((Newest(head.version, head.record_id) for head in heads), None)

    def mailbox_bytes(self, mailbox_id: bytes) -> int:
        return int(self._one("SELECT bytes FROM mailbox WHERE mailbox_id = ?", mailbox_id) or 0)

    def notice_bytes(self, mailbox_id: bytes) -> int:
        return int(self._one("SELECT notice_bytes FROM mailbox WHERE mailbox_id = ?", mailbox_id) or 0)

    def blob_bytes(self) -> int:
        return int(self._one("SELECT bytes FROM blobs"))

    def policy(self, mailbox_id: bytes) -> Policy | None:
        """The policy of a mailbox that something is here for."""
        encoded = self._one("SELECT policy FROM mailbox WHERE mailbox_id = ?", mailbox_id)
        return None if encoded is None else Policy.check(encoded, mailbox_id)

    # ---- delivery

    def entries_after(self, mailbox_id: bytes, slot: bytes, number: int, limit: int) -> Sequence[Entry]:
        where = "mailbox_id = ? AND record.kind = 0 AND number > ? AND (?3 = x'' OR slot = ?3)"
        heads = self._heads(f"{_HEAD} WHERE {where} ORDER BY number LIMIT ?", mailbox_id, number, slot, limit)
        return [_entry(head) for head in heads]

    def latest_entries(self, mailbox_id: bytes, slot: bytes, limit: int) -> Sequence[Entry]:
        where = "mailbox_id = ? AND record.kind = 0 AND number > 0 AND (?2 = x'' OR slot = ?2)"
        heads = list(self._heads(f"{_HEAD} WHERE {where} ORDER BY number DESC LIMIT ?", mailbox_id, slot, limit))
        return [_entry(head) for head in reversed(heads)]

    def data(self, envelope_id: bytes) -> bytes | None:
        record = self.record(envelope_id)
        return record.data if isinstance(record, EnvelopeRecord) else None

    def entry(self, mailbox_id: bytes, envelope_id: bytes) -> Entry | None:
        heads = self._heads(
            f"{_HEAD} WHERE record_id = ? AND record.kind = 0 AND mailbox_id = ?", envelope_id, mailbox_id
        )
        return next((_entry(head) for head in heads), None)

    # ---- replication

    def coordinated_after(self, number: int, limit: int) -> Sequence[tuple[int, Record]]:
        rows = self._rows(f"{_WHOLE} WHERE coordinated = 1 AND number > ? ORDER BY number LIMIT ?", number, limit)
        return [(head.number, record) for head, data in rows if (record := self._checked(head, data)) is not None]

    def position(self, member: bytes) -> int:
        return int(self._one("SELECT number FROM position WHERE member = ?", member) or 0)

    def adopted(self) -> int:
        return int(self._one("SELECT adopted FROM node"))

    def fingerprints(self, parts: Sequence[Part]) -> Sequence[Fingerprint]:
        return self._ids.fingerprints(parts)

    def record_ids(self, part: Part, limit: int) -> Sequence[bytes]:
        return self._ids.listed(part, limit)

    def has_named(self, name: bytes) -> bool:
        return self._one("SELECT 1 FROM record WHERE record_id BETWEEN ? AND ?", *_ends(name)) is not None

    def named(self, name: bytes) -> Record | None:
        ends = _ends(name)
        return next(self._records(f"{_WHOLE} WHERE record_id BETWEEN ? AND ? ORDER BY record_id LIMIT 1", *ends), None)

    def ids_after(self, record_id: bytes, limit: int) -> Sequence[bytes]:
        some = "SELECT record_id FROM record WHERE record_id >= ? ORDER BY record_id LIMIT ?"
        found = (each for (each,) in self._all(some, record_id, limit))
        return [each for each in found if isinstance(each, bytes) and len(each) == ID_SIZE]

    def holds_outside(self, kept: Arcs) -> bool:
        some = "SELECT 1 FROM mailbox WHERE position BETWEEN ? AND ? LIMIT 1"
        return any(self._all(some, *map(stored_position, part)) for part in kept.rest.parts)

    def next_expiry(self) -> int | None:
        earliest = "SELECT min(expires_ms) FROM (SELECT min(until_ms) AS expires_ms FROM record"
        found = self._one(f"{earliest} UNION ALL SELECT min(expires_ms) FROM prekey_batch)")
        return None if found is None else int(found)

    # ---- wakes

    def woken(self) -> int:
        return int(self._one("SELECT woken FROM node"))

    def registered_after(self, number: int) -> Sequence[tuple[int, bytes, bytes, bytes]]:
        some = "SELECT DISTINCT mailbox AS id FROM record WHERE kind = 7"
        silent = ", ".join("?" * len(SILENT_ENTRIES))
        late = f"record.mailbox = some.id AND record.number > ? AND record.kind = 0 AND slot NOT IN ({silent})"
        joined = f"({some}) AS some CROSS JOIN record ON {late} JOIN mailbox ON mailbox.id = some.id"
        whose = "CASE WHEN length(slot) = 1 THEN slot END"  # entries are a group's, whose places are woken by any
        newest = "max(number) AS newest, mailbox_id, slot, record_id"  # bare columns are of the row with the maximum
        grouped = f"SELECT {newest} FROM {joined} GROUP BY some.id, {whose} ORDER BY newest"
        return self._all(grouped, number, *SILENT_ENTRIES)

    # ---- prekeys

    def prekeys(self, mailbox_id: bytes, slot: bytes) -> PrekeyBatch | None:
        columns = "SELECT id, version, expires_ms FROM prekey_batch WHERE mailbox_id = ? AND slot = ?"
        unused = "SELECT place, prekey, sum FROM prekey WHERE batch = ? AND claim_id IS NULL ORDER BY place"
        for batch, version, expires_ms in self._all(columns, mailbox_id, slot):
            good = [(place, prekey) for place, prekey, wanted in self._all(unused, batch) if checksum(prekey) == wanted]
            return PrekeyBatch(version, expires_ms, tuple(good))
        return None

    def claimed(self, mailbox_id: bytes, slot: bytes, claim_id: bytes) -> bytes | None:
        where = "batch = (SELECT id FROM prekey_batch WHERE mailbox_id = ? AND slot = ?) AND claim_id = ?"
        found = self._all(f"SELECT prekey, sum FROM prekey WHERE {where}", mailbox_id, slot, claim_id)
        return next((bytes(prekey) for prekey, wanted in found if checksum(prekey) == wanted), None)

    # ---- care

    def totals(self) -> tuple[int, int]:
        """(envelopes, bytes of their data) of the whole node, for its metrics."""
        ((envelopes, size),) = self._all("SELECT coalesce(sum(envelopes), 0), coalesce(sum(bytes), 0) FROM mailbox")
        return envelopes, size

    def coordinated_count(self, number: int) -> int:
        """How many coordinated records have a number above `number`, at most 10,000 (a millisecond), for metrics."""
        some = "SELECT 1 FROM record WHERE coordinated = 1 AND number > ? LIMIT 10000"
        return int(self._one(f"SELECT count(*) FROM ({some})", number))

    def last_coordinated(self) -> int:
        """The highest number of a coordinated record that is here, for metrics."""
        return int(self._one("SELECT max(number) FROM record WHERE coordinated = 1") or 0)

    def used_bytes(self) -> int:
        """Of the database, free pages left out, for this node's metrics."""
        count, free, size = (self._one(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size"))
        return int((count - free) * size)

    def scrub(self, number: int, limit: int) -> int:
        """Verify the `limit` records after `number`; the number to go on from, 0 at the end."""
        rows = self._rows(f"{_WHOLE} WHERE number > ? ORDER BY number LIMIT ?", number, limit)
        for head, data in rows:
            self._checked(head, data)
        metrics.SCRUBBED.inc(len(rows))
        return rows[-1][0].number if len(rows) == limit else 0

    # ---- rows

    def _all(self, statement: str, *values: int | bytes) -> list[tuple[Any, ...]]:
        """To the last row: a statement left half read would keep the log from being emptied."""
        return self._connection.execute(statement, values).fetchall()

    def _one(self, statement: str, *values: int | bytes) -> Any:
        return next((row[0] for row in self._all(statement, *values)), None)

    def _rows(self, statement: str, *values: int | bytes) -> list[tuple[Head, bytes]]:
        return [(Head(*row[:-1]), row[-1]) for row in self._all(statement, *values)]

    def _records(self, statement: str, *values: int | bytes) -> Iterator[Record]:
        found = (self._checked(head, data) for head, data in self._rows(statement, *values))
        return (each for each in found if each is not None)

    def _heads(self, statement: str, *values: int | bytes) -> Iterator[Head]:
        for row in self._all(statement, *values):
            head = Head(*row)
            try:
                head.check()
            except BadRowError:
                self._report(head)
            else:
                yield head

    def _checked(self, head: Head, data: bytes) -> Record | None:
        try:
            record = record_of(head, data)
        except BadRowError:
            self._report(head)
            return None
        self._bad.discard(head.record_id)
        return record

    def _report(self, head: Head) -> None:
        if head.record_id not in self._bad:
            self._bad.add(head.record_id)
            self._damage += 1
            self.on_bad(head.record_id)


def _ignore(_record_id: bytes) -> None:
    """Until the executor listens."""


def _ends(name: bytes) -> tuple[bytes, bytes]:
    """The lowest and the highest id with this name."""
    return name, name.ljust(ID_SIZE, b"\xff")


def _entry(head: Head) -> Entry:
    columns = (head.number, head.record_id, head.slot, head.expires_ms, head.version, head.size)
    return Entry(*columns, head.until_ms)
