"""The writing half of the SQLite store: one transaction for each `Commit`, on a connection and a thread of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import apsw

from essaim.protocol.mailbox.record import Record
from essaim_storage.effects import (
    Change,
    Forget,
    Purge,
    PutEnvelope,
    PutPrekeys,
    PutTombstone,
    SetPosition,
    SetSettled,
    UsePrekey,
)
from essaim_storage.refusal import DiskFullError
from essaim_storage.row import ENVELOPE, checksum, data_of, head_of

_INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
RESERVE_DIVISOR, RESERVE_LEAST = 16, 64
"""Pages kept back for what makes room (tombstones, purges): a sixteenth, and at least 64."""


class SqliteWriter:
    """Applies changes. `max_pages` 0: no limit but the disk's."""

    def __init__(self, connection: apsw.Connection, max_pages: int) -> None:
        self._connection = connection
        self._max_pages = max_pages
        if max_pages:
            reserve = max(max_pages // RESERVE_DIVISOR, RESERVE_LEAST)
            connection.pragma("max_page_count", max_pages + reserve)
        self._appliers: Mapping[type, Callable[[Any], None]] = {
            PutEnvelope: self._put_envelope,
            PutTombstone: self._put_tombstone,
            SetPosition: self._set_position,
            SetSettled: self._set_settled,
            Forget: self._forget,
            Purge: self._purge,
            PutPrekeys: self._put_prekeys,
            UsePrekey: self._use_prekey,
        }

    def commit(self, changes: Sequence[Change]) -> None:
        """All or nothing, fsynced on return. DiskFullError: nothing. Any other failure must end the process."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._check_room(changes)
            for change in changes:
                self._appliers[type(change)](change)
            self._count_up(changes)
            self._connection.execute("COMMIT")
        except (apsw.FullError, DiskFullError):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise DiskFullError("this node's disk is full") from None

    def checkpoint(self) -> bool:
        """Move the log into the database and empty it: removed bytes are in neither.

        False if a reader held on or the volume is full: all is still in the log, the next time may do.
        """
        try:
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").get
        except apsw.FullError:
            return False
        return not busy

    def _check_room(self, changes: Sequence[Change]) -> None:
        if not self._max_pages or not any(isinstance(each, PutEnvelope | PutPrekeys) for each in changes):
            return
        used = self._connection.pragma("page_count") - self._connection.pragma("freelist_count")
        if used >= self._max_pages:
            raise DiskFullError("this node's disk is full")

    def _count_up(self, changes: Sequence[Change]) -> None:
        numbers = [each.number for each in changes if isinstance(each, PutEnvelope | PutTombstone)]
        if numbers:
            self._run("UPDATE node SET last_number = max(last_number, ?)", max(numbers))

    def _put_envelope(self, put: PutEnvelope) -> None:
        record = put.record
        if record.version:
            self._run(
                "DELETE FROM record WHERE kind = 0 AND version > 0 AND slot = ?"
                " AND mailbox = (SELECT id FROM mailbox WHERE mailbox_id = ?)",
                record.slot,
                record.mailbox_id,
            )
        self._insert(put.number, record.envelope_id, record, put.coordinated)

    def _put_tombstone(self, put: PutTombstone) -> None:
        tombstone = put.record
        for envelope_id in tombstone.envelope_ids:
            self._run("INSERT INTO removal VALUES (?, ?)", envelope_id, put.number)
            self._run(
                "DELETE FROM record WHERE record_id = ? AND kind = 0 AND ? IN (x'', slot)"
                " AND mailbox = (SELECT id FROM mailbox WHERE mailbox_id = ?)",
                envelope_id,
                tombstone.slot,
                tombstone.mailbox_id,
            )
        self._insert(put.number, put.record_id, tombstone, put.coordinated)

    def _insert(self, number: int, record_id: bytes, record: Record, coordinated: bool) -> None:
        data = data_of(record)
        head = head_of(number, record_id, record, data, coordinated=coordinated)
        mailbox = self._connection.execute(
            "INSERT INTO mailbox (mailbox_id, policy, bytes, envelopes, records) VALUES (?, ?, ?, ?, 1)"
            " ON CONFLICT (mailbox_id) DO UPDATE SET bytes = bytes + excluded.bytes,"
            " envelopes = envelopes + excluded.envelopes, records = records + 1 RETURNING id",
            (record.mailbox_id, head.policy, head.size, int(head.kind == ENVELOPE)),
        ).get
        columns = (
            head.slot,
            head.expires_ms,
            head.version,
            head.size,
            head.coordinated,
            head.proof,
            head.sum,
            head.data_sum,
        )
        row = (number, record_id, mailbox, head.kind, *columns, data)
        try:
            self._run(_INSERT, *row)
        except apsw.ConstraintError:  # in place of a row that is bad: reading takes that for gone
            self._run("DELETE FROM record WHERE record_id = ?", record_id)
            self._run(_INSERT, *row)

    def _set_position(self, change: SetPosition) -> None:
        self._run("INSERT OR REPLACE INTO position VALUES (?, ?)", change.member, change.number)

    def _set_settled(self, change: SetSettled) -> None:
        self._run("UPDATE node SET settled = ?", int(change.settled))

    def _forget(self, change: Forget) -> None:
        self._run("DELETE FROM record WHERE record_id = ?", change.record_id)

    def _purge(self, change: Purge) -> None:
        self._run("DELETE FROM record WHERE expires_ms <= ?", change.expired_ms)
        self._run("DELETE FROM prekey_batch WHERE expires_ms <= ?", change.expired_ms)

    def _put_prekeys(self, put: PutPrekeys) -> None:
        self._run("DELETE FROM prekey_batch WHERE mailbox_id = ? AND slot = ?", put.mailbox_id, put.slot)
        batch = self._connection.execute(
            "INSERT INTO prekey_batch (mailbox_id, slot, version, expires_ms) VALUES (?, ?, ?, ?) RETURNING id",
            (put.mailbox_id, put.slot, put.version, put.expires_ms),
        ).get
        for place, prekey in enumerate(put.prekeys):
            self._run("INSERT INTO prekey VALUES (?, ?, NULL, ?, ?)", batch, place, checksum(prekey), prekey)

    def _use_prekey(self, use: UsePrekey) -> None:
        self._run(
            "UPDATE prekey SET claim_id = ? WHERE place = ? AND claim_id IS NULL AND batch ="
            " (SELECT id FROM prekey_batch WHERE mailbox_id = ? AND slot = ? AND version = ?)",
            *(use.claim_id, use.index, use.mailbox_id, use.slot, use.version),
        )

    def _run(self, statement: str, *values: int | bytes) -> None:
        self._connection.execute(statement, values)
