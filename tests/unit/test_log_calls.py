"""Every place in nodes' code that writes to the log does it through the allow-list, with fields that it knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from essaim.runtime.logs import FIELDS

ROOT = Path(__file__).parents[2]
LOGS = "essaim.runtime.logs"
OWNER = ROOT / "core" / "essaim" / "runtime" / "logs.py"
OTHER_WAYS = {"logging", "structlog", "traceback", "syslog"}
SOURCES = sorted(
    file
    for pattern in ("core/essaim/runtime/**/*.py", "core/essaim/network/**/*.py", "services/*/essaim_*/**/*.py")
    for file in ROOT.glob(pattern)
    if file != OWNER
)


def faults_of(source: str) -> Iterator[str]:
    """What is wrong with a module, in words."""
    tree = ast.parse(source)
    writers = names_of_writers(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"imports {name}" for name in names if name.partition(".")[0] in OTHER_WAYS)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in writers:
            yield from (f"unknown field {each.arg}" for each in node.keywords if each.arg and each.arg not in FIELDS)
            if node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                yield f"event is text: {ast.unparse(node.args[0])}"


def names_of_writers(tree: ast.Module) -> set[str]:
    found = {"logs.write", "logs.fault"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == LOGS:
            found |= {each.asname or each.name for each in node.names if each.name in ("write", "fault")}
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_module_logs_through_the_allow_list_alone(file: Path) -> None:
    assert list(faults_of(file.read_text())) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import logging", "imports logging"),
        ("from structlog import get_logger", "imports structlog"),
        ("from essaim.runtime import logs\nlogs.write(E.X, address=1)", "unknown field address"),
        (
            "from essaim.runtime.logs import write as say\nsay('peer ' + x, count=1)\nsay('text')",
            "event is text: 'text'",
        ),
        ("from essaim.runtime import logs\nlogs.write(f'{peer}')", "event is text: f'{peer}'"),
    ],
)
def test_check_finds_each_way_around(source: str, fault: str) -> None:
    assert fault in list(faults_of(source))
