"""Run seeds: `python -m simulated --seed 7`, `--seeds 1000`, `--bugs`, `--bug NAME --seed 7`."""

import argparse
import sys
from dataclasses import replace

from simulated.bug import BUGS
from simulated.catch import catch
from simulated.history import BrokenPromiseError
from simulated.world import HINTS_ONLY, Scenario, World


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulated", description=__doc__)
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--seeds", type=int, default=200, help="so many")
    parser.add_argument("--first", type=int, default=0, help="from this one on")
    parser.add_argument("--hints-only", action="store_true", help="without reconciliation")
    parser.add_argument("--size", type=int, help="members of a swarm at first")
    parser.add_argument("--bug", choices=list(BUGS), help="with this bug planted")
    parser.add_argument("--bugs", action="store_true", help="which seed finds each planted bug")
    arguments = parser.parse_args()
    if arguments.bugs:
        return find_bugs(arguments.seeds)
    scenario = HINTS_ONLY if arguments.hints_only else BUGS.get(arguments.bug, Scenario())
    if arguments.size:
        scenario = replace(scenario, sizes=(arguments.size,))
    many = range(arguments.first, arguments.first + arguments.seeds)
    return run(list(many) if arguments.seed is None else [arguments.seed], scenario)


def run(seeds: list[int], scenario: Scenario) -> int:
    broken = 0
    for seed in seeds:
        try:
            print(seed, World(seed, scenario).run())
        except BrokenPromiseError as error:
            broken += 1
            print(seed, "BROKEN:", error)
    return 1 if broken else 0


def find_bugs(seeds: int) -> int:
    missed = 0
    for bug in BUGS:
        caught = catch(bug, seeds)
        missed += caught.seed is None
        print(caught, flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
