#!/usr/bin/env python3
"""Writes docs/operations/metrics.md from the metrics that the services declare: name, kind, labels, what it counts.

metrics_table.py            writes the file
metrics_table.py --check    exit code 1 when the file is not what would be written
"""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "operations" / "metrics.md"
DECLARING = {
    "Every service": (
        "essaim.network.room",
        "essaim.network.shed",
        "essaim.runtime.calls",
        "essaim.runtime.connections",
        "essaim.runtime.delivery",
        "essaim.runtime.discovery_client",
        "essaim.runtime.health",
        "essaim.runtime.lag",
        "essaim.runtime.logs",
        "essaim.runtime.metrics",
        "essaim.runtime.view_holder",
        "essaim.runtime.volume",
        "essaim.runtime.endpoint",
        "essaim.runtime.examiner",
    ),
}
"""The modules of the runtime with metrics, in the order of the page."""
SERVICES = ("relay", "storage", "discovery", "opengroup", "push")
COUNTING = ("metrics", "count")
"""Where a service declares its own."""
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "info": ("_info",), "histogram": ("_bucket", "_sum", "_count")}
HEAD = """\
# Metrics

Written by `tools/metrics_table.py` from what the services declare; do not edit.

Every node has a Prometheus page of its own (`--metrics`, `/metrics`); never make it public. A label's values are a
closed set: kinds, reasons and states, never a person, a mailbox, an address or another node. Beside these each page has
the process' own: `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`, `process_max_fds`,
`process_start_time_seconds` and Python's garbage collector. A histogram `x` is read as `x_bucket`, `x_sum`, `x_count`.
"""


@dataclass(frozen=True)
class Metric:
    """One declared metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    words: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus knows it."""
        return tuple(f"{self.name}{suffix}" for suffix in SUFFIXES[self.kind])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the file is out of date")
    options = parser.parse_args()
    page = render()
    if options.check:
        same = PAGE.is_file() and PAGE.read_text() == page
        if not same:
            sys.stderr.write(f"{PAGE.relative_to(ROOT)} is out of date: run tools/metrics_table.py\n")
        return 0 if same else 1
    PAGE.write_text(page)
    return 0


def render() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(title, metrics) for title, metrics in declared().items())])


def declared() -> Mapping[str, list[Metric]]:
    """By section. A metric belongs to the first section whose modules bring it."""
    found: dict[str, list[Metric]] = {}
    for title, modules in {**DECLARING, **_services()}.items():
        members = {id(each): each for name in modules for each in metrics_of(name)}
        metrics = (described(each) for each in members.values())
        seen = {each.name for earlier in found.values() for each in earlier}
        found[title] = sorted((each for each in metrics if each.name not in seen), key=lambda each: each.name)
    return found


def _services() -> Mapping[str, tuple[str, ...]]:
    """The services that are there and count something of their own."""
    named = {each: tuple(f"essaim_{each}.{name}" for name in COUNTING) for each in SERVICES}
    there = {each: tuple(filter(_exists, modules)) for each, modules in named.items()}
    return {f"essaim-{each}": modules for each, modules in there.items() if modules}


def _exists(module: str) -> bool:
    return bool(importlib.util.find_spec(module.partition(".")[0]) and importlib.util.find_spec(module))


def metrics_of(module: str) -> Iterator[MetricWrapperBase]:
    """Declared at module level; what a module imported from another is that one's, too."""
    for member in vars(importlib.import_module(module)).values():
        if isinstance(member, MetricWrapperBase) and not member._labelvalues:
            yield member


def described(metric: MetricWrapperBase) -> Metric:
    return Metric(metric._name, str(metric._type), tuple(metric._labelnames), metric._documentation or "")


def undeclared() -> set[str]:
    """Names of ours that the registry has and the page has not: a module is missing in DECLARING."""
    ours = {each.name for each in REGISTRY.collect() if each.name.startswith(("essaim_", "grpc_"))}
    return ours - {each.name for metrics in declared().values() for each in metrics}


def section(title: str, metrics: list[Metric]) -> str:
    lines = [f"## {title}", "", "| metric | kind | labels | what it says |", "| --- | --- | --- | --- |"]
    for each in metrics:
        name = each.name if each.kind == "histogram" else each.series[0]
        labels = ", ".join(f"`{label}`" for label in each.labels)
        lines.append(f"| `{name}` | {each.kind} | {labels} | {each.words} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
