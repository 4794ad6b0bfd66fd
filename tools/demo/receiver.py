"""The process that is woken in the demo: a bot's web server, with a certificate of its own."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from essaim.protocol.push.endpoint import Webhook
from essaim.protocol.push.url import Url
from essaim.protocol.push.webhook import read_secret


class Receiver:
    """`with Receiver(folder) as receiver`: it listens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        command = [sys.executable, "-m", "push_receiver", "webhook", "--folder", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
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

    def received(self) -> list[dict[str, object]]:
        """The wakes that it took, their signatures verified; `document` is all that they said."""
        with urllib.request.urlopen(f"{self._about['control']}/received") as answer:
            return list(json.load(answer))
