"""A campaign: each parser in a process of its own, a few at once, and what came of it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fuzzed import corpus
from fuzzed.parser import Parser

NICENESS = 19
TIMEOUT_SECONDS = 30
"""One input may take so long, on a busy machine; beyond it the parser hangs, and that is a finding."""
MEMORY_MIB = 2_048
_STATUS = re.compile(r"^#(\d+)\s+([A-Za-z]+)\s+cov: (\d+) ft: \d+ corp: (\d+)/", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """`covered`: edges of our code that were reached, first and last. `finding`: its input, or None."""

    name: str
    executions: int
    seconds: float
    covered: tuple[int, int]
    inputs: int
    finding: Path | None
    log: Path


@dataclass(frozen=True)
class Plan:
    """`seconds` ends a parser's turn early; 0: never."""

    executions: int
    at_once: int = 1
    seconds: int = 0


def run(parsers: Iterable[Parser], plan: Plan) -> Iterator[Outcome]:
    """Each outcome when it is there."""
    with ThreadPoolExecutor(plan.at_once) as pool:
        yield from pool.map(lambda parser: fuzz(parser, plan), parsers)


def fuzz(parser: Parser, plan: Plan) -> Outcome:
    """One parser, to the end of its turn or to its first finding."""
    folder = corpus.begin(parser)
    place = folder.parent
    log, findings = place / "log", place / "findings"
    findings.mkdir(exist_ok=True)
    before = set(findings.iterdir())
    flags = [
        f"-runs={plan.executions}",
        f"-max_total_time={plan.seconds}",
        f"-timeout={TIMEOUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-artifact_prefix={findings}/",
        "-reload=0",
        "-seed=1",
    ]
    command = [sys.executable, "-m", "fuzzed.worker", parser.name, *flags, str(folder)]
    began = time.monotonic()
    with log.open("w") as file:
        code = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, check=False, preexec_fn=lambda: os.nice(NICENESS)
        ).returncode
    seconds = time.monotonic() - began
    new = sorted(set(findings.iterdir()) - before)
    finding = new[0] if new else (log if code else None)
    executions, covered, kept = _read(log.read_text(errors="replace"))
    return Outcome(parser.name, executions, seconds, covered, kept, finding, log)


def _read(log: str) -> tuple[int, tuple[int, int], int]:
    """Executions, edges at the beginning and at the end, inputs that were worth keeping."""
    found = _STATUS.findall(log)
    if not found:
        return 0, (0, 0), 0
    first = next((each for each in found if each[1] == "INITED"), found[0])
    last = found[-1]
    return int(last[0]), (int(first[2]), int(last[2])), int(last[3])
