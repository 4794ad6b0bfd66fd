"""Sweeps and changed expiries hold through the same misfortunes: nothing swept comes back, nothing put off is lost."""

import os

import pytest

from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.payload import removal_hash
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord
from essaim_storage.effects import PutEnvelope, PutExpiry
from essaim_storage.record import record_id
from simulated.client import DAY_MS, Mailbox
from simulated.disk import MemoryStore
from simulated.fault import join_all
from simulated.history import BrokenPromiseError
from simulated.keeper import BUGS, PURGED_MS, KeptWorld
from simulated.world import REST_MS, Scenario

SEEDS = max(12, int(os.environ.get("ESSAIM_SEEDS", "200")) // 20)
PARTS = 4
BUG_SEEDS = 30

pytestmark = pytest.mark.timeout(60 + 10 * SEEDS)


@pytest.mark.parametrize("part", range(PARTS))
def test_what_an_owner_says_holds_whatever_breaks(part: int) -> None:
    swept = changed = 0
    for seed in range(part, SEEDS, PARTS):
        world = KeptWorld(seed)
        try:
            world.run()
        except Exception as error:
            raise BrokenPromiseError(f"seed {seed}: {error}") from error
        swept, changed = swept + world.history.swept, changed + len(world.history.changed)
    assert swept and changed


@pytest.mark.parametrize("bug", BUGS, ids=lambda each: each.__name__)
def test_planted_bug_is_found(bug: type[MemoryStore]) -> None:
    for seed in range(BUG_SEEDS):
        try:
            KeptWorld(seed, Scenario(disk_type=bug)).run()
        except BrokenPromiseError:
            print(f"{bug.__name__}: found with seed {seed}")
            return
    raise AssertionError(f"not found with {BUG_SEEDS} seeds")


def entry(mailbox: Mailbox, version: int, expires_ms: int) -> EnvelopeRecord:
    slot, data = b"manifest", bytes(4_096)
    of_id = envelope_id(mailbox.policy.mailbox_id, slot, expires_ms, data, version)
    act = Act(mailbox.policy, Method.STORE, slot, of_id, expires_ms, version)
    by = act.authorize(mailbox.owner, expires_ms - DAY_MS, bytes(16))
    return EnvelopeRecord(mailbox.policy, of_id, slot, expires_ms, data, version, by)


def put_off(mailbox: Mailbox, record: EnvelopeRecord, until_ms: int) -> ExpiryRecord:
    ids = (record.envelope_id,)
    act = Act(mailbox.policy, Method.EXPIRE, b"", removal_hash(b"", ids), until_ms)
    by = act.authorize(mailbox.owner, record.expires_ms - 1, bytes(16))
    return ExpiryRecord(mailbox.policy, b"", ids, until_ms, by)


@pytest.mark.parametrize("newer_stays_ms", [0, -PURGED_MS])
def test_old_version_that_was_put_off_comes_when_the_newer_is_purged(newer_stays_ms: int) -> None:
    """One member was away for the whole life of the newer (`KeptWorld` seed 40): no fault, and over with the purge."""
    world = KeptWorld(0, Scenario(moves=(), sizes=(3,)))
    mailbox, begin_ms = world.mailboxes[1], world.scheduler.now_ms
    old, newer = entry(mailbox, 1, begin_ms - 1), entry(mailbox, 2, begin_ms + newer_stays_ms)
    until_ms = begin_ms + 9 * DAY_MS
    notice = put_off(mailbox, old, until_ms)
    for host in world.hosts:
        first = host is world.hosts[0]
        put = PutEnvelope(1, old, False, until_ms) if first else PutEnvelope(1, newer, False, 0)
        host.disk.apply((put, PutExpiry(2, record_id(notice), notice, False)))
        host.start()
    world.history.stored |= {each.envelope_id: each for each in (old, newer)}
    world.history.changing[old.envelope_id] = world.history.changed[old.envelope_id] = until_ms
    world._tick()
    join_all(world.site, world.network)

    world.settle()

    assert all(host.disk.has(old.envelope_id) for host in world.hosts)
    assert (world.scheduler.now_ms - begin_ms > REST_MS) == (newer_stays_ms == 0)
