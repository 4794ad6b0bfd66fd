"""Push hosts' processes are killed at any moment, and no wake is lost: on SQLite, and with replicas on PostgreSQL."""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
from aiohttp import web

from essaim.protocol.push.endpoint import Webhook
from essaim.protocol.push.url import Url
from essaim.protocol.push.wake import Wake
from essaim.testing.effort import EFFORT
from push_history import Call, History, SentWake
from push_host import SECRET
from push_network import PROGRAM, PushNetwork, StorageStandIn
from testnet.process import NodeProcess

ENDPOINTS = 24
KILLS = round(4 * EFFORT)
SPACING = 0.2
SETTLING = 1.0
"""A busy machine may take so long to write what a call brought."""
TROUBLE = ((200, 0.0), (200, 0.0), (200, 0.03), (200, 0.3), (500, 0.0), (429, 0.1))
"""What the receivers answer by chance: a status, and after how many seconds."""


class Receivers:
    """All endpoints, in one web server. Notes every call."""

    def __init__(self, history: History, rng: random.Random) -> None:
        self.history = history
        self.rng = rng
        self.well = False

    async def __aenter__(self) -> "Receivers":
        application = web.Application()
        application.router.add_post("/{name}", self._told)
        self.runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.runner.cleanup()

    def endpoint(self, name: str) -> Webhook:
        return Webhook(Url.parse(f"http://127.0.0.1:{self.port}/{name}"), SECRET)

    async def _told(self, request: web.Request) -> web.Response:
        call = Call(request.match_info["name"], request.headers["webhook-id"], time.monotonic())
        self.history.calls.append(call)
        call.status, seconds = (200, 0.0) if self.well else self.rng.choice(TROUBLE)
        await asyncio.sleep(seconds)
        call.ended = time.monotonic()
        return web.Response(status=call.status)


class Storm:
    """Wakes without end, resent to whoever answers, while hosts are killed."""

    def __init__(
        self, storage: StorageStandIn, hosts: list[NodeProcess], url: str | None, history: History, rng: random.Random
    ) -> None:
        self.storage = storage
        self.hosts = hosts
        self.history = history
        self.rng = rng
        self.url = url
        self.push_ids: dict[str, list[bytes]] = {}
        self.acknowledged = 0
        self.over = False

    async def subscribe(self, receivers: Receivers) -> None:
        node = await self.storage.node(self.hosts[0])
        for number in range(ENDPOINTS):
            name = f"endpoint-{number}"
            prompt = bool(number % 4)
            endpoint = receivers.endpoint(name)
            self.push_ids[name] = await self.storage.subscribe(node, endpoint, prompt=prompt, lanes=3)

    async def send(self) -> None:
        """One storage node's share: a batch, again and again until somebody has it on disk."""
        while not self.over:
            wakes = []
            for name in self.rng.sample(sorted(self.push_ids), self.rng.randint(1, 6)):
                wakes.append(Wake(self.rng.choice(self.push_ids[name]), self.rng.randbytes(16)))
                self.history.wakes[wakes[-1].wake_id] = SentWake(name, time.monotonic())
            await self._insist(wakes)
            await asyncio.sleep(self.rng.uniform(0, 0.05))

    async def _insist(self, wakes: list[Wake]) -> None:
        while True:
            node = await self._somebody()
            answer = await self.storage.wake(node, wakes, seconds=1.0)
            if answer is not None:
                break
        assert not answer.refused, answer
        for each in wakes:
            self.history.wakes[each.wake_id].acknowledged = time.monotonic()
        self.acknowledged += len(wakes)

    async def _somebody(self):
        while True:
            view = self.storage.membership.holder.current
            ids = [bytes.fromhex(each.facts["node_id"]) for each in self.hosts if each.pid and each.facts]
            known = [view.nodes[each] for each in ids if each in view.nodes]
            if known:
                return self.rng.choice(known)
            await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """Kill -9 of a host and start it again, at any moment."""
        while len(self.history.kills) < KILLS:
            wanted = self.acknowledged + self.rng.randint(40, 160)
            while self.acknowledged < wanted:  # noqa: ASYNC110  # so many wakes, however fast this machine is
                await asyncio.sleep(0.005)
            await self._cut()
            victim = self.rng.choice(self.hosts)
            asked = time.monotonic()
            await asyncio.to_thread(victim.kill)
            self.history.kills.append((asked, time.monotonic()))
            victim.start()
            await asyncio.to_thread(victim.await_ready, 30)

    async def _cut(self) -> None:
        """Every connection to PostgreSQL, in the midst of whatever it does."""
        if self.url is None:
            return
        asked = time.monotonic()
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        self.history.kills.append((asked, time.monotonic()))
        await asyncio.sleep(self.rng.uniform(0.1, 0.5))


async def standstills(found: list[float]) -> None:
    """How long this process did not get to run, where that was long: an answer that a receiver gave may not have come
    to its host in time then, who calls again, as it must."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.05)
        if time.monotonic() - before > 0.5:
            found.append(round(time.monotonic() - before, 1))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Of a PostgreSQL, or None for SQLite."""
    return str(request.getfixturevalue("postgres").url()) if request.param == "postgresql" else None


def replicas(
    network: PushNetwork, url: str | None, lease_seconds: float = 12, program: tuple[str, ...] = PROGRAM
) -> list[NodeProcess]:
    """One host on SQLite, three replicas on PostgreSQL."""
    quick = {"spacing_seconds": SPACING, "delay_seconds": 0.5, "retry_first_seconds": 0.1, "retry_most_seconds": 1}
    patience = {"endpoint_seconds": lease_seconds / 3, "lease_seconds": lease_seconds}
    hosts = [network.host(url, program, **patience, **quick) for _ in range(3 if url else 1)]
    for each in hosts:
        each.start()
    for each in hosts:
        each.await_ready(30)
    return hosts


@pytest.mark.parametrize(
    ("bug", "words"),
    [("forgetful", "never told"), ("repeating", "nobody was killed"), ("hasty", "after another")],
)
async def test_a_planted_bug_is_found(bug: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    rng, history = random.Random(1), History()
    async with AsyncExitStack() as stack:
        network = stack.enter_context(PushNetwork(tmp_path))
        hosts = await asyncio.to_thread(replicas, network, None, 3.0, ("push_planted", bug))
        receivers = await stack.enter_async_context(Receivers(history, rng))
        storage = await stack.enter_async_context(StorageStandIn(network.net, tmp_path / "storage"))
        storm = Storm(storage, hosts, None, history, rng)
        await storm.subscribe(receivers)
        sending = asyncio.create_task(storm.send())
        until = time.monotonic() + 20
        while not storm.over and time.monotonic() < until:
            await asyncio.sleep(0.2)
            storm.over = storm.acknowledged > 200
        await sending
        receivers.well = True
        await asyncio.sleep(4.5)  # a lease, and what is told again
    faults = history.judge(SPACING, SETTLING)
    assert any(words in each for each in faults), faults[:5]


@pytest.mark.timeout(120 * EFFORT)
async def test_no_wake_is_lost_whoever_is_killed(url: str | None, tmp_path: Path) -> None:
    seed = int(os.environ.get("ESSAIM_SEED", random.randrange(1 << 32)))
    print(f"ESSAIM_SEED={seed}")
    rng, history = random.Random(seed), History()
    async with AsyncExitStack() as stack:
        network = stack.enter_context(PushNetwork(tmp_path))
        hosts = await asyncio.to_thread(replicas, network, url)
        receivers = await stack.enter_async_context(Receivers(history, rng))
        storage = await stack.enter_async_context(StorageStandIn(network.net, tmp_path / "storage"))
        storm = Storm(storage, hosts, url, history, rng)
        await storm.subscribe(receivers)
        stood: list[float] = []
        standing = asyncio.create_task(standstills(stood))
        senders = [asyncio.create_task(storm.send()) for _ in range(3)]
        await storm.kill()
        storm.over = receivers.well = True
        await asyncio.gather(*senders)
        until = time.monotonic() + 30
        while history.untold() and time.monotonic() < until:  # noqa: ASYNC110  # receivers must be told
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)  # what comes too often comes now
        logs = b"".join(log.read_bytes() for each in hosts for log in each.logs)
        standing.cancel()
    faults = history.judge(SPACING, SETTLING)
    again = len(history.calls) - len({(call.endpoint, call.topic) for call in history.calls})
    print(f"{len(history.wakes)} wakes, {len(history.calls)} calls, {again} repeated, {len(history.kills)} kills")
    troubles = Counter(line for line in logs.splitlines() if b'"level": "error"' in line or b'"warning"' in line)
    assert not faults, (faults[:10], troubles.most_common(10), f"this process stood still for {stood} s")
    assert len(history.wakes) > 100
    assert b"Traceback" not in logs
