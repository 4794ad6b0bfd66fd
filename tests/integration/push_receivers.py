"""For tests/**/test_push_*.py: receivers as processes of their own, and providers that call them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from essaim.protocol.push.endpoint import Endpoint
from essaim.runtime.clock import SystemClock
from essaim_push.providers.notice import Notice, Urgency
from essaim_push.providers.outcome import Outcome
from essaim_push.providers.probe_input import read_endpoint
from essaim_push.providers.providers import Providers
from essaim_push.settings import PushSettings

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.0/8,::1/128"


class Receiver:
    """One process. `about` is what it said at its start."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = about

    def _call(self, method: str, path: str, document: Any = None) -> Any:
        body = None if document is None else json.dumps(document).encode()
        with urlopen(Request(self.about["control"] + path, body, method=method), timeout=10) as answer:
            told = answer.read()
        return json.loads(told) if told else None

    async def call(self, method: str, path: str, document: Any = None) -> Any:
        return await asyncio.to_thread(self._call, method, path, document)

    async def plan(self, **step: Any) -> None:
        await self.call("POST", "/plan", step)

    async def received(self) -> list[dict[str, Any]]:
        return await self.call("GET", "/received")

    async def forget(self) -> None:
        await self.call("DELETE", "/received")

    async def subscription(self, vapid: str = "") -> Endpoint:
        return read_endpoint(json.dumps(await self.call("POST", "/subscribe", {"vapid": vapid})))


@contextmanager
def receiver(kind: str, folder: Path) -> Iterator[Receiver]:
    """Listening; ended with the block."""
    command = [sys.executable, "-m", "push_receiver", kind, "--folder", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the receiver did not start"
        yield Receiver(json.loads(line))
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def providers(folder: Path, ca: str = "", skew_ms: int = 0, networks: str = LOOPBACK, **settings: Any):
    """Of a host in this process, whose clock is ahead by `skew_ms`."""
    told = PushSettings(
        data_dir=folder, provider_ca=ca or None, endpoint_networks=networks, **{"endpoint_seconds": 15.0, **settings}
    )
    async with Providers(told, lambda: SystemClock().now_ms() + skew_ms) as made:
        yield made


def notice(topic: str = "topic-1", preview: bytes | None = None, ttl: int = 3_600) -> Notice:
    return Notice(topic, ttl, Urgency.HIGH, preview)


async def outcome(providers: Providers, endpoint: Endpoint, **of: Any) -> Outcome:
    return await providers.deliver(endpoint, notice(**of))
