"""What campaigns found, kept parser by parser, and as a page that can be committed."""

import json
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from fuzzed.campaign import Outcome
from fuzzed.corpus import ROOT, WORKING

KEPT = WORKING / "outcomes.jsonl"
REPORTS = ROOT / "docs" / "reports"
HEAD = """# Fuzzing, as of {date}

`python -m fuzzed run`, as `make fuzz` does it: atheris (libFuzzer) on each parser of foreign bytes, coverage of our own
Python code. Inputs begin with the committed corpus and each harness's seeds; where a sender signs or seals what it
sends, the harness does, so that what is inside is reached. Only the refusals that the harness names may come out.
Edges: of bytecode, at the beginning and at the end. Of several runs of a parser the longest counts, at the commit that
it names; a finding stays until a later run, as long at least, is without one.

**{full} of {count} parsers had {aim:,} executions in one run.**

| parser | executions | took | edges | inputs | commit | finding |
| --- | ---: | ---: | ---: | ---: | --- | --- |
"""


@dataclass(frozen=True)
class Row:
    """One run of one parser, as the page has it."""

    name: str
    executions: int
    seconds: float
    edges: str
    inputs: int
    commit: str
    finding: str = ""

    @classmethod
    def of(cls, outcome: Outcome) -> "Row":
        edges = f"{outcome.covered[0]} to {outcome.covered[1]}"
        finding = outcome.finding.name if outcome.finding else ""
        return cls(outcome.name, outcome.executions, outcome.seconds, edges, outcome.inputs, commit(), finding)

    @property
    def line(self) -> str:
        finding = f"`{self.finding}`" if self.finding else "none"
        numbers = f"{self.executions:,}", f"{self.seconds:.0f} s", self.edges, str(self.inputs)
        return f"| {' | '.join((self.name, *numbers, self.commit, finding))} |\n"


def keep(row: Row) -> None:
    """Beside what earlier runs found."""
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with KEPT.open("a") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def rows() -> dict[str, Row]:
    """By parser: its longest run; of those that are as long the last one; a finding before what came until then."""
    best: dict[str, Row] = {}
    lines = KEPT.read_text().splitlines() if KEPT.exists() else []
    for row in (Row(**json.loads(line)) for line in lines):
        if row.finding or row.name not in best or row.executions >= best[row.name].executions:
            best[row.name] = row
    return best


def written(aim: int) -> Path:
    """docs/reports/fuzz-<date>.md, of all that is kept."""
    now, found = datetime.now(UTC), sorted(rows().values(), key=lambda each: each.name)
    path = REPORTS / f"fuzz-{now:%Y-%m-%d}.md"
    full = sum(each.executions >= aim for each in found)
    head = HEAD.format(date=f"{now:%Y-%m-%d}", full=full, count=len(found), aim=aim)
    total, seconds = sum(each.executions for each in found), sum(each.seconds for each in found)
    findings = sum(bool(each.finding) for each in found)
    end = f"\n{len(found)} parsers, {total:,} executions in {seconds:,.0f} s; {findings} findings.\n"
    path.write_text(head + "".join(each.line for each in found) + end)
    return path


def commit() -> str:
    """Short; with a plus where files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    said = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()
    return said or "unknown"
