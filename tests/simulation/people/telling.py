"""Stories told one after the other, each with a note on disk: whoever was stopped goes on where they were.

A note is a line of build/stories/<tale>.tsv: date, commit, seed, passed or FAILED, seconds, what was shown in the end
(a hash: the same commit and seed show the same).
"""

import asyncio
import hashlib
import os
import subprocess
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from people.absences import Absences
from people.band import Band
from people.story import Story

ROOT = Path(__file__).resolve().parents[3]
NOTES = ROOT / "build" / "stories"
TALES = {"people": Story, "absences": Absences, "groups": Band}
STEPS = 40


class BrokenStoryError(Exception):
    """What is not as it must be in the end, or what came out on the way; and all that happened until then."""


@dataclass(frozen=True)
class Note:
    """One story that was told."""

    at: str
    commit: str
    seed: int
    result: str
    seconds: float
    shown: str

    @classmethod
    def read(cls, line: str) -> "Note":
        at, commit, seed, result, seconds, shown = line.split("\t")
        return cls(at, commit, int(seed), result, float(seconds), shown)

    @property
    def passed(self) -> bool:
        return self.result == "passed"


def seeds_of(words: str) -> range:
    """ "50" is 0 to 49, "210-219" just these."""
    first, dash, last = words.partition("-")
    return range(int(first), int(last) + 1) if dash else range(int(words))


def asked(default: str, *, share: int = 1) -> range:
    """What ESSAIM_STORIES asks for; of a number of stories (not of a range) only one in `share`, at least one."""
    words = os.environ.get("ESSAIM_STORIES", default)
    return seeds_of(words) if "-" in words else range(max(1, int(words) // share))


async def tell(tale: str, seed: int, folder: Path) -> str:
    """One story to its end, in a folder of its own; a hash of what every device showed. Raises BrokenStoryError."""
    async with TALES[tale](folder, seed) as story:
        try:
            await story.run(STEPS)
            await story.settle()
            problems = story.problems()
        except Exception as error:
            raise BrokenStoryError(f"seed {seed}: {error!r}\n{story.told}") from error
        if problems:
            raise BrokenStoryError(f"seed {seed}: {problems}\n{story.told}")
        return _hashed(story)


def _hashed(story: Story | Band) -> str:
    shown = [[(*front, sorted(reactions)) for *front, reactions in each] for each in story.everything()]
    return hashlib.sha256(repr((story.told, shown)).encode()).hexdigest()[:16]


def note(tale: str, seed: int) -> Note:
    """Tell it and say how that went; what went wrong goes to a file beside the notes."""
    at, began = datetime.now(UTC), time.monotonic()
    shown, result = "", "passed"
    with tempfile.TemporaryDirectory(prefix=f"{tale}-{seed}-") as folder:
        try:
            shown = asyncio.run(tell(tale, seed, Path(folder)))
        except BrokenStoryError:
            result = "FAILED"
            NOTES.mkdir(parents=True, exist_ok=True)
            (NOTES / f"{tale}-{seed}.txt").write_text(traceback.format_exc())
    return Note(f"{at:%Y-%m-%dT%H:%M:%SZ}", commit(), seed, result, round(time.monotonic() - began, 1), shown)


def keep(tale: str, made: Note) -> None:
    NOTES.mkdir(parents=True, exist_ok=True)
    with (NOTES / f"{tale}.tsv").open("a") as file:
        file.write("\t".join(map(str, astuple(made))) + "\n")


def notes(tale: str) -> list[Note]:
    """All that were kept, in their order."""
    path = NOTES / f"{tale}.tsv"
    return [Note.read(line) for line in path.read_text().splitlines()] if path.exists() else []


def newest(tale: str) -> dict[int, Note]:
    """The last note of each seed."""
    return {each.seed: each for each in notes(tale)}


def left(tale: str, seeds: Iterable[int]) -> list[int]:
    """Those of which no note says that they passed at this commit."""
    told = newest(tale)
    return [seed for seed in seeds if seed not in told or not told[seed].passed or told[seed].commit != commit()]


def ranges(seeds: Iterable[int]) -> Iterator[str]:
    """0 to 4 and 7 are "0-4", "7"."""
    first = last = None
    for seed in sorted(seeds):
        if last is not None and seed == last + 1:
            last = seed
            continue
        if last is not None:
            yield f"{first}-{last}" if first != last else str(first)
        first = last = seed
    if last is not None:
        yield f"{first}-{last}" if first != last else str(first)


@cache
def commit() -> str:
    """The one that this process began with, short; with a plus where files differed from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip() or "unknown"
