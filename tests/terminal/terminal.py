"""Somebody at a terminal: a program on a real pty, and what its screen shows."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

COLUMNS, ROWS = 110, 32
PATIENCE_SECONDS = 60.0


class Terminal:
    """`with Terminal(home, "chat", account) as at`: type into it, and wait for what is to be seen."""

    def __init__(
        self, home: Path, *arguments: str, passphrase: str | None = "pass", program: tuple[str, ...] = ()
    ) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ESSAIM_")}
        environment |= {"ESSAIM_HOME": str(home), "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
        if passphrase is not None:
            environment["ESSAIM_PASSPHRASE"] = passphrase
        command = [*(program or (sys.executable, "-m", "essaim_client")), *arguments]
        self.process = pexpect.spawn(command[0], command[1:], env=environment, dimensions=(ROWS, COLUMNS), timeout=60)
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.close(force=True)

    @property
    def text(self) -> str:
        """The screen as a person sees it now."""
        self._take(0)
        return "\n".join(line.rstrip() for line in self._screen.display)

    def _take(self, seconds: float) -> bool:
        """What the program has written since; False when it has ended."""
        if self.process.closed:
            return False
        try:
            data = self.process.read_nonblocking(65_536, seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True

    def wait(self, *wanted: str, until: Callable[[str], bool] | None = None) -> str:
        """Until all of these are on the screen; the screen. What is not seen in time is an AssertionError with it."""
        end, running = time.monotonic() + PATIENCE_SECONDS, True
        while True:
            text = self.text
            if all(each in text for each in wanted) and (until is None or until(text)):
                return text
            assert running and time.monotonic() < end, f"not seen: {wanted}\n{text}\n{self.raw[-2_000:]!r}"
            running = self._take(0.2)

    def type(self, text: str) -> None:
        """With Enter behind it."""
        self.process.send(text + "\r")

    def press(self, keys: str) -> None:
        """As they are."""
        self.process.send(keys)

    def ended(self) -> int:
        """Its exit code, when it has ended."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self._take(0.2):
            assert time.monotonic() < end, f"still running\n{self.text}"
        self.process.close()
        assert self.process.exitstatus is not None, self.process.signalstatus
        return int(self.process.exitstatus)
