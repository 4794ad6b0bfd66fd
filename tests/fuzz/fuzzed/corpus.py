"""Inputs on disk: tests/corpus/<parser>/ is committed and small, build/fuzz/<parser>/ is what a campaign works with."""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from fuzzed.parser import Parser

ROOT = Path(__file__).resolve().parents[3]
COMMITTED = ROOT / "tests" / "corpus"
WORKING = ROOT / "build" / "fuzz"
MOST_BYTES = 1_000_000
"""Of all that is committed."""
MOST_INPUTS = 32
"""Of one parser, beside those that were findings: their names begin with `finding`."""
WATCHED = ("/essaim", "/fuzzed/harness/")

Step = tuple[str, int, int]
"""From one line of a file to another."""


def inputs(folder: Path) -> list[bytes]:
    """In order of name; none where there is no such folder."""
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def write(folder: Path, found: Iterable[bytes]) -> None:
    """Each under the beginning of its hash."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in found:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def begin(parser: Parser) -> Path:
    """The folder that a campaign begins with: what it left before, what is committed, and the parser's own seeds."""
    folder = WORKING / parser.name / "corpus"
    write(folder, [*inputs(COMMITTED / parser.name), *parser.seeds()])
    return folder


def keep(parser: Parser) -> int:
    """Replace what is committed by the smallest inputs that reach as much; findings stay. How many there are."""
    folder = COMMITTED / parser.name
    named = sorted(folder.glob("finding*")) if folder.is_dir() else []
    found = {*inputs(folder), *inputs(WORKING / parser.name / "corpus"), *parser.seeds()}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path not in named:
            path.unlink()
    write(folder, fewest(parser, found))
    return len(list(folder.iterdir()))


def fewest(parser: Parser, found: Iterable[bytes]) -> list[bytes]:
    """Small inputs first, each that takes a step, or is refused for something, that no smaller one does."""
    reached: set[object] = set()
    kept: list[bytes] = []
    for data in sorted(found, key=lambda each: (len(each), each)):
        steps = set(_reached(parser, data))
        if not steps <= reached and len(kept) < MOST_INPUTS:
            kept.append(data)
            reached |= steps
    return kept


def _reached(parser: Parser, data: bytes) -> Iterator[object]:
    steps: set[Step] = set()
    before = sys.gettrace()
    sys.settrace(_tracer(steps))
    try:
        yield parser.judge(data)
    finally:
        sys.settrace(before)
    yield from steps


def _tracer(steps: set[Step]) -> Callable[[FrameType, str, Any], Any]:
    def call(frame: FrameType, _event: str, _: Any) -> Any:
        file, last = frame.f_code.co_filename, frame.f_lineno
        if not any(each in file for each in WATCHED):
            return None

        def line(frame: FrameType, _event: str, _: Any) -> Any:
            nonlocal last
            steps.add((file, last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line

    return call
