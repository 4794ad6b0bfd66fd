"""A batch being put together: what becomes of each record, against the committed data and the batch so far."""

from collections.abc import Callable, Iterator
from enum import Enum, auto

from essaim.protocol.mailbox.record import (
    EnvelopeRecord,
    ExpiryRecord,
    Notice,
    Record,
    RegistrationRecord,
    SlotMark,
    Tombstone,
    weight,
)
from essaim.protocol.mailbox.slot_record import slot_of
from essaim_storage.effects import (
    Change,
    Forget,
    PutEnvelope,
    PutExpiry,
    PutMark,
    PutRegistration,
    PutTombstone,
    SetUntil,
)
from essaim_storage.quota import TOLERANCE, blob_room, is_blob, is_crowded, room
from essaim_storage.record import record_id
from essaim_storage.store import Newest, Store

Place = tuple[bytes, bytes]
"""Mailbox id and slot."""
HIDDEN_MS = 900_000
"""A clock that was so far ahead may have hidden what lives."""
SlotSigned = EnvelopeRecord | Tombstone | ExpiryRecord | RegistrationRecord
"""What a slot's key may sign."""


class Verdict(Enum):
    """What became of a submitted record, once its batch is durable (but FULL: it was not)."""

    KEPT = auto()
    HAD = auto()
    EXPIRED = auto()
    REMOVED = auto()
    SUPERSEDED = auto()
    DROPPED = auto()
    OVER = auto()
    FULL = auto()


class Draft:
    """`changes` and the last `number` given are the batch's; `kept` is that of the record that was added last."""

    def __init__(self, store: Store, number: int, now_ms: int, blob_bytes: int = 0) -> None:
        self._store = store
        self._blob_bytes = blob_bytes
        self._weights: dict[tuple[bytes, bool], int] = {}
        self._blobs = 0
        self._now_ms = now_ms
        self._ids: set[bytes] = set()
        self._forgotten: set[bytes] = set()
        self._notices: list[Tombstone | ExpiryRecord] = []
        self._places: dict[bytes, bytes] = {}
        self._firsts: dict[bytes, int] = {}
        self._newest: dict[Place, Newest] = {}
        self._marks: dict[Place, SlotMark] = {}
        self._signed: dict[Place, list[SlotSigned]] = {}
        self._registrations: dict[tuple[bytes, bytes, int], RegistrationRecord] = {}
        self.changes: list[Change] = []
        self.number = self.kept = number

    def change(self, change: Change | None) -> None:
        """Something that is not a record."""
        if isinstance(change, Forget):
            self._forgotten.add(change.record_id)
        if change is not None:
            self.changes.append(change)

    def add(self, of_id: bytes, record: Record, *, coordinated: bool) -> Verdict:
        """KEPT: under the number `kept`."""
        if of_id in self._ids:
            return Verdict.HAD
        if isinstance(record, EnvelopeRecord):
            return self._add_envelope(of_id, record, coordinated)
        return self._add_notice(of_id, record, coordinated)

    def _add_notice(self, of_id: bytes, record: Notice, coordinated: bool) -> Verdict:
        if record.expires_ms <= self._now_ms:
            return Verdict.EXPIRED
        if self._has(of_id):
            return Verdict.HAD
        if not self._fits(record):
            return Verdict.OVER
        if isinstance(record, SlotMark):
            return self._add_mark(of_id, record, coordinated)
        if isinstance(record, RegistrationRecord):
            return self._add_registration(of_id, record, coordinated)
        if self._is_dropped(record):
            return Verdict.DROPPED
        self._take(of_id, record)
        self._notices.append(record)
        if isinstance(record, Tombstone):
            self.changes.append(PutTombstone(self.number, of_id, record, coordinated))
            self._drop_registrations(record.mailbox_id, record.ends)
        else:
            self.changes.append(PutExpiry(self.number, of_id, record, coordinated))
            self._set_untils(of_id, record)
        return Verdict.KEPT

    def _take(self, of_id: bytes, record: Record) -> None:
        self.number += 1
        self.kept = self.number
        self._ids.add(of_id)
        self._weights[self._pile(record)] = self._weights.get(self._pile(record), 0) + weight(record)
        authorization = record.authorization
        if isinstance(record, SlotMark | RegistrationRecord):
            return
        if authorization is not None and authorization.slot_record:
            place = (record.mailbox_id, slot_of(authorization.slot_record))
            self._signed.setdefault(place, []).append(record)
        self._blobs += weight(record) if is_blob(record) else 0

    @staticmethod
    def _pile(record: Record) -> tuple[bytes, bool]:
        return record.mailbox_id, isinstance(record, EnvelopeRecord)

    def _fits(self, record: Record) -> bool:
        """Into the mailbox, as every member judges."""
        taken = self._weights.get(self._pile(record), 0) + weight(record)
        return taken <= room(self._store, record, tolerance=TOLERANCE)

    def _is_crowded(self, record: EnvelopeRecord) -> bool:
        """Whether the blobs' budget is used up."""
        if not self._blob_bytes or not is_blob(record):
            return False
        return self._blobs + weight(record) > blob_room(self._store, self._blob_bytes)

    def _has(self, of_id: bytes) -> bool:
        return of_id not in self._forgotten and self._store.has(of_id)

    # ---- envelopes

    def _add_envelope(self, of_id: bytes, record: EnvelopeRecord, coordinated: bool) -> Verdict:
        covering = [each for each in self._about(of_id, record.mailbox_id) if each.covers(record)]
        if any(isinstance(each, Tombstone) for each in covering):
            return Verdict.REMOVED
        until_ms = self._until(covering, record.expires_ms)
        if until_ms <= self._now_ms:
            return Verdict.EXPIRED
        if self._has(of_id):
            return Verdict.HAD
        if self._is_superseded(record):
            return Verdict.SUPERSEDED
        if self._is_dropped(record):
            return Verdict.DROPPED
        if not self._fits(record):
            return Verdict.OVER
        if self._is_crowded(record):
            return Verdict.FULL
        self._take(of_id, record)
        self._places[of_id], self._firsts[of_id] = record.slot, record.expires_ms
        if record.version:
            self._newest[record.mailbox_id, record.slot] = Newest(record.version, of_id)
        put_off = until_ms if until_ms != record.expires_ms else 0
        self.changes.append(PutEnvelope(self.number, record, coordinated, put_off))
        return Verdict.KEPT

    def _about(self, envelope_id: bytes, mailbox_id: bytes) -> Iterator[Tombstone | ExpiryRecord]:
        yield from self._notices
        for each in (*self._store.naming(envelope_id), *self._store.sweeps(mailbox_id)):
            if not self._forgotten or record_id(each) not in self._forgotten:
                yield each

    @staticmethod
    def _until(covering: list[Tombstone | ExpiryRecord], first_ms: int) -> int:
        expiries = [each for each in covering if isinstance(each, ExpiryRecord)]
        return max(expiries, key=_rank).until_ms if expiries else first_ms

    def _is_superseded(self, record: EnvelopeRecord) -> bool:
        if not record.version:
            return False
        place = (record.mailbox_id, record.slot)
        newest = self._newest.get(place) or self._store.newest(*place)
        return newest is not None and (newest.version, newest.envelope_id) > (record.version, record.envelope_id)

    # ---- expiry records and slot marks

    def _set_untils(self, of_id: bytes, record: ExpiryRecord) -> None:
        """Where no newer record speaks of the envelope."""
        for each in record.envelope_ids:
            slot = self._slot_of(record.mailbox_id, each)
            if slot is None or not record.speaks_of(slot, each):
                continue
            if all(_rank(other) <= _rank(record) for other in self._speaking(record.mailbox_id, slot, each)):
                self._set_until(record.mailbox_id, each, record.until_ms)

    def _set_until(self, mailbox_id: bytes, envelope_id: bytes, until_ms: int) -> None:
        """What had expired here, by whatever clock, is new to readers that went past it: it gets a new number."""
        entry = self._store.entry(mailbox_id, envelope_id) if envelope_id not in self._ids else None
        hidden = entry is not None and entry.until_ms <= self._now_ms + HIDDEN_MS
        record = self._store.record(envelope_id) if hidden and until_ms > self._now_ms else None
        if not isinstance(record, EnvelopeRecord):
            self.changes.append(SetUntil(envelope_id, until_ms))
            return
        if any(isinstance(each, Tombstone) and each.covers(record) for each in self._notices):
            return  # gone in this very batch
        self.change(Forget(envelope_id))
        self.number += 1
        self._ids.add(envelope_id)
        self._places[envelope_id], self._firsts[envelope_id] = record.slot, record.expires_ms
        self.changes.append(PutEnvelope(self.number, record, coordinated=False, until_ms=until_ms))

    def _speaking(self, mailbox_id: bytes, slot: bytes, envelope_id: bytes) -> list[ExpiryRecord]:
        """The expiry records that speak of an envelope."""
        expiries = [each for each in self._about(envelope_id, mailbox_id) if isinstance(each, ExpiryRecord)]
        return [each for each in expiries if each.mailbox_id == mailbox_id and each.speaks_of(slot, envelope_id)]

    def _slot_of(self, mailbox_id: bytes, envelope_id: bytes) -> bytes | None:
        if envelope_id in self._places:
            return self._places[envelope_id]
        entry = self._store.entry(mailbox_id, envelope_id)
        return entry.slot if entry else None

    def _add_mark(self, of_id: bytes, mark: SlotMark, coordinated: bool) -> Verdict:
        place = (mark.mailbox_id, mark.slot)
        standing = self._mark(place)
        if standing is not None and standing.rank > mark.rank:
            return Verdict.SUPERSEDED
        self._take(of_id, mark)
        self._marks[place] = mark
        self.changes.append(PutMark(self.number, of_id, mark, coordinated))
        self._drop_signed(place)
        self._drop_registrations(mark.mailbox_id, lambda each: each.is_ended_by(mark))
        return Verdict.KEPT

    # ---- registrations

    def _add_registration(self, of_id: bytes, record: RegistrationRecord, coordinated: bool) -> Verdict:
        mark = self._mark((record.mailbox_id, record.slot))
        if mark is not None and record.is_ended_by(mark):
            return Verdict.DROPPED
        if any(isinstance(each, Tombstone) and each.ends(record) for each in self._swept(record.mailbox_id)):
            return Verdict.REMOVED
        standing = self._registrations.get(record.place) or self._store.registration(*record.place)
        if standing is not None and standing.rank > record.rank and record_id(standing) not in self._forgotten:
            return Verdict.SUPERSEDED
        added = (place[1:] for place in self._registrations if place[0] == record.mailbox_id)
        if is_crowded(self._store, record, added, tolerance=TOLERANCE):
            return Verdict.OVER
        self._take(of_id, record)
        self._registrations[record.place] = record
        self.changes.append(PutRegistration(self.number, of_id, record, coordinated))
        return Verdict.KEPT

    def _standing(self, mailbox_id: bytes) -> list[RegistrationRecord]:
        """Of a mailbox, one of each slot, as the batch leaves them."""
        found = {each.place: each for each in self._store.registrations(mailbox_id)}
        found |= {place: each for place, each in self._registrations.items() if place[0] == mailbox_id}
        return [each for each in found.values() if record_id(each) not in self._forgotten]

    def _drop_registrations(self, mailbox_id: bytes, is_ended: Callable[[RegistrationRecord], bool]) -> None:
        for each in self._standing(mailbox_id):
            if is_ended(each):
                of_id = record_id(each)
                self.change(Forget(of_id))
                self._ids.discard(of_id)

    def _swept(self, mailbox_id: bytes) -> Iterator[Tombstone | ExpiryRecord]:
        yield from (each for each in self._notices if each.mailbox_id == mailbox_id)
        yield from (each for each in self._store.sweeps(mailbox_id) if record_id(each) not in self._forgotten)

    def _drop_signed(self, place: Place) -> None:
        """What the slot's key signed too late goes: a member to which the mark came first does not have it."""
        committed = [each for each in self._store.under(*place) if not isinstance(each, SlotMark | RegistrationRecord)]
        for each in (*committed, *self._signed.get(place, [])):
            of_id = record_id(each)
            if of_id in self._forgotten or not self._is_dropped(each):
                continue
            self.change(Forget(of_id))
            self._ids.discard(of_id)
            if isinstance(each, EnvelopeRecord):
                self._newest.pop((each.mailbox_id, each.slot), None)
            elif each in self._notices:
                self._notices.remove(each)
            if isinstance(each, ExpiryRecord):
                self._unset_untils(each)

    def _unset_untils(self, record: ExpiryRecord) -> None:
        """What it put off or cut short goes by the next newest, or by its first expiry."""
        for each in record.envelope_ids:
            entry = self._store.entry(record.mailbox_id, each)
            first_ms = self._firsts.get(each) or (entry.expires_ms if entry else 0)
            slot = self._slot_of(record.mailbox_id, each)
            if not first_ms or slot is None or not record.speaks_of(slot, each):
                continue
            speaking = self._speaking(record.mailbox_id, slot, each)
            until_ms = max(speaking, key=_rank).until_ms if speaking else first_ms
            self.changes.append(SetUntil(each, until_ms))

    def _mark(self, place: Place) -> SlotMark | None:
        return self._marks.get(place) or self._store.mark(*place)

    def _is_dropped(self, record: SlotSigned) -> bool:
        """What a slot's key signed before the mark that rejects its slot record still counts."""
        authorization = record.authorization
        if authorization is None or not authorization.slot_record:
            return False
        slot = slot_of(authorization.slot_record)
        mark = self._mark((record.mailbox_id, slot))
        late = mark is not None and authorization.time_ms > mark.authorization.time_ms
        return late and mark is not None and mark.rejects(authorization.slot_record)


def _rank(record: ExpiryRecord) -> tuple[int, bytes]:
    """The newest signed time wins; of two of one time, the higher id."""
    return record.authorization.time_ms, record_id(record)
