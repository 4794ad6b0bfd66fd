"""One node of a testnet as a process of its own: start, wait until it is ready, kill, see."""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.02


class NodeDiedError(RuntimeError):
    """A process ended before it was ready; the message holds the end of its log."""


@dataclass(frozen=True)
class NodeProcess:
    """A process is found again by its folder alone, so that another command can kill it."""

    name: str
    command: tuple[str, ...]
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def logs(self) -> list[Path]:
        """Of this start and of all before it."""
        return sorted(self.folder.glob("log*.jsonl"))

    def start(self) -> None:
        """Start it, detached: it outlives the command that started it. The log of its former start is kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.rename(self.folder / f"log-{time.time_ns()}.jsonl")
        (self.folder / "listen.json").unlink(missing_ok=True)
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        (self.folder / "pid").write_text(str(process.pid))
        process.returncode = 0  # nobody waits for it here: it is found again by its pid, and may outlive this command

    @property
    def pid(self) -> int | None:
        """Of a process that runs; None otherwise (a zombie does not run)."""
        with suppress(OSError, ValueError, IndexError):
            pid = int((self.folder / "pid").read_text())
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            return pid if state != "Z" else None
        return None

    @property
    def facts(self) -> dict[str, Any]:
        """listen.json: address, metrics, node_id. Empty while it does not listen."""
        with suppress(OSError, ValueError):
            return dict(json.loads((self.folder / "listen.json").read_text()))
        return {}

    def await_ready(self, seconds: float) -> None:
        """Until its log says that it is ready. Raises NodeDiedError or TimeoutError."""
        until = time.monotonic() + seconds
        while not self.has_said("ready"):
            if self.pid is None:
                raise NodeDiedError(f"{self.name} ended before it was ready: {self._last_lines()}")
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name} is not ready after {seconds:.0f} s: {self._last_lines()}")
            time.sleep(POLL_SECONDS)

    def has_said(self, event: str) -> bool:
        """Whether the log of this start has the event."""
        needle = f'"event": "{event}"'.encode(), f'"event":"{event}"'.encode()
        with suppress(OSError):
            text = self.log.read_bytes()
            return any(each in text for each in needle)
        return False

    def _last_lines(self) -> str:
        with suppress(OSError):
            return " | ".join(self.log.read_text(errors="replace").splitlines()[-3:])
        return "no log"

    def signal(self, number: int) -> None:
        """Send a signal to it, if it runs."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.await_end(10)

    def stop(self, seconds: float = 40) -> None:
        """SIGTERM: drain, then end."""
        self.signal(signal.SIGTERM)
        self.await_end(seconds)

    def await_end(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self.pid is not None:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name} has not ended after {seconds:.0f} s")
            time.sleep(POLL_SECONDS)
