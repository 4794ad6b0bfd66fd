"""Nothing acknowledged is lost, skipped or brought back, whatever breaks: the real machines, simulated from seeds.

`make simulate SEEDS=1000` runs more; `python -m simulated --seed N` (in tests/simulation) runs one again.
"""

import os

import pytest

from simulated import bug
from simulated.history import BrokenPromiseError
from simulated.world import HINTS_ONLY, Report, Scenario, World

SEEDS = int(os.environ.get("ESSAIM_SEEDS", "200"))
PARTS = 10


def run(seed: int, scenario: Scenario | None = None) -> Report:
    try:
        return World(seed, scenario).run()
    except Exception:
        print(f"failing seed: {seed}")
        raise


@pytest.mark.parametrize("part", range(PARTS))
def test_swarm_keeps_every_promise_under_all_faults(part: int) -> None:
    reports = [run(seed) for seed in range(part, SEEDS, PARTS)]

    # A simulation in which nothing happens proves nothing.
    assert sum(each.acknowledged for each in reports) > 50 * len(reports)
    assert sum(each.removed for each in reports) > 10 * len(reports)
    assert sum(each.quorum_reads for each in reports) > 10 * len(reports)
    assert sum(each.claims for each in reports) > 2 * len(reports)
    assert sum(each.notes for each in reports) > 20 * len(reports)


def test_hints_alone_bring_every_acknowledged_envelope_to_every_member() -> None:
    for seed in range(max(1, SEEDS // 5)):
        run(seed, HINTS_ONLY)


@pytest.mark.parametrize(
    ("scenario", "seeds"),
    [
        pytest.param(bug.ACKNOWLEDGES_BEFORE_FSYNC, 30, id="acknowledges before fsync"),
        pytest.param(bug.QUORUM_OF_ONE, 20, id="a quorum of one"),
        pytest.param(bug.NO_HINTS, 5, id="no hints"),
        pytest.param(bug.TOMBSTONES_BEAT_NOTHING, 10, id="tombstones beat nothing"),
        pytest.param(bug.PREKEY_BEFORE_FSYNC, 30, id="a prekey given before fsync"),
        pytest.param(bug.CURSOR_LEAPS, 5, id="cursor leaps over what did not fit"),
    ],
)
def test_simulation_finds_a_planted_bug(scenario: Scenario, seeds: int) -> None:
    for seed in range(seeds):
        try:
            World(seed, scenario).run()
        except BrokenPromiseError:
            return
    pytest.fail(f"not found in {seeds} seeds")


def test_the_same_seed_gives_the_same_run() -> None:
    assert World(11).run() == World(11).run()
