"""Who drops a twentieth of what it keeps is expelled; who is slow, cut off for a while, or lied about is not.

Each test prints its seed's figures; a failing seed replays exactly: `Town(seed)`.
"""

import math
import os
from dataclasses import replace

import pytest

from essaim.runtime.examiner import Word
from essaim_discovery.state import Expelled
from essaim_discovery.trial import MOST_CREDIT, SILENCE_COST
from essaim_storage.effects import HoldingOutcome
from essaim_storage.tuning import Tuning
from trial_story import Town

EFFORT = int(os.environ.get("ESSAIM_EFFORT", "1"))
SEEDS = range(2 * EFFORT)
DROPPED = 0.05
ROUNDS = 3
"""Within which a store that dropped a twentieth is expelled, with 99.9%: three quarters of an hour."""
SURE = 0.999
HONEST_ROUNDS = 5
"""A store that failed three of them would be expelled; one that failed a single one would show it in its credit."""


def test_chance_to_be_found_and_expelled_is_above_999_of_1000() -> None:
    """By 135 challenges one tester notices with 99.9%. A test has 192, so a quorum does in each of three rounds."""
    assert 1 - (1 - DROPPED) ** 135 >= SURE > 1 - (1 - DROPPED) ** 134
    notices = 1 - (1 - DROPPED) ** Tuning().test_records
    for testers in range(2, 6):
        needed = 2 * testers // 3 + 1
        fails = sum(
            math.comb(testers, count) * notices**count * (1 - notices) ** (testers - count)
            for count in range(needed, testers + 1)
        )
        print(f"{testers} testers: a round is failed with {fails:.6f}, three in a row with {fails**ROUNDS:.6f}")
        assert fails**ROUNDS >= SURE


@pytest.mark.parametrize("seed", SEEDS)
def test_store_that_dropped_a_twentieth_is_expelled_and_nobody_else(seed: int) -> None:
    town = Town(seed)
    town.round()
    bad = town.rng.choice(sorted(town.stores))
    disk = town.stores[bad].disk
    disk.dropped = {each for each in sorted(disk.all_ids()) if town.rng.random() < DROPPED}
    for count in range(1, ROUNDS + 1):
        assert not town.expelled(), f"seed {seed}: in round {count}"
        town.round()
    print(f"seed {seed}: dropped {len(disk.dropped)} of {len(disk.all_ids())}")
    assert town.expelled() == {bad}, f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_slow_store_and_a_tester_that_lies_expel_nobody(seed: int) -> None:
    """One hears everything up to 80 s late, longer than a challenge and the look after it wait; another says that all
    have failed."""
    town = Town(seed)
    slow, liar = town.rng.sample(sorted(town.stores), 2)
    town.stores[slow].lag_ms, town.liars = 80_000, {liar: Word.FAILED}
    for _ in range(HONEST_ROUNDS):
        town.round()
    outcomes = {outcome for store in town.stores.values() for outcome in store.outcomes}
    assert HoldingOutcome.HELD in outcomes and town.stores[slow].looks > HONEST_ROUNDS, f"seed {seed}: not slow enough"
    assert outcomes.isdisjoint((HoldingOutcome.MISSING, HoldingOutcome.SILENT)), f"seed {seed}: an honest store fails"
    assert not town.expelled() and min(map(town.credit, town.stores)) == MOST_CREDIT, f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_store_that_was_cut_off_for_three_rounds_and_fetches_what_it_missed_is_not_expelled(seed: int) -> None:
    town = Town(seed)
    lonely = town.rng.choice(sorted(town.stores))
    town.round()
    town.cut_off(lonely)
    for _ in range(3):
        town.round()
    assert town.credit(lonely) < MOST_CREDIT, f"seed {seed}: it was not cut off"
    town.network.cut.clear()
    for _ in range(4):
        town.round()
    outcomes = {outcome for store in town.stores.values() for outcome in store.outcomes}
    assert HoldingOutcome.MISSING not in outcomes, f"seed {seed}: catching up counted as loss"
    assert not town.expelled() and town.credit(lonely) == MOST_CREDIT, f"seed {seed}"


@pytest.mark.parametrize("liar_says", [None, Word.PASSED])
def test_store_that_answers_no_member_anything_is_expelled_after_twelve_rounds(liar_says: Word | None) -> None:
    """It can be reached, and shows nothing of what it keeps. (It begins here with the credit of three rounds.)"""
    town = Town(7)
    town.round()
    mute, liar = town.rng.sample(sorted(town.stores), 2)
    town.liars = {liar: liar_says} if liar_says else {}
    town.stores[mute].mute = True
    town.state = town.state.with_member(replace(town.state.members[mute], credit=3 * SILENCE_COST))
    for count in range(3):
        assert not town.expelled(), f"in round {count}"
        town.round()
    assert town.expelled() == {mute}
    assert town.state.members[mute].expelled is Expelled.FORGETFUL, "somebody must look at it"


def test_silence_costs_as_little_as_not_to_be_reached() -> None:
    assert MOST_CREDIT // SILENCE_COST == 12


@pytest.mark.parametrize("word", [Word.PASSED, Word.FAILED])
def test_liar_saves_no_store_that_dropped_something(word: Word) -> None:
    """Neither by its word for that store, nor by words against the others that might void the round."""
    town = Town(99)
    town.round()
    bad, liar = town.rng.sample(sorted(town.stores), 2)
    disk = town.stores[bad].disk
    disk.dropped = {each for each in sorted(disk.all_ids()) if town.rng.random() < DROPPED}
    town.liars = {liar: word}
    for _ in range(ROUNDS):
        town.round()
    assert town.expelled() == {bad}
