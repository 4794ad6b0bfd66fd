"""Figures of the benches: what they shall be, how runs become one, how reports are merged and shown.

A report is one flat object of dotted keys and numbers, plus `conditions`: for each target that wrote into it, under
which conditions. Each target replaces its own keys and keeps the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

SPREAD = ".spread"
Figures = dict[str, float]
Report = dict[str, Any]


@dataclass(frozen=True)
class Aim:
    """What a figure shall be at most, or where `least` at least; `note` names what it is compared with."""

    aim: float | None
    stretch: float | None
    note: str = ""
    least: bool = False

    def reached(self, value: float) -> bool | None:
        """None where nothing is aimed at."""
        if self.aim is None:
            return None
        return value >= self.aim if self.least else value <= self.aim


AIMS: Mapping[str, Aim] = {
    "onion.unwrap_us": Aim(100, 80, "prototype 79"),
    "onion.build_us": Aim(900, 700, "prototype 710"),
    "onion.unwrap_ratio": Aim(None, None, "bare primitives summed: 1"),
    "onion.unwrap_us_classic": Aim(100, 80),
    "onion.build_us_classic": Aim(900, 700),
    "x25519_us": Aim(None, None, "the unit of CPU"),
    "relay.cells_per_s_core": Aim(None, None),
    "relay.ratio": Aim(0.45, 0.55, "unbatched 0.20, unary under 0.1", least=True),
    "e2e.store_cpu_x25519": Aim(34, 24, "Session's C++ server 42-52, no fsync, no post-quantum"),
    "e2e.store_cpu_x25519_send": Aim(34, 24, "likewise, clients on Send"),
    "e2e.retrieve_cpu_x25519": Aim(27, 20, "Session's C++ server 26-27"),
    "e2e.retrieve_cpu_x25519_send": Aim(27, 20, "likewise, clients on Send"),
    "storage.store_per_s_node": Aim(None, None, "envelopes that one node commits a second, 64 stores in flight"),
    "storage.fsync_per_store": Aim(0.2, None, "fsyncs of one node over envelopes it commits, likewise"),
    "storage.retrieve_per_s": Aim(None, None),
    "storage.repair_bytes_ratio": Aim(1.3, None, "bytes moved over bytes missing: 1% of 20,000 letters"),
    "storage.catchup_s_per_100k": Aim(None, None, "an empty disk, letters of 4,096 bytes, both ends on one core"),
    "storage.bare_commit_per_s": Aim(None, None, "plain SQLite, as many rows in a commit, on the same disk"),
    "storage.bare_rows_per_s": Aim(None, None, "likewise"),
    "storage.rows_5m_ratio": Aim(0.8, None, "store rate with 5 million rows over that with 10 thousand", least=True),
    "storage.rows_5m_disk_ratio": Aim(None, None, "likewise, of the disk's commits with no node around them"),
    "storage.rss_mb_5m": Aim(None, None, "of the process that has them open"),
    "e2e.floor_store_cpu_x25519": Aim(None, None, "the same messages by bare grpc.aio: no onion, no disk"),
    "e2e.floor_retrieve_cpu_x25519": Aim(None, None, "likewise"),
    "e2e.store_per_s": Aim(None, None, "C++ 771-936"),
    "e2e.retrieve_per_s": Aim(None, None, "C++ 1,728-1,867"),
    "e2e.store_p50_ms": Aim(None, None),
    "e2e.store_p99_ms": Aim(None, None),
    "live.p50_ms": Aim(25, 15),
    "live.p99_ms": Aim(100, 50),
    "opengroup.post_per_s": Aim(1500, None, "acknowledged on disk; Session's server 149", least=True),
    "opengroup.poll_per_s": Aim(2000, None, "signed; Session's server 66-106", least=True),
    "opengroup.stream_fanout_ms_p99": Aim(250, None, "500 listeners"),
    "opengroup.search_ms_1m": Aim(None, None, "one million posts"),
    "opengroup.post_per_s_postgresql": Aim(1500, None, "acknowledged on disk; Session's server 149", least=True),
    "opengroup.poll_per_s_postgresql": Aim(2000, None, "signed; Session's server 66-106", least=True),
    "opengroup.stream_fanout_ms_p99_postgresql": Aim(250, None, "500 listeners"),
    "opengroup.search_ms_1m_postgresql": Aim(None, None, "one million posts"),
    "client.handshake_ms": Aim(1, None, "both sides, the bundle's check included"),
    "client.ratchet_us": Aim(60, None, "a message sealed and opened"),
    "client.catchup_s_1k": Aim(None, None, "1,000 texts that wait: read, opened, kept, confirmed"),
    "client.import_ms": Aim(400, None, "`import essaim_client` in a fresh interpreter"),
    "client.attach_mb_per_s": Aim(4, None, "whole testnet on two cores", least=True),
    "push.wakes_per_s": Aim(1000, None, "from a storage node's link to the provider's call, each fsynced", least=True),
    "push.wake_p50_ms": Aim(250, None, "from the storage node's sending to the provider's call, prompt"),
    "push.wake_p99_ms": Aim(250, None, "likewise"),
    "push.latency_p50_ms": Aim(250, None, "from send() to the provider's call, prompt, through the whole network"),
    "push.latency_p99_ms": Aim(250, None, "likewise"),
    "push.recovery_s": Aim(None, None, "from kill -9 until all is told, the start included"),
    "push.wakes_per_s_postgresql": Aim(1000, None, "likewise", least=True),
    "push.wake_p50_ms_postgresql": Aim(250, None, "likewise"),
    "push.wake_p99_ms_postgresql": Aim(250, None, "likewise"),
    "push.recovery_s_postgresql": Aim(None, None, "likewise"),
    "testnet.ready_s": Aim(20, 8),
    "node.rss_mb": Aim(90, 70),
    "testnet.idle_cpu_percent": Aim(5, 2),
}


def summarised(runs: Sequence[Figures]) -> Figures:
    """The median of each key over the runs that have it, and of several runs the spread, highest minus lowest."""
    figures: Figures = {}
    for key in dict.fromkeys(key for run in runs for key in run):
        values = [run[key] for run in runs if key in run]
        figures[key] = median(values)
        if len(values) > 1:
            figures[key + SPREAD] = max(values) - min(values)
    return figures


def asked_for(prefixes: Iterable[str], only: str) -> bool:
    """Whether `--only` leaves anything to do for a target that owns these prefixes."""
    return any(prefix.startswith(only) or only.startswith(prefix) for prefix in prefixes)


def merged(old: Report, target: str, figures: Figures, conditions: Report) -> Report:
    """The report with the target's new figures in place of those that it measures again; the others stay."""
    keys = {key.removesuffix(SPREAD) for key in figures}
    kept = {key: value for key, value in old.items() if key.removesuffix(SPREAD) not in keys and key != "conditions"}
    told = {**old.get("conditions", {}), target: conditions}
    return {**dict(sorted({**kept, **figures}.items())), "conditions": told}


class Row(NamedTuple):
    """A figure as it is shown."""

    key: str
    aim: str
    stretch: str
    value: str
    spread: str
    reached: bool | None


def rows(report: Report) -> list[Row]:
    """First what is aimed at, in the aims' order, then the rest."""
    keys = [key for key in report if key != "conditions" and not key.endswith(SPREAD)]
    order = {key: number for number, key in enumerate(AIMS)}
    return [_row(report, key) for key in sorted(keys, key=lambda key: (order.get(key, len(order)), key))]


def _row(report: Report, key: str) -> Row:
    aim, value = AIMS.get(key, Aim(None, None)), report[key]
    spread = _shown(report.get(key + SPREAD))
    return Row(key, _shown(aim.aim), _shown(aim.stretch), _shown(value), spread, aim.reached(value))


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def table(report: Report) -> Table:
    """For a terminal."""
    drawn = Table()
    drawn.add_column("figure", no_wrap=True)
    for name in ("aim", "stretch", "value", "spread"):
        drawn.add_column(name, justify="right")
    drawn.add_column("to beat or bound")
    for key, aim, stretch, value, spread, reached in rows(report):
        style = "" if reached is None else "green" if reached else "red"
        note = AIMS[key].note if key in AIMS else ""
        drawn.add_row(key, aim, stretch, Text(value, style=style), spread, note)
    return drawn


def markdown(report: Report) -> str:
    """The same for a file."""
    lines = ["| figure | aim | stretch | value | spread | aim reached |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    words = {None: "", True: "yes", False: "no"}
    lines += [
        f"| `{key}` | {aim} | {stretch} | {value} | {spread} | {words[reached]} |"
        for key, aim, stretch, value, spread, reached in rows(report)
    ]
    return "\n".join(lines) + "\n"
