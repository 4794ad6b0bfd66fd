"""Sweeps and changed expiries hold through the same misfortunes: nothing swept comes back, nothing put off is lost."""

import os

import pytest

from simulated.disk import MemoryStore
from simulated.history import BrokenPromiseError
from simulated.keeper import BUGS, KeptWorld
from simulated.world import Scenario

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
