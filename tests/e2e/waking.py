"""A device that sleeps, outside of the cluster, and the web server by which a push host in it wakes the device."""

import asyncio
import socket
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import urandom
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

from correspondence import CHEAP, PASSPHRASE
from essaim.protocol.account import AccountId
from essaim.protocol.push.endpoint import Webhook
from essaim.protocol.push.url import Url
from essaim.protocol.push.webhook import verify
from essaim_client import Client, NetworkFile
from essaim_client.home import Home
from essaim_client.push.finding import PushHostUnknownError

BEGIN_SECONDS = 120.0
PATIENCE_SECONDS = 180.0
LONGEST_BODY = 65_536


class Bell:
    """`with Bell(address) as bell`: a web server at a free port of this machine, which `address` leads to."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.secret = urandom(32)
        self.deaf = False
        """It answers 503: the wake stays in the host's queue."""
        self.rung: list[str] = []
        """Ids of wakes that it took, their signatures verified."""
        self.refused = 0
        bell = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(min(int(self.headers.get("content-length", "0")), LONGEST_BODY))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(bell.ring(headers, body))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("0.0.0.0", 0), Door)  # pods come from elsewhere

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def endpoint(self) -> Webhook:
        return Webhook(Url.parse(f"http://{self._address}:{self.port}/wake"), self.secret)

    def ring(self, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer; WebhookRefusedError for what nobody signed ends the request."""
        wake = verify(self.secret, headers, body, int(time.time()))
        if self.deaf:
            self.refused += 1
            return 503
        self.rung.append(wake)
        return 204


def own_address(towards: str) -> str:
    """Of this machine, as the cluster's machine at `towards` sees it: not that machine's own, where it is another."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))  # sends nothing
        return str(probe.getsockname()[0])


async def until(holds: Callable[[], object], what: str) -> float:
    """How long it took, in seconds."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():  # noqa: ASYNC110  # the server's threads have no event of this loop
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {PATIENCE_SECONDS:.0f} s") from None
    return time.monotonic() - began


async def wake_through(
    network: NetworkFile, folder: Path, bell: Bell, delete: Callable[[], None], bring_back: Callable[[], None]
) -> dict[str, Any]:
    """One wake is in the host's queue when its pod is deleted, for another mail comes while there is no pod."""
    homes = [home(network, folder / name) for name in ("sleeper", "writer")]
    sleeper = await asyncio.wait_for(put_to_sleep(homes[0], bell), BEGIN_SECONDS)
    async with Client.open(homes[1], passphrase=PASSPHRASE) as writer:
        await asyncio.wait_for(writer.ready(), BEGIN_SECONDS)
        bell.deaf = True
        await writer.send(sleeper, "The host knows of this one.")
        await until(lambda: bell.refused, "the host has the wake")
        await asyncio.to_thread(delete)
        bell.deaf = False
        await asyncio.to_thread(bring_back)
        queued = await until(lambda: bell.rung, "the wake that was in the queue")
        await asyncio.to_thread(delete)
        before = len(bell.rung)
        await writer.send(sleeper, "Storage alone knows of this one.")
        await asyncio.to_thread(bring_back)
        owed = await until(lambda: len(bell.rung) > before, "the wake that storage owed")
    return {
        "refused before the pod was deleted": bell.refused,
        "the queued wake, after the pod was ready": f"{queued:.1f} s",
        "the owed wake, after the pod was ready": f"{owed:.1f} s",
        "wakes": len(bell.rung),
    }


def home(network: NetworkFile, path: Path) -> Path:
    """A new account."""
    Home.create(path, network, PASSPHRASE, urandom(32), CHEAP).close()
    return path


async def put_to_sleep(path: Path, bell: Bell) -> AccountId:
    """Registered once the push host is in the view that clients have, and gone."""
    async with Client.open(path, passphrase=PASSPHRASE) as me:
        await me.ready()
        while True:
            try:
                await me.push.enable(bell.endpoint, prompt=True)
            except PushHostUnknownError:
                await asyncio.sleep(1)
            else:
                return me.account_id
