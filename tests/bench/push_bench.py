"""Push: wakes a second, the time from a wake to its provider's call, the return after kill -9; on each database.

A push host as a process of its own; this one is the storage node that sends, over a real link, and the receivers, plain
HTTP on loopback: TLS to providers is their libraries' share. All wakes are prompt, one for an endpoint, so that nothing
coalesces: each is a row written, leased and settled, and a call.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tools")]

import postgres_server  # noqa: E402
from essaim.protocol.push.endpoint import Webhook  # noqa: E402
from essaim.protocol.push.url import Url  # noqa: E402
from essaim.protocol.push.wake import MAX_WAKES, Wake  # noqa: E402
from essaim.protocol.view import Node  # noqa: E402
from essaim_client import Client  # noqa: E402
from essaim_client.network_file import NetworkFile  # noqa: E402
from push_host import SECRET  # noqa: E402
from push_network import PushNetwork, StorageStandIn  # noqa: E402
from testnet import Layout, Testnet  # noqa: E402
from testnet.process import NodeProcess  # noqa: E402

ENDPOINTS = 400
ROUNDS = 20
"""The first opens 400 sealed endpoints and 256 connections."""
APART = 0.1
"""Seconds between two wakes whose latency is measured."""
MEASURED = 200
STORED = 60
PASSPHRASE = "bench"
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
Figures = dict[str, float]


class Receivers(asyncio.Protocol):
    """All endpoints: notes when each was called, and says yes."""

    called: ClassVar[dict[str, list[float]]] = {}
    count = 0
    port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._rest) < end + 4 + length:
                return
            name = self._rest[: self._rest.index(b"\r\n")].split()[1].decode()
            self._rest = self._rest[end + 4 + length :]
            Receivers.called.setdefault(name, []).append(time.perf_counter())
            Receivers.count += 1
            assert isinstance(self._transport, asyncio.WriteTransport)
            self._transport.write(ANSWER)

    @classmethod
    async def until(cls, count: int) -> None:
        """So many calls have come, in all."""
        async with asyncio.timeout(120):
            while cls.count < count:  # noqa: ASYNC110  # nothing else is awaited in a bench
                await asyncio.sleep(0.002)


async def measure(url: str | None) -> Figures:
    """All figures of one database."""
    with tempfile.TemporaryDirectory() as folder, PushNetwork(Path(folder)) as network:
        server = await asyncio.get_running_loop().create_server(Receivers, "127.0.0.1", 0)
        Receivers.port = server.sockets[0].getsockname()[1]
        limits = {"wakes_per_second": 100_000, "origin_deliveries": 256}
        host = network.host(url, spacing_seconds=0, **limits)
        host.start()
        await asyncio.to_thread(host.await_ready, 30)
        async with StorageStandIn(network.net, Path(folder) / "storage") as storage:
            ids = await subscribed(storage, await storage.node(host))
            found = await rate(storage, await storage.node(host), ids)
            found |= await latency(storage, await storage.node(host), ids)
            found["recovery_s"] = await recovery(storage, host, ids)
        server.close()
        return found


async def subscribed(storage: StorageStandIn, node: Node) -> list[bytes]:
    ids = []
    for number in range(ENDPOINTS):
        endpoint = Webhook(Url.parse(f"http://127.0.0.1:{Receivers.port}/{number}"), SECRET)
        ids += await storage.subscribe(node, endpoint)
    return ids


def wakes(ids: Sequence[bytes]) -> list[Wake]:
    return [Wake(each, os.urandom(16)) for each in ids]


async def rate(storage: StorageStandIn, node: Node, ids: Sequence[bytes]) -> Figures:
    """From the first batch until the last call: each endpoint is woken again once all have been told."""
    began, told = time.perf_counter(), Receivers.count
    for number in range(1, ROUNDS + 1):
        batches = [ids[first : first + MAX_WAKES] for first in range(0, len(ids), MAX_WAKES)]
        answers = await asyncio.gather(*(storage.wake(node, wakes(each)) for each in batches))
        assert all(each is not None and not each.refused for each in answers)
        await Receivers.until(told + number * len(ids))
    return {"wakes_per_s": ROUNDS * len(ids) / (time.perf_counter() - began)}


async def latency(storage: StorageStandIn, node: Node, ids: Sequence[bytes]) -> Figures:
    """From sending a wake until its provider is called, one at a time."""
    late = []
    for number in range(MEASURED):
        name = f"/{number % ENDPOINTS}"
        before, began = Receivers.count, time.perf_counter()
        await storage.wake(node, wakes([ids[number % ENDPOINTS]]))
        await Receivers.until(before + 1)
        late.append((Receivers.called[name][-1] - began) * 1_000)
        await asyncio.sleep(APART)
    late.sort()
    return {"wake_p50_ms": late[len(late) // 2], "wake_p99_ms": late[int(len(late) * 0.99)]}


async def recovery(storage: StorageStandIn, host: NodeProcess, ids: Sequence[bytes]) -> float:
    """Seconds from kill -9, with wakes on the way, until every acknowledged wake was told; the start included."""
    node = await storage.node(host)
    Receivers.called.clear()
    answer = await storage.wake(node, wakes(ids[:MAX_WAKES]))
    assert answer is not None
    await asyncio.to_thread(host.kill)
    began = time.perf_counter()
    host.start()
    async with asyncio.timeout(60):
        while len(Receivers.called) < MAX_WAKES:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return time.perf_counter() - began


# From store to provider


def from_store() -> Figures:
    """push.latency_*: a whole network; from somebody's send() until the provider of who gets it is called."""
    layout = Layout(relays=4, storage=3, pushes=1, push_flags=("--spacing-seconds", "0"))
    with tempfile.TemporaryDirectory() as folder:
        net = Testnet(Path(folder) / "net", layout)
        try:
            net.up()
            return asyncio.run(_from_store(net, Path(folder)))
        finally:
            net.down()


async def _from_store(net: Testnet, folder: Path) -> Figures:
    server = await asyncio.get_running_loop().create_server(Receivers, "127.0.0.1", 0)
    Receivers.port = server.sockets[0].getsockname()[1]
    Receivers.called.clear()
    file = NetworkFile.load(net.network_file)
    homes = [folder / name for name in ("sender", "woken")]
    for home in homes:
        Client.create_account(home, file, PASSPHRASE)
    endpoint = Webhook(Url.parse(f"http://127.0.0.1:{Receivers.port}/woken"), SECRET)
    async with Client.open(homes[1], passphrase=PASSPHRASE) as woken:
        await woken.ready()
        await woken.push.enable(endpoint, prompt=True)
        account = str(woken.account_id)
    async with Client.open(homes[0], passphrase=PASSPHRASE) as sender:
        await sender.ready()
        await sender.send(account, "the first one begins a session")
        await asyncio.sleep(3)
        late = [await _once(sender, account) for _ in range(STORED)]
    server.close()
    late.sort()
    return {"latency_p50_ms": late[len(late) // 2], "latency_p99_ms": late[int(len(late) * 0.99)]}


async def _once(sender: Client, account: str) -> float:
    """Milliseconds."""
    before, began = Receivers.count, time.perf_counter()
    await sender.send(account, "another")
    await Receivers.until(before + 1)
    took = (Receivers.called["/woken"][-1] - began) * 1_000
    await asyncio.sleep(APART)
    return took


def figures() -> Figures:
    """`push.*` on SQLite, `..._postgresql` where there is one."""
    found = {f"push.{name}": value for name, value in (asyncio.run(measure(None)) | from_store()).items()}
    if postgres_server.binary("initdb"):
        with postgres_server.running() as server:
            other = asyncio.run(measure(server.url()))
        found |= {f"push.{name}_postgresql": value for name, value in other.items()}
    return found


if __name__ == "__main__":
    for name, value in figures().items():
        print(f"{name:45} {value:10.1f}")
