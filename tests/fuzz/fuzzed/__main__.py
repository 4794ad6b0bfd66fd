"""python -m fuzzed run | report | keep | list | replay: the parsers of foreign bytes under a fuzzer."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import essaim  # noqa: F401  (before grpc)

if TYPE_CHECKING:
    from fuzzed.parser import Parser

MISSING = (
    "atheris is not installed: `make fuzz` installs it where there is a build of it (Linux on x86-64); `make test` "
    "replays the committed inputs without it."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing found; 1: a finding; 2: wrong words, or no atheris."""
    options = _parsed(arguments)
    if options.command == "run" and not _has_atheris():
        print(MISSING, file=sys.stderr)
        return 2
    from fuzzed.table import every

    parsers = every()
    unknown = sorted(set(options.parsers) - parsers.keys())
    if unknown:
        print(f"no such parser: {unknown[0]}; `python -m fuzzed list` names all.", file=sys.stderr)
        return 2
    chosen = [parsers[name] for name in options.parsers or parsers]
    match options.command:
        case "list":
            print("\n".join(each.name for each in chosen))
        case "keep":
            from fuzzed import corpus

            for parser in chosen:
                print(parser.name, corpus.keep(parser))
        case "replay":
            data = Path(options.file).read_bytes()
            print(*(f"{each.name}: {each.judge(data)}" for each in chosen), sep="\n")
        case "report":
            from fuzzed.report import written

            print(written(options.executions))
        case "run":
            return _run(chosen, options)
    return 0


def _has_atheris() -> bool:
    try:
        return importlib.util.find_spec("atheris") is not None
    except ValueError:
        return False


def _run(parsers: "Sequence[Parser]", options: argparse.Namespace) -> int:
    from fuzzed.campaign import Plan, run
    from fuzzed.report import Row, keep, rows, written

    done = rows() if options.rest else {}
    left = [each for each in parsers if each.name not in done or done[each.name].executions < options.executions]
    found = False
    for outcome in run(left, Plan(options.executions, options.jobs, options.seconds)):
        keep(Row.of(outcome))  # after each: who ends it early has a report of what was run
        said = f"FOUND {outcome.finding}" if outcome.finding else "nothing found"
        print(f"{outcome.name}: {outcome.executions:,} in {outcome.seconds:.0f} s, {said}", flush=True)
        found = found or outcome.finding is not None
        if options.report:
            written(options.executions)
    return int(found)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fuzzed", description=__doc__)
    parser.add_argument("command", choices=("run", "report", "keep", "list", "replay"))
    parser.add_argument("parsers", nargs="*", metavar="PARSER", help="all of them where none is named")
    parser.add_argument("--executions", type=int, default=1_000_000, help="of each parser")
    parser.add_argument("--seconds", type=int, default=0, help="at most, of each parser")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parsers at once")
    parser.add_argument("--rest", action="store_true", help="leave out whose longest run had as many executions")
    parser.add_argument("--report", action="store_true", help="write docs/reports/fuzz-<date>.md")
    parser.add_argument("--file", default="", help="the input of `replay`")
    return parser.parse_intermixed_args(arguments)  # parsers may stand behind options, as in `make fuzz`


if __name__ == "__main__":
    sys.exit(main())
