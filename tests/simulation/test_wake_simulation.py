"""No acknowledged envelope goes without a wake, whoever dies between the two, and however often the host is away."""

import os
from dataclasses import replace

import pytest

from essaim_storage.waker import Waker
from simulated.history import BrokenPromiseError
from simulated.woken import BUGS, WOKEN, WokenWorld, node_with

SEEDS = max(5, int(os.environ.get("ESSAIM_SEEDS", "200")) // 40)
BUG_SEEDS = 40

pytestmark = pytest.mark.timeout(60 + 10 * SEEDS)


def test_every_acknowledged_envelope_wakes_its_device() -> None:
    due = repeats = 0
    for seed in range(SEEDS):
        world = WokenWorld(seed)
        try:
            world.run()
        except Exception as error:
            raise BrokenPromiseError(f"seed {seed}: {error}") from error
        due, repeats = due + world.due, repeats + world.push.repeats
    print(f"{due} wakes were due; {repeats} came twice")

    assert due > 20 * SEEDS


@pytest.mark.parametrize("bug", BUGS, ids=lambda each: each.__name__)
def test_planted_bug_of_the_waker_is_found(bug: type[Waker]) -> None:
    for seed in range(BUGS[bug], BUGS[bug] + BUG_SEEDS):
        try:
            WokenWorld(seed, replace(WOKEN, node_type=node_with(bug))).run()
        except BrokenPromiseError as error:
            print(f"{bug.__name__}: found with seed {seed}: {error}")
            return
    raise AssertionError(f"not found with {BUG_SEEDS} seeds")
