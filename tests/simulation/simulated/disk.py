"""The store's contract in memory. What is not applied is not there: a crash loses the batch under way."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from copy import copy
from itertools import islice

from essaim.protocol.mailbox.authorization import Method
from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.mailbox.record import (
    EnvelopeRecord,
    ExpiryRecord,
    Record,
    RegistrationRecord,
    SlotMark,
    Tombstone,
    weight,
)
from essaim.protocol.mailbox.removal import SWEEPS
from essaim.protocol.mailbox.rule import SILENT_ENTRIES, is_device
from essaim.protocol.mailbox.slot_record import slot_of
from essaim.protocol.view.swarm import position_of
from essaim_storage import effects
from essaim_storage.arc import Arcs
from essaim_storage.record import record_id
from essaim_storage.store import Entry, Newest, PrekeyBatch
from essaim_storage.tally import EMPTY, NAME_SIZE, Fingerprint, Part, fingerprint_of, key_of

Place = tuple[bytes, bytes]


class MemoryStore:
    """`essaim_storage.store.Store`, and `apply` for what the writer thread does."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._incarnation = random(16)
        self._settled = False
        self._last = 0
        self._log: dict[int, tuple[Record, bool]] = {}  # in ascending order of number, for numbers only grow
        self._numbers: dict[bytes, int] = {}
        self._ids_at: dict[int, bytes] = {}
        """Of the records of the log: a notice's is a hash, and costs more than all else that is done with it here."""
        self._bytes: dict[bytes, int] = {}
        """Of the envelopes of each mailbox."""
        self._mailboxes: dict[bytes, dict[int, EnvelopeRecord]] = {}
        self._naming: dict[bytes, dict[bytes, Tombstone | ExpiryRecord]] = {}
        self._until: dict[bytes, int] = {}
        self._positions: dict[bytes, int] = {}
        self._batches: dict[Place, tuple[int, int, dict[int, bytes], dict[bytes, bytes]]] = {}
        self._adopted = 0
        self._woken = 0
        self._keys: dict[bytes, tuple[int, int]] = {}
        """(key, position) of each record."""
        self._names: dict[bytes, bytes] = {}
        self._sorted: list[tuple[int, int, bytes]] = []
        """(key, position, id) in order of key; these keys alone, None where something has changed since."""
        self._order: list[int] | None = None
        self._ids: list[bytes] | None = None
        self._special: dict[bytes, set[int]] = {}
        self.bad: set[bytes] = set()
        self._damage = 0

    # ---- reading

    def damage(self) -> int:
        return self._damage

    def incarnation(self) -> bytes:
        return self._incarnation

    def settled(self) -> bool:
        return self._settled

    def last_number(self) -> int:
        return self._last

    def has(self, record_id: bytes) -> bool:
        return record_id in self._numbers

    def record(self, record_id: bytes) -> Record | None:
        number = self._numbers.get(record_id)
        return None if number is None or record_id in self.bad else self._log[number][0]

    def naming(self, envelope_id: bytes) -> Sequence[Tombstone | ExpiryRecord]:
        found = self._naming.get(envelope_id, {})
        return tuple(each for of_id, each in found.items() if of_id not in self.bad)

    def sweeps(self, mailbox_id: bytes) -> Sequence[Tombstone]:
        found = (each for each in self._readable(mailbox_id) if isinstance(each, Tombstone))
        return tuple(each for each in found if each.method in SWEEPS)

    def under(self, mailbox_id: bytes, slot: bytes) -> Sequence[Record]:
        numbers = [*self._special.get(mailbox_id, ()), *self._mailboxes.get(mailbox_id, {})]
        records = (self._log[number][0] for number in sorted(numbers) if self._ids_at[number] not in self.bad)
        signed = ((each, each.authorization) for each in records)
        return [each for each, by in signed if by is not None and slot_of(by.slot_record) == slot]

    def mark(self, mailbox_id: bytes, slot: bytes) -> SlotMark | None:
        marks = (each for each in self._readable(mailbox_id) if isinstance(each, SlotMark))
        return next((each for each in marks if each.slot == slot), None)

    def has_registered(self, mailbox_id: bytes) -> bool:
        return any(isinstance(record, RegistrationRecord) for record, _ in self._of(mailbox_id))

    def registration(self, mailbox_id: bytes, slot: bytes, day: int) -> RegistrationRecord | None:
        found = self.registrations(mailbox_id)
        return next((each for each in found if (each.slot, each.day) == (slot, day)), None)

    def registrations(self, mailbox_id: bytes) -> Sequence[RegistrationRecord]:
        found = (each for each in self._readable(mailbox_id) if isinstance(each, RegistrationRecord))
        return sorted(found, key=lambda each: (each.slot, each.day))

    def registered(self, mailbox_id: bytes) -> Sequence[tuple[bytes, int]]:
        found = (record for record, _ in self._of(mailbox_id) if isinstance(record, RegistrationRecord))
        return sorted((each.slot, each.day) for each in found)

    def woken(self) -> int:
        return self._woken

    def registered_after(self, number: int) -> Sequence[tuple[int, bytes, bytes, bytes]]:
        registered = {record.mailbox_id for record, _ in self._log.values() if isinstance(record, RegistrationRecord)}
        newest: dict[Place, tuple[int, bytes, bytes, bytes]] = {}
        for at, (each, _) in self._log.items():
            if at > number and isinstance(each, EnvelopeRecord) and each.mailbox_id in registered:
                if each.slot in SILENT_ENTRIES:
                    continue
                newest[each.mailbox_id, each.slot if is_device(each.slot) else b""] = (
                    at,
                    each.mailbox_id,
                    each.slot,
                    each.envelope_id,
                )
        return sorted(newest.values())

    def notice_bytes(self, mailbox_id: bytes) -> int:
        notices = (record for record, _ in self._of(mailbox_id) if not isinstance(record, EnvelopeRecord))
        return sum(weight(each) for each in notices)

    def blob_bytes(self) -> int:
        records = (record for record, _ in self._log.values() if isinstance(record, EnvelopeRecord))
        return sum(len(each.data) for each in records if each.policy.kind == Kind.BLOB)

    def _of(self, mailbox_id: bytes) -> list[tuple[Record, bool]]:
        """Few records are notices of a kind that is looked for here."""
        numbers = self._special.get(mailbox_id, ())
        return [self._log[number] for number in numbers]

    def _readable(self, mailbox_id: bytes) -> list[Record]:
        """The same, but what is bad."""
        numbers = self._special.get(mailbox_id, ())
        return [self._log[number][0] for number in numbers if self._ids_at[number] not in self.bad]

    def newest(self, mailbox_id: bytes, slot: bytes) -> Newest | None:
        for each in self._mailboxes.get(mailbox_id, {}).values():
            if each.slot == slot and each.version:
                return Newest(each.version, each.envelope_id)
        return None

    def mailbox_bytes(self, mailbox_id: bytes) -> int:
        return self._bytes.get(mailbox_id, 0)

    def entries_after(self, mailbox_id: bytes, slot: bytes, number: int, limit: int) -> Sequence[Entry]:
        found = self._mailboxes.get(mailbox_id, {}).items()
        entries = (self._entry(at, each) for at, each in found if at > number and slot in (b"", each.slot))
        return list(islice(entries, limit))

    def latest_entries(self, mailbox_id: bytes, slot: bytes, limit: int) -> Sequence[Entry]:
        return self.entries_after(mailbox_id, slot, 0, 1 << 62)[-limit:]

    def data(self, envelope_id: bytes) -> bytes | None:
        found = self.record(envelope_id)
        return found.data if isinstance(found, EnvelopeRecord) else None

    def entry(self, mailbox_id: bytes, envelope_id: bytes) -> Entry | None:
        number = self._numbers.get(envelope_id, 0)
        found = self._mailboxes.get(mailbox_id, {}).get(number)
        return None if found is None else self._entry(number, found)

    def coordinated_after(self, number: int, limit: int) -> Sequence[tuple[int, Record]]:
        found = (
            (at, record)
            for at, (record, mine) in self._log.items()
            if mine and at > number and self._ids_at[at] not in self.bad
        )
        return list(islice(found, limit))

    def position(self, member: bytes) -> int:
        return self._positions.get(member, 0)

    def adopted(self) -> int:
        return self._adopted

    def fingerprints(self, parts: Sequence[Part]) -> Sequence[Fingerprint]:
        return [self._fingerprint(part) for part in parts]

    def _fingerprint(self, part: Part) -> Fingerprint:
        ids = self._part(part)
        return fingerprint_of(sum(map(int.from_bytes, ids)), len(ids)) if ids else EMPTY

    def record_ids(self, part: Part, limit: int) -> Sequence[bytes]:
        return self._part(part)[:limit]

    def has_named(self, name: bytes) -> bool:
        return name in self._names

    def named(self, name: bytes) -> Record | None:
        return self.record(self._names[name]) if name in self._names else None

    def ids_after(self, record_id: bytes, limit: int) -> Sequence[bytes]:
        if self._ids is None:
            self._ids = sorted(self._numbers)
        first = bisect_left(self._ids, record_id)
        return self._ids[first : first + limit]

    def holds_outside(self, kept: Arcs) -> bool:
        return any(position not in kept for _, position in self._keys.values())

    def next_expiry(self) -> int | None:
        records = (self._goes(record) for record, _ in self._log.values())
        return min((*records, *(batch[1] for batch in self._batches.values())), default=None)

    def prekeys(self, mailbox_id: bytes, slot: bytes) -> PrekeyBatch | None:
        batch = self._batches.get((mailbox_id, slot))
        return None if batch is None else PrekeyBatch(batch[0], batch[1], tuple(sorted(batch[2].items())))

    def claimed(self, mailbox_id: bytes, slot: bytes, claim_id: bytes) -> bytes | None:
        batch = self._batches.get((mailbox_id, slot))
        return None if batch is None else batch[3].get(claim_id)

    def all_ids(self) -> frozenset[bytes]:
        """For the checker."""
        return frozenset(self._numbers)

    def living_ids(self, mailbox_id: bytes, now_ms: int) -> frozenset[bytes]:
        """For the checker: what the mailbox has that has not expired."""
        records = ((at, record) for at, (record, _) in self._log.items())
        alive = (at for at, each in records if each.mailbox_id == mailbox_id and self._goes(each) > now_ms)
        return frozenset(self._ids_at[at] for at in alive)

    def _part(self, part: Part) -> list[bytes]:
        """Most parts that are asked about are empty."""
        if self._order is None:
            self._sorted = sorted((*at, each) for each, at in self._keys.items())
            self._order = [key for key, _, _ in self._sorted]
        first, last = bisect_left(self._order, part.span[0]), bisect_right(self._order, part.span[1])
        if first == last:
            return []
        start, end = part.arc
        return [each for _, position, each in self._sorted[first:last] if start <= position <= end]

    # ---- writing

    def spoil(self, record_id: bytes) -> None:
        """Its bytes go bad."""
        self.bad.add(record_id)
        self._damage += 1

    def copied(self) -> "MemoryStore":
        """As it is now: a snapshot of the volume."""
        other = copy(self)
        for name in ("_log", "_numbers", "_ids_at", "_bytes", "_keys", "_names", "_positions", "_until"):
            setattr(other, name, dict(getattr(self, name)))
        other._special = {mailbox_id: set(each) for mailbox_id, each in self._special.items()}
        for name in ("_mailboxes", "_naming"):
            setattr(other, name, {key: dict(each) for key, each in getattr(self, name).items()})
        other._batches = {place: (*each[:2], dict(each[2]), dict(each[3])) for place, each in self._batches.items()}
        other.bad, other._order, other._ids = set(), None, None
        return other

    def restored(self) -> "MemoryStore":
        """A snapshot that is put back: another incarnation, not whole, and without prekeys that may be used."""
        self._incarnation = self._random(16)
        self._settled = False
        self._batches.clear()
        return self

    def apply(self, changes: Sequence[effects.Change]) -> None:
        """One batch, whole."""
        self._order = self._ids = None
        for change in changes:
            self._change(change)

    def _change(self, change: effects.Change) -> None:
        match change:
            case effects.PutEnvelope(number, record, coordinated, until_ms):
                self._put_envelope(number, record, coordinated, until_ms)
            case effects.PutTombstone(number, of_id, record, coordinated):
                self._put_tombstone(number, of_id, record, coordinated)
            case effects.PutExpiry(number, of_id, expiry, coordinated):
                self._put_expiry(number, of_id, expiry, coordinated)
            case effects.PutMark(number, of_id, mark, coordinated):
                self._put_mark(number, of_id, mark, coordinated)
            case effects.PutRegistration(number, of_id, registration, coordinated):
                self._put_registration(number, of_id, registration, coordinated)
            case effects.SetUntil(envelope_id, until_ms):
                self._set_until(envelope_id, until_ms)
            case effects.Forget(of_id):
                self._remove(of_id)
            case effects.Purge(expired_ms):
                self._purge(expired_ms)
            case _:
                self._change_more(change)

    def _change_more(self, change: effects.Change) -> None:
        match change:
            case effects.SetPosition(member, number):
                self._positions[member] = number
            case effects.SetSettled(settled):
                self._settled = settled
            case effects.SetAdopted(serial):
                self._adopted = max(self._adopted, serial)
            case effects.SetWoken(number):
                self._woken = max(self._woken, number)
            case effects.DropForeign(kept, most):
                self._drop_foreign(kept, most)
            case effects.PutPrekeys(mailbox_id, slot, version, prekeys, expires_ms):
                self._batches[mailbox_id, slot] = (version, expires_ms, dict(enumerate(prekeys)), {})
            case effects.UsePrekey(mailbox_id, slot, version, index, claim_id):
                self._use(self._batches.get((mailbox_id, slot)), version, index, claim_id)

    def _drop_foreign(self, kept: Arcs, most: int) -> None:
        for first, last in kept.rest.parts:
            positions = sorted({position for _, position in self._keys.values() if first <= position <= last})[:most]
            for of_id in [of_id for of_id, (_, position) in self._keys.items() if position in positions]:
                self._remove(of_id)

    def _put_envelope(self, number: int, record: EnvelopeRecord, coordinated: bool, until_ms: int) -> None:
        assert record.envelope_id not in self._numbers
        newest = self.newest(record.mailbox_id, record.slot) if record.version else None
        if newest is not None:
            self._remove(newest.envelope_id)
        self._append(number, record.envelope_id, record, coordinated)
        self._mailboxes.setdefault(record.mailbox_id, {})[number] = record
        self._bytes[record.mailbox_id] = self._bytes.get(record.mailbox_id, 0) + len(record.data)
        if until_ms:
            self._until[record.envelope_id] = until_ms

    def _put_tombstone(self, number: int, of_id: bytes, record: Tombstone, coordinated: bool) -> None:
        for envelope_id in record.envelope_ids:
            found = self.record(envelope_id)
            if isinstance(found, EnvelopeRecord) and record.covers(found):
                self._remove(envelope_id)
            self._naming.setdefault(envelope_id, {})[of_id] = record
        if record.method in SWEEPS:
            for each in list(self._mailboxes.get(record.mailbox_id, {}).values()):
                if record.covers(each):
                    self._remove(each.envelope_id)
        if record.method is Method.DELETE_ALL:
            for (mailbox_id, _), batch in self._batches.items():
                if mailbox_id == record.mailbox_id:
                    batch[2].clear()
        self._append(number, of_id, record, coordinated)

    def _put_expiry(self, number: int, of_id: bytes, expiry: ExpiryRecord, coordinated: bool) -> None:
        for envelope_id in expiry.envelope_ids:
            self._naming.setdefault(envelope_id, {})[of_id] = expiry
        self._append(number, of_id, expiry, coordinated)

    def _set_until(self, envelope_id: bytes, until_ms: int) -> None:
        if isinstance(self.record(envelope_id), EnvelopeRecord):
            self._until[envelope_id] = until_ms

    def _put_mark(self, number: int, of_id: bytes, mark: SlotMark, coordinated: bool) -> None:
        marks = (record for record, _ in self._of(mark.mailbox_id) if isinstance(record, SlotMark))
        for each in [each for each in marks if each.slot == mark.slot]:
            self._remove(record_id(each))
        self._append(number, of_id, mark, coordinated)

    def _put_registration(self, number: int, of_id: bytes, record: RegistrationRecord, coordinated: bool) -> None:
        standing = (each for each, _ in self._of(record.mailbox_id) if isinstance(each, RegistrationRecord))
        for each in [each for each in standing if each.place == record.place]:
            self._remove(record_id(each))
        self._append(number, of_id, record, coordinated)

    def _append(self, number: int, of_id: bytes, record: Record, coordinated: bool) -> None:
        assert number > self._last
        self._last = number
        self._log[number] = (record, coordinated)
        self._numbers[of_id] = number
        self._ids_at[number] = of_id
        position = position_of(record.mailbox_id)
        self._keys[of_id] = (key_of(position, of_id), position)
        self._names[of_id[:NAME_SIZE]] = of_id
        if not isinstance(record, EnvelopeRecord):
            self._special.setdefault(record.mailbox_id, set()).add(number)

    def _remove(self, of_id: bytes) -> None:
        self.bad.discard(of_id)
        number = self._numbers.pop(of_id, None)
        if number is None:
            return
        record, _ = self._log.pop(number)
        del self._ids_at[number]
        del self._keys[of_id], self._names[of_id[:NAME_SIZE]]
        if isinstance(record, EnvelopeRecord):
            del self._mailboxes[record.mailbox_id][number]
            self._bytes[record.mailbox_id] -= len(record.data)
            self._until.pop(of_id, None)
            return
        self._special[record.mailbox_id].discard(number)
        for envelope_id in () if isinstance(record, SlotMark | RegistrationRecord) else record.envelope_ids:
            del self._naming[envelope_id][of_id]

    def _purge(self, expired_ms: int) -> None:
        gone = [at for at, (record, _) in self._log.items() if self._goes(record) <= expired_ms]
        for of_id in [self._ids_at[at] for at in gone]:
            self._remove(of_id)
        self._batches = {place: each for place, each in self._batches.items() if each[1] > expired_ms}

    @staticmethod
    def _use(
        batch: tuple[int, int, dict[int, bytes], dict[bytes, bytes]] | None, version: int, index: int, claim_id: bytes
    ) -> None:
        if batch is None or batch[0] != version:
            return
        prekey = batch[2].pop(index, None)
        if prekey is not None:
            batch[3][claim_id] = prekey

    def _goes(self, record: Record) -> int:
        of_id = record.envelope_id if isinstance(record, EnvelopeRecord) else b""
        return self._until.get(of_id, record.expires_ms)

    def _entry(self, number: int, each: EnvelopeRecord) -> Entry:
        columns = (number, each.envelope_id, each.slot, each.expires_ms, each.version, len(each.data))
        return Entry(*columns, self._goes(each))
