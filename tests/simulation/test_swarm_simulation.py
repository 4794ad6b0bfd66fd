"""Nothing acknowledged is lost, skipped or brought back, whatever breaks: the real machines, simulated from seeds.

`make simulate SEEDS=1000` runs more; `python -m simulated --seed N` (in tests/simulation) runs one again.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from simulated.bug import BUGS, DEATHS
from simulated.catch import Caught, catch
from simulated.fault import stop
from simulated.history import BrokenPromiseError
from simulated.world import HINTS_ONLY, Report, Scenario, World

SEEDS = int(os.environ.get("ESSAIM_SEEDS", "200"))
PARTS = 10
PROCESSES = 2
BUG_SEEDS = 200

pytestmark = pytest.mark.timeout(60 + 2 * SEEDS)


def run(seed: int, scenario: Scenario | None = None) -> Report:
    try:
        return World(seed, scenario).run()
    except Exception as error:
        more = {id(HINTS_ONLY): " --hints-only", id(DEATHS): " --deaths"}.get(id(scenario), "")
        again = f"cd tests/simulation && python -m simulated --seed {seed}{more}"
        raise BrokenPromiseError(f"seed {seed}: {error}; again: {again}") from error


def run_part(part: int) -> list[Report]:
    return [run(seed) for seed in range(part, SEEDS, PARTS)]


def run_hints(part: int) -> int:
    return len([run(seed, HINTS_ONLY) for seed in range(part, max(1, SEEDS // 5), PROCESSES)])


def run_deaths(part: int) -> int:
    return len([run(seed, DEATHS) for seed in range(part, max(1, SEEDS // 10), PROCESSES)])


class Work:
    """All of it, begun at once and shared by two processes; each test waits for its own."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        jobs: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
            *((run_part, (part,)) for part in range(PARTS)),
            *((run_hints, (part,)) for part in range(PROCESSES)),
            *((run_deaths, (part,)) for part in range(PROCESSES)),
            *((catch, (bug, BUG_SEEDS)) for bug in BUGS),
        ]
        self._futures: dict[Any, Future[Any]] = {(do, of): pool.submit(do, *of) for do, of in jobs}

    def result(self, do: Callable[..., Any], *of: Any) -> Any:
        return self._futures[do, of].result()


@pytest.fixture(scope="module")
def work() -> Iterator[Work]:
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        yield Work(pool)
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("part", range(PARTS))
def test_swarm_keeps_every_promise_under_all_faults(work: Work, part: int) -> None:
    reports: list[Report] = work.result(run_part, part)
    many = len(range(part, SEEDS, PARTS))

    # A simulation in which nothing happens proves nothing.
    assert len(reports) == many
    assert sum(each.acknowledged for each in reports) > 50 * many
    assert sum(each.removed for each in reports) > 10 * many
    assert sum(each.quorum_reads for each in reports) > 10 * many
    assert sum(each.claims for each in reports) > 2 * many
    assert sum(each.notes for each in reports) > 20 * many
    assert sum(each.moves for each in reports) >= many // 4


def test_hints_alone_bring_every_acknowledged_envelope_to_every_member(work: Work) -> None:
    assert sum(work.result(run_hints, part) for part in range(PROCESSES)) == max(1, SEEDS // 5)


def test_swarm_of_three_gets_over_a_death_while_another_has_just_joined(work: Work) -> None:
    assert sum(work.result(run_deaths, part) for part in range(PROCESSES)) == max(1, SEEDS // 10)


@pytest.mark.parametrize("bug", BUGS)
def test_simulation_finds_a_planted_bug(work: Work, bug: str) -> None:
    caught: Caught = work.result(catch, bug, BUG_SEEDS)
    print(caught)

    assert caught.seed is not None


def test_operator_ends_what_a_joiner_that_cannot_catch_up_holds_up() -> None:
    """docs/operations/runbooks.md, EssaimStorageIncomplete. A joiner that skipped every view before its place is as one
    of a swarm that takes no joiner for whole; the other has all that it has by then."""
    for seed in range(11, 40):
        world = World(seed, BUGS["a joiner is not taken for whole"])
        try:
            world.run()
        except BrokenPromiseError:
            break
    places = world.authority.view.places
    stuck = [each for each in world.hosts if each.node_id in places and not each.disk.settled()]
    stuck = [each for each in stuck if places[each.node_id].swarm_id is not None]
    print(f"seed {seed}: {len(stuck)} cannot catch up")
    assert stuck
    for host in stuck:
        stop(world.site, world.network, host)
        host.retired = True
        world.authority.give_up(host.node_id)
    world.settle()


def test_there_are_a_dozen_bugs() -> None:
    assert len(BUGS) >= 12


def test_a_bug_is_caught_by_the_same_seed_again() -> None:
    first = catch("tombstones beat nothing", BUG_SEEDS)

    assert first == catch("tombstones beat nothing", BUG_SEEDS)
    assert isinstance(first, Caught)


def test_the_same_seed_gives_the_same_run() -> None:
    assert World(11).run() == World(11).run()
