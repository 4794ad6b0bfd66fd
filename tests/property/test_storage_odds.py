"""How soon one tester notices that a store on a real disk has dropped a twentieth, chosen by chance or by malice."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from essaim.protocol.mailbox.record import EnvelopeRecord
from essaim.testing.effort import examples
from essaim_storage.challenge import Challenger
from essaim_storage.effects import Examined, Forget, HoldingOutcome, PutEnvelope, Reply
from essaim_storage.events import ExamineAsked
from essaim_storage.holding import NEAR
from essaim_storage.message import Challenge, Proofs
from essaim_storage.placement import Range
from essaim_storage.sqlite_store import SqliteStore
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning
from simulated.stage import NOW_MS, OWN, B, envelope, sent

RECORDS = 2_000
DROPPED = RECORDS // 20
SURE = 135
"""1 - 0.95^135 = 99.9%."""
UNNOTICED = 0.01
"""A fair draw of 192 meets none of a twentieth in 1 of 20,000 tests: one of 300 did, whose 192 were all there."""
TUNING = Tuning()


def by_chance(rng: random.Random, ids: list[bytes]) -> list[bytes]:
    return rng.sample(ids, DROPPED)


def by_malice(_rng: random.Random, ids: list[bytes]) -> list[bytes]:
    """Those that a random point comes before least often: where ids are dense for as many as one is chosen of."""
    numbers = [int.from_bytes(each) for each in ids]

    def room(at: int) -> int:
        return (numbers[at] - numbers[at - NEAR]) % (1 << 256)

    return [ids[at] for at in sorted(range(len(ids)), key=room)[:DROPPED]]


def filled(path: Path, records: list[EnvelopeRecord]) -> SqliteStore:
    store = SqliteStore(path)
    for first in range(0, RECORDS, 250):
        batch = records[first : first + 250]
        store.writer.commit([PutEnvelope(first + at + 1, each, False) for at, each in enumerate(batch)])
    return store


def challenger(own_id: bytes, store: SqliteStore) -> Challenger:
    swarm = Swarm(own_id)
    swarm.turn_to(1, (Range.still((OWN, B)),))
    swarm.linked |= {OWN, B} - {own_id}
    return Challenger(swarm, store, TUNING, lambda: False)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("odds")
    records = [replace(envelope(str(at)), received_ms=NOW_MS - TUNING.test_age_ms) for at in range(RECORDS)]
    pair = filled(folder / "tester.db", records), filled(folder / "tested.db", records)
    yield pair
    for store in pair:
        store.close()


def first_missed(stores: tuple[SqliteStore, SqliteStore], rng: random.Random) -> tuple[int | None, HoldingOutcome]:
    """After how many envelopes the first was not shown, and what the test came to."""
    tester, tested = challenger(OWN, stores[0]), challenger(B, stores[1])
    asked: list[tuple[bytes, bytes]] = []
    found = tester.ask(ExamineAsked(1, B, rng.randbytes(32), rng.randbytes(32)), NOW_MS)
    while True:
        while challenges := sent(Challenge, found, B):
            (proofs,) = sent(Proofs, tested.challenged(OWN, challenges[0]), OWN)
            asked += zip(challenges[0].envelope_ids, proofs.proofs, strict=True)
            found = tester.proofs(B, proofs, NOW_MS)
        for effect in found:
            if isinstance(effect, Reply) and isinstance(effect.result, Examined):
                missed = (at for at, (_, proof) in enumerate(asked, 1) if not proof)
                return next(missed, None), effect.result.outcome
        found = tester.time_is_up(B, NOW_MS + TUNING.test_again_ms)


def test_store_that_dropped_a_twentieth_is_noticed_by_each_test(stores: tuple[SqliteStore, SqliteStore]) -> None:
    whole = sorted(stores[1].ids_after(bytes(32), RECORDS))
    assert len(whole) == RECORDS
    assert first_missed(stores, random.Random(0)) == (None, HoldingOutcome.HELD), "before anything is dropped"
    chosen: list[Callable[[random.Random, list[bytes]], list[bytes]]] = [by_chance, by_malice]
    for choose in chosen:
        _drop_and_test(stores, choose, whole)


def _drop_and_test(
    stores: tuple[SqliteStore, SqliteStore],
    choose: Callable[[random.Random, list[bytes]], list[bytes]],
    ids: list[bytes],
) -> None:
    seed = 7
    rng, tested = random.Random(seed), stores[1]
    dropped = choose(rng, ids)
    records = [tested.record(each) for each in dropped]
    tested.writer.commit([Forget(each) for each in dropped])
    found = [first_missed(stores, rng) for _ in range(examples(30))]
    firsts = [first for first, outcome in found if outcome is HoldingOutcome.MISSING and first is not None]
    unnoticed = len(found) - len(firsts)
    assert unnoticed <= UNNOTICED * len(found), f"{unnoticed} of {len(found)} by {choose.__name__}, seed {seed}"
    number = tested.last_number()
    tested.writer.commit([PutEnvelope(number + at + 1, each, False) for at, each in enumerate(records)])
    mean = sum(firsts) / len(firsts)
    print(
        f"{choose.__name__}: noticed after {mean:.0f} challenges on average, {max(firsts)} at most, {len(firsts)} tests"
    )
    assert max(firsts) <= TUNING.test_records and mean < SURE / 3, "the mean of a fair draw is 20"
