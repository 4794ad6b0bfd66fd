"""Run seeds from the command line: `python -m simulated --seed 7` or `python -m simulated --seeds 1000`."""

import argparse
import sys
from dataclasses import replace

from simulated.history import BrokenPromiseError
from simulated.world import HINTS_ONLY, Scenario, World


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulated", description=__doc__)
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--seeds", type=int, default=200, help="so many")
    parser.add_argument("--first", type=int, default=0, help="from this one on")
    parser.add_argument("--hints-only", action="store_true", help="without reconciliation")
    parser.add_argument("--size", type=int, help="members of the swarm")
    arguments = parser.parse_args()
    scenario = HINTS_ONLY if arguments.hints_only else Scenario()
    if arguments.size:
        scenario = replace(scenario, sizes=(arguments.size,))
    many = range(arguments.first, arguments.first + arguments.seeds)
    seeds = many if arguments.seed is None else [arguments.seed]
    broken = 0
    for seed in seeds:
        try:
            print(seed, World(seed, scenario).run())
        except BrokenPromiseError as error:
            broken += 1
            print(seed, "BROKEN:", error)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
