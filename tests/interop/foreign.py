"""A client in another language: a program that is run for each thing it shall do, and prints JSON lines."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 40


@dataclass(frozen=True)
class Foreign:
    """`command` and a store of its own: between two commands nothing of it runs."""

    command: tuple[str, ...]
    store: Path

    def run(self, *arguments: str) -> list[dict[str, Any]]:
        done = self.attempt(*arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command, environment = [*self.command, str(self.store), *arguments], os.environ | {"ESSAIM_PASSPHRASE": "pass"}
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment)

    @property
    def id(self) -> str:
        return str(self.run("show")[0]["id"])

    def send(self, account: str, text: str) -> None:
        assert self.run("send", account, text) == [{"sent": True}]

    def receive(self) -> list[tuple[str, str]]:
        return [(each["from"], each["text"]) for each in self.run("receive")]

    @contextmanager
    def listening(self) -> Iterator[Iterator[dict[str, Any]]]:
        """Lines as they come; from the first on, what comes comes live."""
        command, environment = [*self.command, str(self.store), "listen"], os.environ | {"ESSAIM_PASSPHRASE": "pass"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout
            lines = (json.loads(line) for line in process.stdout)
            try:
                first = next(lines)
                assert first == {"listening": True}, first
                yield lines
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    assert process.wait(20) == 0
                finally:
                    process.kill()
