# ruff: noqa: E402  (tools/ is put on the path first, so that this file runs by itself)
"""`make bench`: runs the benches, writes build/bench.json and prints a table.

    python tests/bench/run.py [--large] [--only PREFIX] [--seconds N --runs N --clients N]

`--only e2e.store` measures just what begins so; the others are for a look, and the conditions say it.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import attachment_bench
import catchup_bench
import e2e_crypto_bench
import floor_bench
import group_bench
import import_bench
import network_bench
import onion_bench
import opengroup_bench
import push_bench
import relay_bench
import repair_bench
import storage_bench
import storage_rows_bench
import waiting_bench
from rich.console import Console
from scale import LARGE, Scale

from figures import Figures, Report, asked_for, markdown, merged, summarised, table
from testnet import Testnet

REPORT = ROOT / "build" / "bench.json"


@dataclass(frozen=True)
class Target:
    """A part of the whole that can be asked for: its keys begin with one of `prefixes`."""

    name: str
    prefixes: tuple[str, ...]
    measure: Callable[[Scale], list[Figures]]


@dataclass(frozen=True)
class NetworkTarget:
    """The same on a network that is up, and shared with the others of its kind."""

    name: str
    prefixes: tuple[str, ...]
    measure: Callable[[Testnet, Scale], list[Figures]]


def relay_runs(_: Scale) -> list[Figures]:
    """The relay's bench takes its three rounds itself."""
    figures = relay_bench.run()
    spread = figures.pop("relay.ratio_spread")
    return [{**figures, "relay.ratio.spread": spread}]


SMALL_STORAGE = tuple(f"storage.{each}" for each in ("store", "fsync", "retrieve", "bare", "repair", "catchup"))
"""All but what five million rows show (`storage.rows_`, `storage.rss_`), which is asked for by itself."""
ALONE = (
    Target("onion", ("onion.", "x25519_us"), lambda scale: [onion_bench.run() for _ in range(scale.runs)]),
    Target("relay", ("relay.",), relay_runs),
    Target("storage", SMALL_STORAGE, lambda _: [storage_bench.run() | repair_bench.run() | catchup_bench.run()]),
    Target(
        "opengroup",
        ("opengroup.post_", "opengroup.poll_", "opengroup.stream_"),
        lambda _: [opengroup_bench.figures()],
    ),
    Target("push", ("push.",), lambda _: [push_bench.figures()]),
    Target("client", ("client.",), lambda _: [e2e_crypto_bench.run() | group_bench.run() | import_bench.run()]),
    Target("floor", ("e2e.floor",), floor_bench.run),
    Target("start", ("testnet.ready_s",), network_bench.started),
)


def loops(only: str) -> Callable[[Testnet, Scale], list[Figures]]:
    """The closed loops of the modes that are asked for."""
    modes = [
        (operation, way)
        for operation, way in network_bench.MODES
        if asked_for([f"e2e.{operation}_cpu_x25519{'_send' if way == 'send' else ''}", f"e2e.{operation}_per_s"], only)
    ]
    return lambda net, scale: asyncio.run(network_bench.closed_loops(net, scale, modes))


def on_network(only: str) -> Sequence[NetworkTarget]:
    return (
        NetworkTarget("idle", ("testnet.idle",), network_bench.idle),
        NetworkTarget("e2e", ("e2e.store_cpu", "e2e.retrieve_cpu", "e2e.store_per", "e2e.retrieve_per"), loops(only)),
        NetworkTarget(
            "live",
            ("live.", "e2e.store_p50", "e2e.store_p99"),
            lambda net, scale: asyncio.run(network_bench.talks(net, scale)),
        ),
        NetworkTarget("attach", ("client.attach",), attachment_bench.attach),
        NetworkTarget("waiting", ("client.catchup_s_1k",), waiting_bench.waiting),
        NetworkTarget("memory", ("node.",), lambda net, _: [network_bench.memory(net)]),
    )


class Bench:
    """One call of `make bench`."""

    def __init__(self, scale: Scale, only: str, console: Console, *, classic: bool) -> None:
        self._scale = scale
        self._with_classic = only.endswith("_classic") or (classic and asked_for(("e2e.",), only))
        self._only = only
        self._console = console
        self.report: Report = json.loads(REPORT.read_text()) if REPORT.exists() else {}

    def run(self) -> None:
        for target in ALONE:
            if asked_for(target.prefixes, self._only):
                self._take(target.name, lambda target=target: target.measure(self._scale))
        wanted = [each for each in on_network(self._only) if asked_for(each.prefixes, self._only)]
        if wanted:
            with network_bench.network(self._scale.layout) as net:
                for each in wanted:
                    self._take(each.name, lambda each=each: each.measure(net, self._scale))
        if self._with_classic:
            self._classic()
        if self._scale.clients == LARGE.clients and asked_for(("storage.rows_", "storage.rss_"), self._only):
            self._take("storage_large", lambda: [storage_rows_bench.large()])
        if self._scale.clients == LARGE.clients and asked_for(("opengroup.search_",), self._only):
            self._take("opengroup_search", lambda: [opengroup_bench.search_figures()])

    def _classic(self) -> None:
        """The other suite on a network of its own, clients on Link."""
        layout = replace(self._scale.layout, suites=(1, 2))
        modes = [mode for mode in network_bench.MODES if mode[1] == "link"]
        with network_bench.network(layout) as net:
            measure = network_bench.closed_loops(net, self._scale, modes, "_classic")
            self._take("e2e_classic", lambda: asyncio.run(measure))

    def _take(self, name: str, measure: Callable[[], list[Figures]]) -> None:
        began = time.monotonic()
        figures = summarised(measure())
        seconds = time.monotonic() - began
        self.report = merged(self.report, name, figures, {**conditions(self._scale), "took_s": round(seconds, 1)})
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(json.dumps(self.report, indent=1) + "\n")
        self._console.print(f"{seconds:6.1f} s  {name}")


def conditions(scale: Scale) -> Report:
    """Under which a target measured."""
    return {
        "commit": _git("rev-parse", "--short=12", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else ""),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "machine": _processor(),
        "scale": asdict(scale),
        "spread": "highest minus lowest of the runs",
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> int:
    """0; a target that fails ends the run, what was measured before it is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="12 relays, 4 swarms, 64 clients, longer, classic too")
    parser.add_argument("--only", default="", metavar="PREFIX", help="only figures whose keys begin so")
    parser.add_argument("--seconds", type=float, help="seconds of a window, for a look")
    parser.add_argument("--clients", type=int, help="clients in closed loops, for a look")
    parser.add_argument("--runs", type=int, default=Scale.runs, help="runs of each (default: %(default)s)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nodes start from bytecode, as installed ones do: 3 MB less each
    scale = replace(LARGE if options.large else Scale(), runs=options.runs)
    if options.clients:
        scale = replace(scale, clients=options.clients)
    if options.seconds:
        scale = scale.shortened(options.seconds, options.runs)
    console = Console()
    bench = Bench(scale, options.only, console, classic=options.large)
    bench.run()
    console.print(table(bench.report))
    if options.markdown:
        options.markdown.write_text(markdown(bench.report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
