"""Somebody at a terminal: a program on a real pty, and what its screen shows."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pyte

COLUMNS, ROWS = 110, 32
PATIENCE_SECONDS = 60.0


class Terminal:
    """`with Terminal(home, "chat", account) as at`: type into it, and wait for what is to be seen."""

    def __init__(
        self, home: Path, *arguments: str, passphrase: str | None = "pass", program: tuple[str, ...] = ()
    ) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ESSAIM_")}
        environment |= {"ESSAIM_HOME": str(home), "TERM": "xterm-256color"}
        if passphrase is not None:
            environment["ESSAIM_PASSPHRASE"] = passphrase
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._master, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        command = [*(program or (sys.executable, "-m", "essaim_client")), *arguments]
        # Not pty.fork: a process with gRPC's threads is not forked by Python code. `setsid` makes it their terminal.
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    @property
    def text(self) -> str:
        """The screen as a person sees it now."""
        self._take(0)
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def hides(self) -> bool:
        """Whether what is typed is not shown: a moment after the prompt. What came until then is thrown away."""
        return not termios.tcgetattr(self._master)[3] & termios.ECHO

    def _take(self, seconds: float) -> bool:
        """What the program has written since; False when all of it was read and it has ended."""
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # nobody has the other end open
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

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
        self.press(text + "\r")

    def press(self, keys: str) -> None:
        """As they are."""
        os.write(self._master, keys.encode())

    def ended(self) -> int:
        """Its exit code, when it has ended."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self._take(0.2):
            assert time.monotonic() < end, f"still running\n{self.text}"
        return self.process.wait(PATIENCE_SECONDS)
