"""Tell stories, each once: `python -m people people 0-999 --jobs 2 --minutes 60`, `python -m people groups 7 --again`.

What was told at this commit and passed is left out; a call that was stopped is repeated as it was.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context

import essaim  # noqa: F401  (before grpc)
from people import telling


def main() -> int:
    """0: all that were asked for have passed; 1: one failed; 3: time was over before."""
    parser = argparse.ArgumentParser(prog="people", description=__doc__)
    parser.add_argument("tale", choices=list(telling.TALES))
    parser.add_argument("seeds", help="0-999, or one")
    parser.add_argument("--again", action="store_true", help="also those that have passed")
    parser.add_argument("--jobs", type=int, default=1, help="stories at once")
    parser.add_argument("--minutes", type=float, default=0, help="begin no story after so long; 0: all")
    options = parser.parse_args()
    seeds = telling.seeds_of(options.seeds if "-" in options.seeds else f"{options.seeds}-{options.seeds}")
    waiting = list(seeds) if options.again else telling.left(options.tale, seeds)
    until = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
    for made in tell_all(options.tale, waiting, options.jobs, until):
        telling.keep(options.tale, made)
        print(options.tale, made.seed, made.result, f"{made.seconds} s", made.shown, flush=True)
    print(summary(options.tale, seeds))
    told = telling.newest(options.tale)
    failed = any(seed in told and not told[seed].passed for seed in seeds)
    return 1 if failed else 3 * bool(telling.left(options.tale, seeds))


def tell_all(tale: str, seeds: list[int], jobs: int, until: float) -> Iterator[telling.Note]:
    """Each note when it is there; no story is begun after `until` (monotonic seconds)."""
    waiting, running = iter(seeds), set[Future[telling.Note]]()
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        while True:
            if time.monotonic() < until:
                running |= {pool.submit(telling.note, tale, seed) for seed in islice(waiting, jobs - len(running))}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (each.result() for each in done)


def summary(tale: str, seeds: range) -> str:
    """Which seeds were told at which commit, and which failed."""
    told = {seed: made for seed, made in telling.newest(tale).items() if seed in seeds}
    commits = defaultdict(list)
    for made in told.values():
        commits[made.commit].append(made)
    lines = [
        f"{commit}: {', '.join(telling.ranges(each.seed for each in of))} in {sum(each.seconds for each in of):.0f} s"
        for commit, of in commits.items()
    ]
    bad = [seed for seed, made in told.items() if not made.passed]
    lines.append(f"{len(told) - len(bad)} passed, {len(bad)} failed, {len(seeds) - len(told)} not told")
    return "\n".join([*lines, *(f"FAILED: {tale} {each}" for each in telling.ranges(bad))])


if __name__ == "__main__":
    sys.exit(main())
