"""What a campaign found, as a page that can be committed."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from fuzzed.campaign import Outcome
from fuzzed.corpus import ROOT

HEAD = """# Fuzzing of {date}, commit {commit}

`{command}`: atheris (libFuzzer) on each parser of foreign bytes, coverage of our own Python code. Inputs begin with the
committed corpus and each harness's seeds; where a sender signs or seals what it sends, the harness does, so that what
is inside is reached. Only the refusals that the harness names may come out. Edges: of bytecode, at the beginning and at
the end.

| parser | executions | took | edges | inputs | finding |
| --- | ---: | ---: | ---: | ---: | --- |
"""


def written(outcomes: Sequence[Outcome], command: str) -> Path:
    """docs/reports/fuzz-<date>.md."""
    now = datetime.now(UTC)
    path = ROOT / "docs" / "reports" / f"fuzz-{now:%Y-%m-%d}.md"
    lines = [_line(each) for each in sorted(outcomes, key=lambda each: each.name)]
    total = sum(each.executions for each in outcomes)
    found = sum(each.finding is not None for each in outcomes)
    seconds = sum(each.seconds for each in outcomes)
    end = f"\n{len(outcomes)} parsers, {total:,} executions in {seconds:,.0f} s; {found} findings.\n"
    head = HEAD.format(date=f"{now:%Y-%m-%d}", commit=_commit(), command=command)
    path.write_text(head + "".join(lines) + end)
    return path


def _line(outcome: Outcome) -> str:
    finding = "none" if outcome.finding is None else f"`{outcome.finding.name}`"
    edges = f"{outcome.covered[0]} to {outcome.covered[1]}"
    cells = (outcome.name, f"{outcome.executions:,}", f"{outcome.seconds:.0f} s", edges, str(outcome.inputs), finding)
    return f"| {' | '.join(cells)} |\n"


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    said = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()
    return said or "unknown"
