"""In whatever order envelopes, removals, expiries, slot marks, registrations reach two disks, they come to the same."""

import random
from collections.abc import Sequence

import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.payload import read_hash, registration_hash, removal_hash, slot_hash, sweep_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import (
    EnvelopeRecord,
    ExpiryRecord,
    Record,
    RegistrationRecord,
    SlotMark,
    Tombstone,
    verify_record,
)
from essaim.protocol.mailbox.record import record_id as id_of
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.testing.effort import EFFORT
from essaim_storage.draft import Draft
from simulated.disk import MemoryStore

NOW = 1_800_000_000_000
SPAN = 100_000
OWNER, DEVICE = SigningKey(bytes([1]) * 32), SigningKey(bytes([2]) * 32)
INBOX, OUTBOX = Policy.public_inbox(OWNER.public), Policy.outbox(OWNER.public)
SEED_COUNT = 400 if EFFORT > 1 else 40


class Author:
    """Good records of two mailboxes, all signed within the last SPAN."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.envelopes: list[EnvelopeRecord] = []

    def records(self) -> list[Record]:
        kinds = (self.letter, self.letter, self.letter, self.entry, self.entry, self.removal, self.sweep)
        kinds = (*kinds, self.expiry, self.expiry, self.mark, self.registration, self.registration)
        made = [self.rng.choice(kinds)() for _ in range(self.rng.randint(2, 14))]
        for each in made:
            verify_record(each, NOW)
        return made

    def time(self) -> int:
        return NOW - self.rng.randint(0, SPAN)

    def letter(self) -> Record:
        data, expires = self.rng.randbytes(4096), NOW + self.rng.randint(1, SPAN)
        of_id = envelope_id(INBOX.mailbox_id, b"\0", expires, data)
        self.envelopes.append(EnvelopeRecord(INBOX, of_id, b"\0", expires, data, received_ms=self.time()))
        return self.envelopes[-1]

    def entry(self) -> Record:
        data, expires, version = self.rng.randbytes(4096), NOW + SPAN, self.rng.randint(1, 5)
        slot = self.rng.choice((b"manifest", b"prekeys/0"))
        of_id = envelope_id(OUTBOX.mailbox_id, slot, expires, data, version)
        act = Act(OUTBOX, Method.STORE, slot, of_id, expires, version)
        self.envelopes.append(EnvelopeRecord(OUTBOX, of_id, slot, expires, data, version, self.signed(act)))
        return self.envelopes[-1]

    def removal(self) -> Record:
        policy, ids = INBOX, self.ids(INBOX)
        act = Act(policy, Method.CONFIRM, b"\0", removal_hash(b"\0", ids))
        return Tombstone(policy, Method.CONFIRM, b"\0", ids, self.signed(act))

    def sweep(self) -> Record:
        policy, time_ms = self.rng.choice((INBOX, OUTBOX)), self.time()
        if self.rng.random() < 0.5:
            act = Act(policy, Method.DELETE_ALL, b"", read_hash(b""))
            return Tombstone(policy, Method.DELETE_ALL, b"", (), act.authorize(OWNER, time_ms, self.nonce()))
        before = time_ms - self.rng.randint(0, SPAN)
        act = Act(policy, Method.DELETE_BEFORE, b"", sweep_hash(before))
        return Tombstone(policy, Method.DELETE_BEFORE, b"", (), act.authorize(OWNER, time_ms, self.nonce()), before)

    def expiry(self) -> Record:
        ids, until = self.ids(INBOX), NOW + self.rng.randint(-10, SPAN)
        act = Act(INBOX, Method.EXPIRE, b"\0", removal_hash(b"\0", ids), until)
        return ExpiryRecord(INBOX, b"\0", ids, until, self.signed(act))

    def mark(self) -> Record:
        policy, key = self.rng.choice((INBOX, OUTBOX)), self.rng.choice((DEVICE.public, None))
        marked = SlotRecord.sign(OWNER, policy.mailbox_id, 0, key, self.rng.randint(1, 4)).encoded
        act = Act(policy, Method.DROP_SLOT, b"", slot_hash(marked))
        return SlotMark(policy, marked, act.authorize(OWNER, self.time(), self.nonce()))

    def registration(self) -> Record:
        day, whom = NOW // 86_400_000 + self.rng.randint(0, 1), self.rng.randbytes(self.rng.choice((0, 67)))
        act = Act(INBOX, Method.REGISTER_PUSH, b"\0", registration_hash(b"\0", day, whom))
        return RegistrationRecord(INBOX, b"\0", day, whom, self.signed(act))

    def signed(self, act: Act):
        """By the owner, or by the device where the slot's key may."""
        if self.rng.random() < 0.5 or act.slot == b"manifest":
            return act.authorize(OWNER, self.time(), self.nonce())
        record = SlotRecord.sign(OWNER, act.policy.mailbox_id, 0, DEVICE.public, self.rng.randint(1, 4)).encoded
        return act.authorize(DEVICE, self.time(), self.nonce(), record)

    def ids(self, policy: Policy) -> tuple[bytes, ...]:
        known = [each.envelope_id for each in self.envelopes if each.policy == policy]
        return (*self.rng.sample(known, min(len(known), 2)), self.rng.randbytes(32))

    def nonce(self) -> bytes:
        return self.rng.randbytes(16)


def delivered(rng: random.Random, records: Sequence[Record], store: MemoryStore) -> None:
    """In an order and in batches of chance."""
    left = rng.sample(list(records), len(records))
    while left:
        batch = left[: rng.randint(1, 5)]
        left = left[len(batch) :]
        draft = Draft(store, store.last_number(), NOW)
        for each in batch:
            draft.add(id_of(each), each, coordinated=False)
        store.apply(draft.changes)


def reconciled(one: MemoryStore, other: MemoryStore) -> bool:
    """Each is given what it misses and the other has, until that changes nothing; whether they are alike then."""
    for _ in range(8):
        before = one.all_ids(), other.all_ids()
        for here, there in ((one, other), (other, one)):
            missing = [there.record(each) for each in sorted(there.all_ids() - here.all_ids())]
            draft = Draft(here, here.last_number(), NOW)
            for each in missing:
                if each is not None:
                    draft.add(id_of(each), each, coordinated=False)
            here.apply(draft.changes)
        if before == (one.all_ids(), other.all_ids()):
            break
    return one.all_ids() == other.all_ids()


def untils(store: MemoryStore, records: Sequence[Record]) -> dict[bytes, int]:
    entries = (store.entry(each.mailbox_id, id_of(each)) for each in records)
    return {each.envelope_id: each.until_ms for each in entries if each is not None}


@pytest.mark.parametrize("part", range(4))
def test_disks_come_to_the_same_in_whatever_order(part: int) -> None:
    for seed in range(part * SEED_COUNT, (part + 1) * SEED_COUNT):
        rng = random.Random(seed)
        records = Author(rng).records()
        stores = [MemoryStore(rng.randbytes) for _ in range(2)]
        for store in stores:
            delivered(rng, records, store)
        assert reconciled(*stores), f"seed {seed}"
        assert untils(stores[0], records) == untils(stores[1], records), f"seed {seed}"
        marks = [[store.mark(policy.mailbox_id, b"\0") for policy in (INBOX, OUTBOX)] for store in stores]
        assert marks[0] == marks[1], f"seed {seed}"
