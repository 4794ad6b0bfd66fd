#!/usr/bin/env python3
"""Prints the sizes of files and functions, and fails for a file over 500 lines or a function over 50.

Counted is the Python under version control or about to be (not ignored), without generated stubs.
"""

import argparse
import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LIMIT = 500
FUNCTION_LIMIT = 50
AREAS = ("core", "client", "services", "tools", "tests")


@dataclass
class Sizes:
    """Lengths in lines, each with the place it was found at."""

    files: dict[str, int] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, source: str) -> None:
        self.files[name] = source.count("\n")
        for node in functions(ast.parse(source, name)):
            self.functions[f"{name}:{node.lineno} {node.name}"] = body_length(node)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quiet", action="store_true", help="print only what is over the limit")
    quiet: bool = parser.parse_args().quiet
    sizes = {area: Sizes() for area in AREAS}
    for name in python_files():
        area = name.partition("/")[0]
        if area in sizes:
            sizes[area].add(name, (ROOT / name).read_text())
    if not quiet:
        print_table(sizes)
    excess = sorted(over_the_limit(sizes))
    print(*excess, sep="\n", end="\n" if excess else "", file=sys.stderr)
    return 1 if excess else 0


def python_files() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def body_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def print_table(sizes: dict[str, Sizes]) -> None:
    print(f"{'':10}{'files':>7}{'lines':>8}{'file med':>10}{'p95':>6}{'max':>6}{'func med':>10}{'p95':>6}{'max':>6}")
    for area, found in sizes.items():
        if found.files:
            files, lengths = sorted(found.files.values()), sorted(found.functions.values()) or [0]
            row = (
                f"{area:10}{len(files):>7}{sum(files):>8}{statistics.median(files):>10.0f}{p95(files):>6}{files[-1]:>6}"
            )
            print(f"{row}{statistics.median(lengths):>10.0f}{p95(lengths):>6}{lengths[-1]:>6}")


def p95(ordered: list[int]) -> int:
    return ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]


def over_the_limit(sizes: dict[str, Sizes]) -> Iterator[str]:
    for found in sizes.values():
        for name, lines in found.files.items():
            if lines > FILE_LIMIT:
                yield f"{name}: {lines} lines, the limit is {FILE_LIMIT}"
        for name, lines in found.functions.items():
            if lines > FUNCTION_LIMIT:
                yield f"{name}: {lines} lines, the limit is {FUNCTION_LIMIT}"


if __name__ == "__main__":
    sys.exit(main())
