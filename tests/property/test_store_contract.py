"""The SQLite store and the in-memory store of the simulation answer every question alike, whatever is written."""

import random
from pathlib import Path

import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Authorization, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import (
    EnvelopeRecord,
    ExpiryRecord,
    Notice,
    RegistrationRecord,
    SlotMark,
    Tombstone,
)
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.protocol.view.swarm import position_of
from essaim_storage.arc import LAST, WHOLE, Arcs
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
from essaim_storage.record import record_id
from essaim_storage.sqlite_store import SqliteStore
from essaim_storage.tally import NAME_SIZE, Part, key_of
from simulated.disk import MemoryStore

NOW = 1_800_000_000_000
DAY = NOW // 86_400_000
LOWEST = bytes(32)
OWNER = SigningKey(bytes([1]) * 32)
A, B = (SigningKey(bytes([n]) * 32).public for n in (1, 2))
POLICIES = (Policy.public_inbox(A), Policy.private_inbox(A, B), Policy.outbox(B), Policy.blob(A, bytes(4096)))
SLOTS = (b"\0", b"\1")
ENTRIES = (b"manifest", b"prekeys/0")
PLACES = (*SLOTS, b"p" * 32, b"q" * 32)
"""Under which somebody asks to be woken: a device slot, in a group a place."""
MEMBERS = (b"m" * 32, b"n" * 32)
PLACE = position_of(POLICIES[0].mailbox_id)
"""Of one mailbox: arcs that begin and end in the middle of its bucket, with and without it."""
ARCS = (WHOLE, Arcs(((0, PLACE),)), Arcs(((0, PLACE - 1),)), Arcs(((PLACE - 9, PLACE), (PLACE + 2, LAST))))
_PLACES = ((0, LAST), (0, PLACE), (PLACE, LAST), (PLACE, PLACE), (PLACE + 1, PLACE + 9))
_WHOLES = [Part.whole(arc) for arc in _PLACES]
_KEY = key_of(PLACE, LOWEST)
_BUCKET = next(part for part in _WHOLES[0].split() if part.span[0] <= _KEY <= part.span[1])
PARTS = (*_WHOLES, _BUCKET, *_WHOLES[3].split(), *_WHOLES[3].split()[7].split())


class Author:
    """Random changes that a machine could ask for."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.number = 0
        self.envelopes: list[EnvelopeRecord] = []
        self.notices: list[Notice] = []
        self.versions: dict[bytes, int] = {}
        self.batch = 0

    def changes(self) -> list[Change]:
        return [self.change() for _ in range(self.rng.randint(1, 6))]

    def change(self) -> Change:
        kinds = (self.envelope, self.envelope, self.envelope, self.tombstone, self.sweep, self.expiry, self.mark)
        kinds = (*kinds, self.until, self.small, self.prekeys, self.registration)
        return self.rng.choice(kinds)()

    def envelope(self) -> Change:
        policy = self.rng.choice(POLICIES)
        outbox, blob = policy is POLICIES[2], policy is POLICIES[3]
        slot = b"" if blob else self.rng.choice(ENTRIES if outbox else SLOTS)
        version = self.versions[slot] = self.versions.get(slot, 0) + 1 if outbox or blob else 0
        expires, data = NOW + self.rng.randint(1, 100), self.rng.randbytes(4096)
        signed = None if policy is POLICIES[0] or blob else self.authorization()
        received = NOW + self.rng.randint(-9, 9) if signed is None and self.rng.random() < 0.8 else 0
        of_id = envelope_id(policy.mailbox_id, slot, expires, data, version)
        record = EnvelopeRecord(policy, of_id, slot, expires, data, version, signed, received)
        self.envelopes.append(record)
        self.number += self.rng.randint(1, 3)
        until = NOW + self.rng.randint(1, 100) if self.rng.random() < 0.2 else 0
        return PutEnvelope(self.number, record, self.rng.random() < 0.5, until)

    def tombstone(self) -> Change:
        policy = self.rng.choice(POLICIES)
        ids = self.ids()
        method = self.rng.choice((Method.CONFIRM, Method.DELETE))
        slot = b"" if method is Method.DELETE else self.rng.choice(SLOTS)
        return PutTombstone(*self.noticed(Tombstone(policy, method, slot, ids, self.authorization())))

    def sweep(self) -> Change:
        policy, all_of_it = self.rng.choice(POLICIES), self.rng.random() < 0.5
        method = Method.DELETE_ALL if all_of_it else Method.DELETE_BEFORE
        before = 0 if all_of_it else NOW + self.rng.randint(-9, 9)
        return PutTombstone(*self.noticed(Tombstone(policy, method, b"", (), self.authorization(), before)))

    def expiry(self) -> Change:
        policy, until = self.rng.choice(POLICIES), NOW + self.rng.randint(1, 100)
        return PutExpiry(*self.noticed(ExpiryRecord(policy, b"", self.ids(), until, self.authorization())))

    def until(self) -> Change:
        return SetUntil(self.rng.choice(self.ids()), NOW + self.rng.randint(1, 100))

    def mark(self) -> Change:
        policy, slot = self.rng.choice(POLICIES[:3]), self.rng.choice(SLOTS)
        key = self.rng.choice((A, None))
        marked = SlotRecord.sign(OWNER, policy.mailbox_id, slot[0], key, self.rng.randint(1, 1 << 60)).encoded
        return PutMark(*self.noticed(SlotMark(policy, marked, self.authorization())))

    def registration(self) -> Change:
        policy, slot, day = self.rng.choice(POLICIES[:2]), self.rng.choice(PLACES), DAY + self.rng.randint(0, 2)
        whom = self.rng.randbytes(self.rng.choice((0, 67)))
        return PutRegistration(*self.noticed(RegistrationRecord(policy, slot, day, whom, self.authorization())))

    def ids(self) -> tuple[bytes, ...]:
        known = [each.envelope_id for each in self.envelopes[-20:]]
        return tuple({self.rng.randbytes(32), *self.rng.sample(known, min(3, len(known)))})

    def noticed(self, record):
        self.notices.append(record)
        self.number += 1
        return self.number, record_id(record), record, self.rng.random() < 0.5

    def small(self) -> Change:
        known = [record_id(each) for each in (*self.envelopes[-20:], *self.notices[-5:])]
        return self.rng.choice(
            (
                SetPosition(self.rng.choice(MEMBERS), self.rng.randint(0, 100)),
                SetSettled(self.rng.random() < 0.5),
                SetAdopted(self.rng.randint(0, 100)),
                SetWoken(self.rng.randint(0, 100)),
                self.dropped() if self.rng.random() < 0.1 else SetSettled(),
                Forget(self.rng.choice(known or [LOWEST])),
                Purge(NOW + self.rng.randint(0, 20)),
            )
        )

    def dropped(self) -> Change:
        return DropForeign(self.rng.choice(ARCS), self.rng.choice((1, 9)))

    def prekeys(self) -> Change:
        mailbox_id, slot = POLICIES[2].mailbox_id, self.rng.choice(SLOTS)
        if self.rng.random() < 0.3:
            self.batch += 1
            keys = tuple(self.rng.randbytes(40) for _ in range(self.rng.randint(0, 4)))
            return PutPrekeys(mailbox_id, slot, self.batch, keys, NOW + self.rng.randint(1, 50))
        return UsePrekey(mailbox_id, slot, self.batch, self.rng.randint(0, 4), self.rng.randbytes(1) * 16)

    def authorization(self) -> Authorization:
        record = self.rng.choice((b"", self.rng.randbytes(137)))
        return Authorization(NOW + self.rng.randint(-9, 9), self.rng.randbytes(16), self.rng.randbytes(64), record)


def answers(store: MemoryStore | SqliteStore, author: Author) -> list[object]:
    """Every question of the contract but the incarnation."""
    found: list[object] = [
        store.settled(),
        store.adopted(),
        store.woken(),
        store.last_number(),
        store.next_expiry(),
        store.blob_bytes(),
    ]
    found += [list(store.fingerprints([part, *part.split()])) for part in PARTS]
    found += [list(store.record_ids(part, limit)) for part in PARTS for limit in (3, 999)]
    found += [store.named(record_id(each)[:NAME_SIZE]) for each in author.envelopes[-4:]]
    points = (LOWEST, *(record_id(each) for each in author.envelopes[-3:]), b"\xf8" * 32)
    found += [list(store.ids_after(point, limit)) for point in points for limit in (1, 5, 999)]
    found += [store.holds_outside(arcs) for arcs in ARCS]
    found += [list(store.coordinated_after(number, 5)) for number in (0, author.number // 2)]
    found += [store.position(member) for member in MEMBERS]
    found += [list(store.registered_after(number)) for number in (0, author.number // 2)]
    for policy in POLICIES:
        found += [store.mailbox_bytes(policy.mailbox_id), store.notice_bytes(policy.mailbox_id)]
        found.append(sorted(map(record_id, store.sweeps(policy.mailbox_id))))
        found += [store.mark(policy.mailbox_id, slot) for slot in SLOTS]
        found += [list(store.under(policy.mailbox_id, bytes([byte]))) for byte in range(0, 256, 51)]
        registrations = list(store.registrations(policy.mailbox_id))
        assert store.has_registered(policy.mailbox_id) or not registrations
        found += [registrations, list(store.registered(policy.mailbox_id))]
        found += [store.registration(policy.mailbox_id, slot, DAY + day) for slot in PLACES for day in range(3)]
        for slot in (b"", *SLOTS, *ENTRIES):
            found.append(list(store.entries_after(policy.mailbox_id, slot, author.number // 3, 4)))
            found.append(list(store.latest_entries(policy.mailbox_id, slot, 4)))
            found.append(store.newest(policy.mailbox_id, slot))
    for each in (*author.envelopes[-20:], *author.notices[-8:]):
        found += [store.has(record_id(each)), store.record(record_id(each))]
    for each in author.envelopes[-20:]:
        found.append(sorted(map(record_id, store.naming(each.envelope_id))))
        found += [store.data(each.envelope_id), store.entry(each.mailbox_id, each.envelope_id)]
        found.append(store.entry(POLICIES[0].mailbox_id, each.envelope_id))
    for slot in SLOTS:
        found.append(store.prekeys(POLICIES[2].mailbox_id, slot))
        found += [store.claimed(POLICIES[2].mailbox_id, slot, bytes([byte]) * 16) for byte in range(256)]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_sqlite_store_answers_like_the_memory_store(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    author, memory, sqlite = Author(rng), MemoryStore(rng.randbytes), SqliteStore(tmp_path / "s.db")
    for step in range(60):
        changes = author.changes()
        memory.apply(changes)
        sqlite.writer.commit(changes)
        for expected, found in zip(answers(memory, author), answers(sqlite, author), strict=True):
            assert found == expected, f"seed {seed}, step {step}, after {[type(each).__name__ for each in changes]}"
        if rng.random() < 0.05:
            before = sqlite.incarnation()
            sqlite.close()
            sqlite = SqliteStore(tmp_path / "s.db")
            assert sqlite.incarnation() == before
    envelopes, size = sqlite.totals()
    assert size == sum(memory.mailbox_bytes(each.mailbox_id) for each in POLICIES) == envelopes * 4096
    sqlite.close()
