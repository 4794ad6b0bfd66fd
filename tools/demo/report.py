"""What the demo shows: progress for people, one JSON object for programs."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console


@dataclass
class Step:
    """One step of the story. `evidence` is what was observed, never what was hoped."""

    name: str
    ok: bool = False
    seconds: float = 0.0
    evidence: dict[str, Any] = field(default_factory=dict)


class StepFailedError(Exception):
    """The step's evidence is not what the story promises."""


class Report:
    """Collects steps; with `as_json` nothing but the final object reaches standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._began = time.monotonic()
        self.console = Console(file=sys.stderr if as_json else sys.stdout, highlight=False, soft_wrap=True)
        self.steps: list[Step] = []
        self.live_ms: list[float] = []
        self.path: list[dict[str, str]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step; whatever it raises is its failure, shown in a sentence, and ends the story."""
        step = Step(name)
        self.steps.append(step)
        began = time.monotonic()
        self.console.print(f"[bold]{name}[/bold]")
        try:
            yield step
            step.ok = True
        except Exception as error:
            step.evidence["error"] = f"{type(error).__name__}: {error}"
            self.console.print(f"  [red]failed[/red]: {step.evidence['error']}")
            raise StepFailedError(name) from error
        finally:
            step.seconds = round(time.monotonic() - began, 3)
        self.console.print(f"  [green]done[/green] in {step.seconds:.2f} s")

    def say(self, text: str) -> None:
        self.console.print(f"  {text}")

    def finish(self, *, complete: bool) -> int:
        """Print the result; the exit code."""
        ok = complete and all(step.ok for step in self.steps)
        seconds = round(time.monotonic() - self._began, 3)
        if self._as_json:
            steps = [asdict(step) for step in self.steps]
            print(
                json.dumps({"ok": ok, "seconds": seconds, "steps": steps, "live_ms": self.live_ms, "path": self.path})
            )
        else:
            self.console.print(
                f"\n{'[green]All of it worked' if ok else '[red]It did not work'}[/] in {seconds:.1f} s."
            )
        return 0 if ok else 1
