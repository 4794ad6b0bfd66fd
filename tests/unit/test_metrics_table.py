"""docs/operations/metrics.md says what the services declare; names and labels keep the rules of the house."""

import importlib
import pkgutil
import re
from pathlib import Path

import metrics_table

SERVICES = (Path(__file__).resolve().parents[2] / "services").glob("*/essaim_*/__main__.py")
PACKAGES = ["essaim.network", "essaim.runtime", *sorted(each.parent.name for each in SERVICES)]
LABELS = {"outcome", "reason", "kind", "role", "state", "limit", "full", "side", "method", "direction", "health"}
LABELS |= {"action", "status", "event", "level", "what", "grpc_service", "grpc_method", "grpc_code"}
UNITS = ("_seconds", "_bytes", "_cells", "_changes", "_actions")
"""A histogram says what it is of."""


def test_page_is_up_to_date() -> None:
    assert metrics_table.PAGE.read_text() == metrics_table.render(), "run tools/metrics_table.py"


def test_page_has_every_metric_of_every_module() -> None:
    assert len(PACKAGES) >= 5
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(package.__path__, f"{name}."):
            if not module.ispkg and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    assert not metrics_table.undeclared()


def test_a_metric_that_no_section_has_is_found() -> None:
    from prometheus_client import REGISTRY, Counter

    stray = Counter("essaim_stray", "Declared where nobody looks.")
    try:
        assert metrics_table.undeclared() == {"essaim_stray"}
    finally:
        REGISTRY.unregister(stray)


def test_names_labels_and_words_are_of_the_house() -> None:
    for metrics in metrics_table.declared().values():
        for each in metrics:
            assert re.fullmatch(r"(essaim|grpc)_[a-z]+(_[a-z]+)*", each.name)
            assert set(each.labels) <= LABELS, f"{each.name}: is the label's set closed?"
            assert each.words.endswith(".") and len(each.words) > 12, each.name
            assert each.kind != "histogram" or each.name.endswith(UNITS), each.name
