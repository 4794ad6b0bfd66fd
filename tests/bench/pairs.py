"""This checkout's code against another one's, on a machine that is not quiet: two processes do rounds in turns.

`python tests/bench/pairs.py OTHER [--rounds N]` prints for each figure the median of this one's time over the other's,
round by round, and its quartiles: a busy moment hits both rounds of a pair alike. Time is a process's own. `OTHER` is
the root of a checkout of any commit; the rounds are those of this one's benches, and its interpreter runs both.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

HERE = Path(__file__).resolve().parent.parent.parent
HANDSHAKES = 7
MESSAGES = 60
Figures = dict[str, float]


def rounds() -> Callable[[], Figures]:
    """One round of all figures, microseconds; what is imported here is the code under test."""
    import e2e_crypto_bench
    import onion_bench

    from essaim.protocol.geometry import Suite
    from essaim.protocol.onion import CellSpec
    from essaim.testing.onion import OnionRoute

    route, pair = OnionRoute(4, seed=1), e2e_crypto_bench.Pair()
    pair.meet()
    timers = {
        "unwrap": onion_bench.unwrapping(route, CellSpec(Suite.HYBRID)),
        "unwrap_classic": onion_bench.unwrapping(route, CellSpec(Suite.X25519)),
        "ratchet": timed(lambda: pair.carry(0), MESSAGES),
        "turn": timed(pair.there_and_back, MESSAGES // 4),
    }

    def once() -> Figures:
        steps = [e2e_crypto_bench.handshake_round(time.process_time) for _ in range(HANDSHAKES)]
        begin, answer = (median(each[at] for each in steps) * 1e3 for at in (1, 2))
        return {name: each() for name, each in timers.items()} | {"begin": begin, "answer": answer}

    return once


def timed(operation: Callable[[], object], count: int) -> Callable[[], float]:
    """Microseconds of one operation, the mean of `count`."""

    def once() -> float:
        start = time.process_time()
        for _ in range(count):
            operation()
        return (time.process_time() - start) / count * 1e6

    return once


def child() -> None:
    """A round for each line of standard input; the first of all only warms up."""
    once = rounds()
    once()
    for _ in sys.stdin:
        print(json.dumps(once()), flush=True)


@contextmanager
def measured(root: Path) -> Iterator[Callable[[], Figures]]:
    """A process with the code of this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(root / "core")}
    command = [sys.executable, __file__, "--child"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        told, tell = process.stdout, process.stdin
        assert told is not None and tell is not None

        def once() -> Figures:
            tell.write("\n")
            tell.flush()
            figures: Figures = json.loads(told.readline())
            return figures

        yield once


def ratios(other: Path, count: int) -> dict[str, list[float]]:
    """This one's figures over the other's, one for each pair of rounds; who goes first changes."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        sides = [stack.enter_context(measured(root)) for root in (HERE, other)]
        for number in range(count):
            order = (0, 1) if number % 2 else (1, 0)
            taken = {side: sides[side]() for side in order}
            for name, value in taken[0].items():
                found.setdefault(name, []).append(value / taken[1][name])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, nargs="?", default=HERE, help="root of the other checkout")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child()
        return
    if not (arguments.other / "core" / "essaim").is_dir():
        parser.error("that is not the root of a checkout")
    for name, each in ratios(arguments.other.resolve(), max(arguments.rounds, 2)).items():
        low, middle, high = quantiles(each, n=4)
        print(f"{name:16} {middle:6.3f}   quartiles {low:.3f} {high:.3f}")


if __name__ == "__main__":
    main()
