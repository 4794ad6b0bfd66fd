"""Every query of the chart: of its dashboards, and of its rules."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser

import metrics_table

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "essaim" / "files" / "dashboards"
EVERYBODY_HAS = {
    *("up", "ALERTS", "process_open_fds", "process_max_fds", "process_cpu_seconds_total"),
    "process_resident_memory_bytes",
}
COMPARISONS = {">", "<", ">=", "<=", "==", "!="}
SETS = {"and", "unless"}
Rule = Mapping[str, Any]


@dataclass(frozen=True)
class Query:
    """`where` says whose it is."""

    where: str
    expr: str


def fill(expr: str, namespace: str = "essaim", release: str = "net", interval: str = "10s") -> str:
    """The variables of a dashboard as Grafana would fill them in."""
    return expr.replace("$namespace", namespace).replace("$release", release).replace("$__rate_interval", interval)


def of_dashboards() -> Iterator[Query]:
    """What Grafana would ask of this release."""
    for file in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield Query(f"{file.stem}: {panel['title']}", fill(target["expr"]))


def of_rules(rules: Sequence[Rule]) -> Iterator[Query]:
    """What is recorded, and of each alert both sides of what it compares: an alert that is quiet has no data itself."""
    for each in rules:
        name = each.get("record") or each["alert"]
        for expr in operands(each["expr"]) if "alert" in each else [each["expr"]]:
            yield Query(f"rule: {name}", expr)


def operands(expr: str) -> list[str]:
    """What is compared: `a > b and c < 1` asks for a, b and c."""
    return [found for found in _operands(promql_parser.parse(expr)) if re.search(r"[a-z]", found)]


def _operands(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.ParenExpr):
        yield from _operands(node.expr)
    elif isinstance(node, promql_parser.BinaryExpr) and str(node.op) in COMPARISONS | SETS:
        yield from _operands(node.lhs)
        yield from _operands(node.rhs)
    else:
        yield str(node)


def metrics_in(expr: str) -> set[str]:
    """The names of its selectors."""
    bare = re.sub(r'"[^"]*"|\[[^]]*\]', "", re.sub(r"\{[^}]*\}", "{}", expr))
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=\{)", bare))


def known(rules: Sequence[Rule]) -> set[str]:
    """Every name that Prometheus has of our nodes, and of the rules that record."""
    series = {name for metrics in metrics_table.declared().values() for each in metrics for name in each.series}
    return series | EVERYBODY_HAS | {each["record"] for each in rules if "record" in each}
