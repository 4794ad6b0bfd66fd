"""The writing half of the SQLite store: one transaction for each `Commit`, on a connection and a thread of its own."""
# ruff: noqa: S608  (every statement is put together from constants of this file)

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import apsw

from essaim.protocol.mailbox.authorization import Method
from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.mailbox.record import Record, SlotMark, Tombstone, weight
from essaim.protocol.mailbox.removal import SWEEPS
from essaim.protocol.view.swarm import position_of
from essaim_storage.compaction import compact
from essaim_storage.effects import (
    Change,
    DropForeign,
    Forget,
    Purge,
    PutEnvelope,
    PutExpiry,
    PutMark,
    PutPrekeys,
    PutRegistration,
    PutTombstone,
    SetAdopted,
    SetPosition,
    SetSettled,
    SetUntil,
    SetWoken,
    UsePrekey,
)
from essaim_storage.refusal import DiskFullError
from essaim_storage.row import COLUMNS, ENVELOPE, MARK, REGISTRATION, Head, checksum, data_of, head_of
from essaim_storage.sqlite_ids import RecordIds, stored_position

_INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
RESERVE_DIVISOR, RESERVE_LEAST = 16, 64
"""Pages kept back for what makes room (tombstones, purges): a sixteenth, and at least 64."""


class SqliteWriter:
    """Applies changes. `max_pages` 0: no limit but the disk's."""

    def __init__(self, connection: apsw.Connection, max_pages: int, ids: RecordIds) -> None:
        self._connection = connection
        self._ids = ids
        self._max_pages = max_pages
        self.special = self._mailboxes_with("IN (3, 4, 6)")
        """Mailboxes that have a sweep or a slot mark, or had one since the start."""
        self.registered = self._mailboxes_with("= 7")
        """The same for registrations."""
        if max_pages:
            reserve = max(max_pages // RESERVE_DIVISOR, RESERVE_LEAST)
            connection.pragma("max_page_count", max_pages + reserve)
        self._appliers: Mapping[type, Callable[[Any], None]] = {
            PutEnvelope: self._put_envelope,
            PutTombstone: self._put_tombstone,
            PutExpiry: self._put_expiry,
            PutMark: self._put_mark,
            PutRegistration: self._put_registration,
            SetUntil: self._set_until,
            SetPosition: self._set_position,
            SetSettled: self._set_settled,
            SetAdopted: self._set_adopted,
            SetWoken: self._set_woken,
            DropForeign: self._drop_foreign,
            Forget: self._forget,
            Purge: self._purge,
            PutPrekeys: self._put_prekeys,
            UsePrekey: self._use_prekey,
        }

    def _mailboxes_with(self, kinds: str) -> set[bytes]:
        every = "SELECT DISTINCT mailbox_id FROM record JOIN mailbox ON mailbox.id = mailbox"
        found: list[Any] = self._connection.execute(f"{every} WHERE record.kind {kinds}").fetchall()
        return {row[0] for row in found}

    def commit(self, changes: Sequence[Change]) -> None:
        """All or nothing, fsynced on return. DiskFullError: nothing. Any other failure must end the process."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._check_room(changes)
            for change in changes:
                self._appliers[type(change)](change)
            self._count_up(changes)
            self._connection.execute("COMMIT")
            self._ids.committed()
        except (apsw.FullError, DiskFullError):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._ids.rolled_back()
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

    def tidy(self) -> None:
        """Now and then: what was removed leaves the log, and what is free leaves the file, as much as one step may."""
        if self.checkpoint() and compact(self._connection):
            self.checkpoint()

    def _check_room(self, changes: Sequence[Change]) -> None:
        if not self._max_pages or not any(isinstance(each, PutEnvelope | PutPrekeys) for each in changes):
            return
        used = self._connection.pragma("page_count") - self._connection.pragma("freelist_count")
        if used >= self._max_pages:
            raise DiskFullError("this node's disk is full")

    def _count_up(self, changes: Sequence[Change]) -> None:
        numbers = [
            each.number
            for each in changes
            if isinstance(each, PutEnvelope | PutTombstone | PutExpiry | PutMark | PutRegistration)
        ]
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
        self._insert(put.number, record.envelope_id, record, put.coordinated, put.until_ms)

    def _put_tombstone(self, put: PutTombstone) -> None:
        tombstone = put.record
        if tombstone.method in SWEEPS:
            self._sweep(tombstone)
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

    def _sweep(self, tombstone: Tombstone) -> None:
        self.special.add(tombstone.mailbox_id)
        every = "DELETE FROM record WHERE kind = 0 AND mailbox = (SELECT id FROM mailbox WHERE mailbox_id = ?)"
        if tombstone.policy.kind == Kind.BLOB:
            self._run(every, tombstone.mailbox_id)
        else:  # the time is the first 8 bytes of a proof, big-endian: so they compare
            swept = tombstone.swept_ms.to_bytes(8)
            self._run(f"{every} AND (proof = x'' OR substr(proof, 1, 8) <= ?)", tombstone.mailbox_id, swept)
        if tombstone.method == Method.DELETE_ALL:
            batches = "SELECT id FROM prekey_batch WHERE mailbox_id = ?"
            unused = f"DELETE FROM prekey WHERE claim_id IS NULL AND batch IN ({batches})"
            self._run(unused, tombstone.mailbox_id)

    def _put_expiry(self, put: PutExpiry) -> None:
        for envelope_id in put.record.envelope_ids:
            self._run("INSERT INTO removal VALUES (?, ?)", envelope_id, put.number)
        self._insert(put.number, put.record_id, put.record, put.coordinated)

    def _put_mark(self, put: PutMark) -> None:
        mark: SlotMark = put.record
        self.special.add(mark.mailbox_id)
        self._run(
            "DELETE FROM record WHERE kind IN (3, 4, 6) AND kind = ? AND slot = ?"
            " AND mailbox = (SELECT id FROM mailbox WHERE mailbox_id = ?)",
            *(MARK, mark.slot, mark.mailbox_id),
        )
        self._insert(put.number, put.record_id, mark, put.coordinated)

    def _put_registration(self, put: PutRegistration) -> None:
        record = put.record
        self.registered.add(record.mailbox_id)
        self._run(
            "DELETE FROM record WHERE kind = ? AND kind = 7 AND slot = ?"
            " AND version = ? AND mailbox = (SELECT id FROM mailbox WHERE mailbox_id = ?)",
            *(REGISTRATION, record.slot, record.day, record.mailbox_id),
        )
        self._insert(put.number, put.record_id, record, put.coordinated)

    def _set_until(self, change: SetUntil) -> None:
        joined = "record JOIN mailbox ON mailbox.id = mailbox"
        columns = COLUMNS.replace(" kind", " record.kind")
        one = f"SELECT {columns} FROM {joined} WHERE record_id = ? AND record.kind = 0"
        rows: list[Any] = self._connection.execute(one, (change.envelope_id,)).fetchall()
        for row in rows:
            head = Head(*row)
            if not head.is_good():
                continue  # whoever reads it reports it
            changed = replace(head, until_ms=change.until_ms).computed_sum()
            self._run("UPDATE record SET until_ms = ?, sum = ? WHERE number = ?", change.until_ms, changed, head.number)

    def _insert(self, number: int, record_id: bytes, record: Record, coordinated: bool, until_ms: int = 0) -> None:
        data = data_of(record)
        head = head_of(number, record_id, record, data, coordinated=coordinated, until_ms=until_ms)
        heavy = 0 if head.kind == ENVELOPE else weight(record)
        mailbox = self._connection.execute(
            "INSERT INTO mailbox (mailbox_id, policy, kind, bytes, notice_bytes, envelopes, position, records)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT (mailbox_id) DO UPDATE SET bytes = bytes + excluded.bytes,"
            " notice_bytes = notice_bytes + excluded.notice_bytes,"
            " envelopes = envelopes + excluded.envelopes, records = records + 1 RETURNING id",
            (
                *(record.mailbox_id, head.policy, record.policy.kind, head.size, heavy, int(head.kind == ENVELOPE)),
                stored_position(position_of(record.mailbox_id)),
            ),
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
            head.until_ms,
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

    def _set_adopted(self, change: SetAdopted) -> None:
        self._run("UPDATE node SET adopted = max(adopted, ?)", change.serial)

    def _set_woken(self, change: SetWoken) -> None:
        self._run("UPDATE node SET woken = max(woken, ?)", change.number)

    def _drop_foreign(self, change: DropForeign) -> None:
        for part in change.kept.rest.parts:
            self._run(
                "DELETE FROM record WHERE mailbox IN"
                " (SELECT id FROM mailbox WHERE position BETWEEN ? AND ? ORDER BY position LIMIT ?)",
                *(*map(stored_position, part), change.most),
            )

    def _forget(self, change: Forget) -> None:
        self._run("DELETE FROM record WHERE record_id = ?", change.record_id)

    def _purge(self, change: Purge) -> None:
        self._run("DELETE FROM record WHERE until_ms <= ?", change.expired_ms)
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
