"""People outside the cluster: one writes numbered messages without a pause to another who listens, and to some who are
away. They live on an event loop of their own, so that they go on while a test runs kubectl.
"""

import asyncio
import base64
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from os import urandom
from pathlib import Path
from typing import Any, TypeVar

from nacl.pwhash import argon2id

from deployment import Deployment
from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import Genesis, NetworkView, Node, ViewKeeper, ViewRefusedError
from essaim_client import Client, NetworkFile
from essaim_client.home import Home
from essaim_client.network.direct import NoAnswerError, Seed, ask
from essaim_client.store.vault import Cost

T = TypeVar("T")
PASSPHRASE = "e2e"
CHEAP = Cost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)
PATIENCE_SECONDS = 120.0
BEGIN_SECONDS = 180.0
AWAY = 6
MESSAGES_FOR_EACH = 3


def network_file(deployment: Deployment) -> NetworkFile:
    """As NOTES.txt says it is made, with the node port of discovery as the seed."""
    published = deployment.get("configmap", f"{deployment.release}-genesis")
    genesis = Genesis.parse(base64.b64decode(published["binaryData"]["genesis.bin"]))
    service = deployment.get("service", f"{deployment.release}-discovery-0-outside")
    return NetworkFile(genesis, (f"{deployment.node_address}:{service['spec']['ports'][0]['nodePort']}",))


@dataclass
class Tally:
    """What became of the messages of one part of the story."""

    sent_ms: list[float] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    arrived: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> set[str]:
        """Acknowledged, and never read."""
        return self.acknowledged - set(self.arrived)

    @property
    def evidence(self) -> dict[str, Any]:
        took = sorted(self.sent_ms) or [0.0]
        return {
            "acknowledged": len(self.acknowledged),
            "failed requests": len(self.failed),
            "reasons": sorted(set(self.failed)),
            "arrived": len(set(self.arrived) & self.acknowledged),
            "lost": len(self.lost),
            "median to the acknowledgement, ms": round(took[len(took) // 2]),
            "longest, ms": round(took[-1]),
        }


class Correspondence:
    """`with Correspondence(network, folder) as people`; each method may be called from the test's own thread."""

    def __init__(self, network: NetworkFile, folder: Path) -> None:
        self._network = network
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="correspondence")
        self._stack = AsyncExitStack()
        self._arrived: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._numbers: Iterator[int] = iter(range(1_000_000))
        self._writing: asyncio.Task[None] | None = None
        self._tally = Tally()
        self._away: dict[Path, tuple[AccountId, set[str]]] = {}

    def __enter__(self) -> "Correspondence":
        self._thread.start()
        try:
            self._do(asyncio.wait_for(self._begin(), BEGIN_SECONDS))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._do(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    # For the test

    def newest_view(self) -> NetworkView | None:
        """What discovery serves now; None while it does not answer. The people hold theirs much longer."""
        return self._do(self._ask_view())

    @property
    def reader_id(self) -> AccountId:
        return self._reader.account_id

    @property
    def accounts(self) -> list[AccountId]:
        """Of everybody."""
        return [self._reader.account_id, self._writer.account_id, *(account for account, _ in self._away.values())]

    @property
    def acknowledged(self) -> int:
        """Messages of this part so far."""
        return len(self._tally.acknowledged)

    def write_to_those_away(self) -> int:
        """A few messages for each; how many were acknowledged in all."""
        return self._do(self._write_to_those_away())

    def await_those_away(self) -> Tally:
        """Each comes back and reads what waited."""
        return self._do(self._read_of_those_away())

    def begin(self, pause_seconds: float) -> None:
        """A new part: write until `end`."""
        self._tally = Tally()

        async def start() -> None:
            self._writing = asyncio.create_task(self._write(pause_seconds))

        self._do(start())

    def end(self) -> Tally:
        """Stop writing, and wait until what was acknowledged has arrived, or patience ends."""
        return self._do(self._end())

    # On the loop

    def _do(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def is_answered_by(self, node: Node) -> bool:
        """Whether a client outside reaches this very node where the view says it is: by its certificate."""
        return self._do(self._is_answered_by(node))

    async def _is_answered_by(self, node: Node) -> bool:
        try:
            await ask(node, 0, 0, now_ms)
        except NoAnswerError:
            return False
        return True

    async def _ask_view(self) -> NetworkView | None:
        genesis = self._network.genesis
        seed = Seed(self._network.seed_addresses[0], genesis.discovery_certificates)
        try:
            told = await ask(seed, 0, 0, now_ms)
            return ViewKeeper(genesis).accept(told.answer, now_ms())
        except (NoAnswerError, ViewRefusedError):
            return None

    async def _begin(self) -> None:
        for number in range(AWAY):
            home = self._home(f"away-{number}")
            async with self._open(home) as person:
                await person.ready()
                self._away[home] = (person.account_id, set())
        self._reader = await self._stack.enter_async_context(self._open(self._home("reader")))
        self._writer = await self._stack.enter_async_context(self._open(self._home("writer")))
        await self._reader.ready()
        listening = asyncio.create_task(self._listen())
        self._stack.push_async_callback(stopped, listening)
        await self._reader.live.wait()

    async def _close(self) -> None:
        if self._writing is not None:
            await stopped(self._writing)
        await self._stack.aclose()

    def _home(self, name: str) -> Path:
        home = self._folder / name
        Home.create(home, self._network, PASSPHRASE, urandom(32), CHEAP).close()
        return home

    def _open(self, home: Path) -> Client:
        return Client.open(home, passphrase=PASSPHRASE)

    async def _listen(self) -> None:
        async for message in self._reader.listen():
            self._arrived[message.text] += 1
            self._news.set()

    async def _write(self, pause_seconds: float) -> None:
        while True:
            await self._send(self._reader.account_id, f"message {next(self._numbers)}")
            await asyncio.sleep(pause_seconds)

    async def _send(self, to: AccountId, text: str) -> bool:
        began = time.monotonic()
        try:
            await self._writer.send(to, text)
        except ProtocolError as error:
            self._tally.failed.append(error.reason)
            return False
        self._tally.sent_ms.append((time.monotonic() - began) * 1_000)
        self._tally.acknowledged.add(text)
        return True

    async def _end(self) -> Tally:
        if self._writing is not None:
            await stopped(self._writing)
            self._writing = None
        tally = self._tally
        tally.arrived = self._arrived
        deadline = time.monotonic() + PATIENCE_SECONDS
        while tally.lost and time.monotonic() < deadline:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), deadline - time.monotonic())
            except TimeoutError:
                break
        return tally

    async def _write_to_those_away(self) -> int:
        for account, texts in self._away.values():
            for _ in range(MESSAGES_FOR_EACH):
                text = f"for later {next(self._numbers)}"
                if await self._send(account, text):
                    texts.add(text)
        return sum(len(texts) for _, texts in self._away.values())

    async def _read_of_those_away(self) -> Tally:
        tally = Tally()
        for home, (_, texts) in self._away.items():
            tally.acknowledged |= texts
            async with self._open(home) as person:
                tally.arrived.update(message.text for message in await person.receive())
        return tally


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def stopped(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
