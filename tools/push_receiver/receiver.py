"""A bot's web server as a process of its own, which is woken by webhooks: for the demo, stages and tests."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from essaim.protocol.push.endpoint import Webhook
from essaim.protocol.push.url import Url
from essaim.protocol.push.webhook import read_secret

TOOLS = Path(__file__).resolve().parents[1]


class Receiver:
    """`with Receiver(folder) as receiver`: it listens, with a certificate of its own."""

    def __init__(self, folder: Path, host: str = "localhost", enter: Sequence[str] = ()) -> None:
        """`host`: an address of its own, if not this machine's. `enter`: the beginning of its command, where it runs
        in another network namespace."""
        self._folder = folder
        self._command = (*enter, sys.executable, "-m", "push_receiver", "webhook", "--host", host)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        environment = {**os.environ, "PYTHONPATH": str(TOOLS)}
        command = [*self._command, "--folder", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        assert self._process.stdout is not None
        self._about = json.loads(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def certificate(self) -> Path:
        """Of its authority: a push host must be told to trust it."""
        return Path(self._about["ca"])

    @property
    def endpoint(self) -> Webhook:
        told = self._about["endpoint"]
        return Webhook(Url.parse(told["url"]), read_secret(told["secret"]))

    def received(self) -> list[dict[str, Any]]:
        """The wakes that came, each with its id; `document` is all that one said. What was not signed as it must be
        is among them, too."""
        return list(json.loads(self._control("GET", "received")))

    def forget(self) -> None:
        """What came, and what it was to refuse."""
        self._control("DELETE", "received")

    def refuse(self, status: int, times: int = 1) -> None:
        """The next calls."""
        self._control("POST", "plan", json.dumps({"status": status, "times": times}).encode())

    def _control(self, method: str, path: str, body: bytes | None = None) -> bytes:
        asked = urllib.request.Request(f"{self._about['control']}/{path}", data=body, method=method)
        with urllib.request.urlopen(asked) as answer:
            return bytes(answer.read())
