"""The cluster's own processes: each has a file with its id and a file with its log, and is ended by that id alone."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from cluster.command import inside
from cluster.place import Place


def start(place: Place, name: str, command: Sequence[str | Path]) -> None:
    """In the cluster's network namespace; it goes on when we end."""
    (place.folder / "run").mkdir(parents=True, exist_ok=True)
    place.logs.mkdir(exist_ok=True)
    with (place.logs / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            inside(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    file(place, name).write_text(f"{process.pid} {born(process.pid)}")
    process.returncode = 0  # nobody waits for it here: it is found again by its id, and outlives this command


def alive(place: Place, name: str) -> bool:
    return process_of(place, name) is not None


def stop(place: Place, name: str, seconds: float = 10.0) -> None:
    """Ask, wait, then kill."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, seconds)):
        pid = process_of(place, name)
        if pid is None:
            break
        os.kill(pid, number)
        deadline = time.monotonic() + patience
        while alive(place, name) and time.monotonic() < deadline:
            time.sleep(0.05)
    file(place, name).unlink(missing_ok=True)


def process_of(place: Place, name: str) -> int | None:
    """Its id while it lives. The time of its birth tells it from a later process with the same id."""
    try:
        pid, time_of_birth = file(place, name).read_text().split()
    except OSError:
        return None
    return int(pid) if born(int(pid)) == time_of_birth else None


def born(pid: int) -> str:
    """Clock ticks since boot; empty when there is no such process, or a dead one that nobody has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def file(place: Place, name: str) -> Path:
    return place.folder / "run" / name


def last_words(place: Place, name: str) -> str:
    """The last line of its log."""
    lines = (place.logs / f"{name}.log").read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
