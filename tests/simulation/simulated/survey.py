"""Many seeds in a row, and what to write down of them: sums, time, and each seed that broke a promise."""

import signal
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from types import FrameType

from simulated.world import Report, Scenario, World

EVERY = 50
"""Seeds after which the report is written anew."""


@dataclass
class Survey:
    """Of the seeds from `first` on, in order; `seeds` of them are through."""

    first: int
    seeds: int = 0
    sums: list[int] = field(default_factory=lambda: [0] * len(fields(Report)))
    broken: dict[int, str] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    stopped: bool = False

    def run(self, seeds: Iterable[int], scenario: Scenario, world: type[World], report: Path | None) -> None:
        """Until they are through, or the process is told to end: then the seed under way does not count."""
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            for seed in seeds:
                self._try(seed, scenario, world)
                if report is not None and self.seeds % EVERY == 0:
                    report.write_text(str(self))
        except KeyboardInterrupt:
            self.stopped = True
        if report is not None:
            report.write_text(str(self))

    def _try(self, seed: int, scenario: Scenario, world: type[World]) -> None:
        began = time.process_time()
        try:
            found = world(seed, scenario).run()
            self.sums = [before + more for before, more in zip(self.sums, astuple(found), strict=True)]
        except Exception as error:  # noqa: BLE001 - an assertion of the machines is a finding, too
            self.broken[seed] = f"{type(error).__name__}: {error}"
            print(seed, "BROKEN:", self.broken[seed], flush=True)
        self.seeds += 1
        self.cpu_seconds += time.process_time() - began

    def __str__(self) -> str:
        named = zip((each.name.replace("_", " ") for each in fields(Report)), self.sums, strict=True)
        lines = [
            f"seeds {self.first} to {self.first + self.seeds - 1}: {len(self.broken)} of {self.seeds} broke a promise",
            f"{self.cpu_seconds:.0f} s of processor time, {self.cpu_seconds / max(1, self.seeds):.3f} s a seed",
            ", ".join(f"{amount:,} {name}" for name, amount in named),
            *(f"seed {seed}: {promise}" for seed, promise in self.broken.items()),
        ]
        return "\n".join(lines) + "\n"


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
