"""The web server of a bot that is woken: a receiver that is a process of its own."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from essaim.protocol.push.endpoint import Webhook
from essaim.protocol.push.url import Url
from essaim.protocol.push.webhook import read_secret

TOOLS = Path(__file__).resolve().parents[2] / "tools"


class Bot:
    """Ended by `end`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "push_receiver", "webhook", "--folder", str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": str(TOOLS)}, text=True)
        assert self._process.stdout is not None
        self.about = json.loads(self._process.stdout.readline())
        told = self.about["endpoint"]
        self.endpoint = Webhook(Url.parse(told["url"]), read_secret(told["secret"]))

    def received(self) -> list[dict[str, object]]:
        """What came, each with its id; what was not signed as it must be is in it, too."""
        return list(json.loads(self._control("GET")))

    def forget(self) -> None:
        self._control("DELETE")

    def _control(self, method: str) -> bytes:
        asked = urllib.request.Request(f"{self.about['control']}/received", method=method)
        with urllib.request.urlopen(asked) as answer:
            return bytes(answer.read())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
