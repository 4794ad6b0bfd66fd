"""The report of a run: each step with what was seen, written as it happens, so that a failed run has one too."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Journal:
    """Writes `folder`/report.md and report.json."""

    def __init__(self, folder: Path, title: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._title = title
        self.facts: dict[str, Any] = {}
        self.proved: dict[str, list[str]] = {}
        self._steps: list[dict[str, Any]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """The evidence goes into what is given out; how it ended and how long it took are noted here."""
        evidence: dict[str, Any] = {}
        entry = {"step": name, "result": "failed", "seconds": 0.0, "evidence": evidence}
        self._steps.append(entry)
        began = time.monotonic()
        try:
            yield evidence
            entry["result"] = evidence.pop("result", "passed")
        finally:
            entry["seconds"] = round(time.monotonic() - began, 1)
            self.write()

    def write(self) -> None:
        content = {"title": self._title, **self.facts, "steps": self._steps, **self.proved}
        (self._folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")
        (self._folder / "report.md").write_text("\n".join(self._lines()) + "\n")

    def _lines(self) -> Iterator[str]:
        yield f"# {self._title}"
        yield ""
        for name, value in self.facts.items():
            yield f"- {name}: {told(value)}"
        yield ""
        yield "| step | result | took | seen |"
        yield "| --- | --- | --- | --- |"
        for entry in self._steps:
            seen = "; ".join(f"{name} {told(value)}" for name, value in entry["evidence"].items())
            yield f"| {entry['step']} | {entry['result']} | {entry['seconds']} s | {seen} |"
        for heading, lines in self.proved.items():
            yield ""
            yield f"## {heading}"
            yield ""
            yield from (f"- {line}" for line in lines)


def told(value: object) -> str:
    """Lists as words."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
