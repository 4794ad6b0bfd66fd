"""Run seeds: `python -m simulated --seed 7`, `--seeds 1000`, `--seeds 0:20000 --report FILE`, `--bugs`,
`--bug NAME --seed 7`."""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from simulated.bug import BUGS, DEATHS, KEPT
from simulated.catch import catch
from simulated.history import BrokenPromiseError
from simulated.keeper import KeptWorld
from simulated.survey import Survey
from simulated.woken import WOKEN, WokenWorld
from simulated.world import HINTS_ONLY, Scenario, World

WORLDS: dict[str, tuple[type[World], Scenario]] = {
    "plain": (World, Scenario()),
    "kept": (KeptWorld, Scenario()),
    "woken": (WokenWorld, WOKEN),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulated", description=__doc__)
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--seeds", type=_seeds, default=range(200), help="so many, or FIRST:END (END left out)")
    parser.add_argument("--report", type=Path, help="write sums, time and what broke to this file")
    parser.add_argument("--world", choices=list(WORLDS), default="plain", help="with an owner who sweeps; with devices")
    parser.add_argument("--hints-only", action="store_true", help="without reconciliation")
    parser.add_argument("--deaths", action="store_true", help="nodes are gone for good while others have just joined")
    parser.add_argument("--size", type=int, help="members of a swarm at first")
    parser.add_argument("--bug", choices=list(BUGS), help="with this bug planted")
    parser.add_argument("--bugs", action="store_true", help="which seed finds each planted bug")
    arguments = parser.parse_args()
    if arguments.bugs:
        return find_bugs(arguments.seeds)
    world, scenario = WORLDS[arguments.world]
    scenario = HINTS_ONLY if arguments.hints_only else DEATHS if arguments.deaths else scenario
    if arguments.bug:
        world, scenario = KeptWorld if arguments.bug in KEPT else world, BUGS[arguments.bug]
    if arguments.size:
        scenario = replace(scenario, sizes=(arguments.size,))
    if arguments.report is not None:
        return survey(arguments.seeds, scenario, world, arguments.report)
    return run(arguments.seeds if arguments.seed is None else [arguments.seed], scenario, world)


def _seeds(text: str) -> range:
    first, _, end = text.rpartition(":")
    return range(int(first or 0), int(end))


def run(seeds: Iterable[int], scenario: Scenario, world: type[World]) -> int:
    broken = 0
    for seed in seeds:
        try:
            print(seed, world(seed, scenario).run())
        except BrokenPromiseError as error:
            broken += 1
            print(seed, "BROKEN:", error)
    return 1 if broken else 0


def survey(seeds: range, scenario: Scenario, world: type[World], report: Path) -> int:
    done = Survey(seeds.start)
    done.run(seeds, scenario, world, report)
    print(done, end="")
    return 1 if done.broken or done.stopped else 0


def find_bugs(seeds: range) -> int:
    missed = 0
    for bug in BUGS:
        caught = catch(bug, seeds.stop)
        missed += caught.seed is None
        print(caught, flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
