"""A testnet under load with its Prometheus: two people who write to each other and to one whose device sleeps and is
woken, a room of open groups, one client in a closed loop."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

import helm
from essaim_client import Client, NetworkFile
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import RoomClient
from loadgen.child import Child, Json, child
from observe.prometheus import NAMESPACE, RELEASE, TARGETS, Prometheus, prometheus, write_targets
from push_receiver.receiver import Receiver
from testnet import Layout, Testnet

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "essaim"
LAYOUT = Layout(relays=4, storage=3, opengroups=1, pushes=1)
PASSPHRASE = "stage"
GAP_SECONDS = 0.2
WOKEN_SECONDS = 20.0
WEED = "weed"
"""What the room's filter finds."""
Rules = Sequence[Mapping[str, Any]]


def rule_groups() -> Rules:
    """Of the chart's PrometheusRule, as real helm renders it for this release. Raises helm.NoHelmError."""
    api = "monitoring.coreos.com/v1/PrometheusRule"
    arguments = ["template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.35.0"]
    command = [str(helm.find()), *arguments, "--api-versions", api, "-s", "templates/prometheusrule.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return list(yaml.safe_load(done.stdout)["spec"]["groups"])


@dataclass
class Stage:
    """What is on it."""

    net: Testnet
    server: Prometheus
    groups: Rules
    began: float
    """Unix seconds."""
    targets: Path
    client: Child
    people: Mapping[str, Child]
    """By account."""
    room: Room
    sleeper: str
    """The account whose device is off and registered."""
    receiver: Receiver
    """Where it is woken."""
    _said: int = 0

    async def load(self, seconds: float) -> None:
        """Everybody works for so long. RuntimeError when a message did not arrive."""
        count = max(2, int(seconds / GAP_SECONDS))
        numbers = list(range(self._said, self._said + count))
        self._said += count
        talk = {"do": "talk", "gaps": [GAP_SECONDS] * count, "first": numbers[0]}
        others = list(reversed(list(self.people)))
        await self._wake()
        talks = [person.ask({**talk, "to": to}) for to, person in zip(others, self.people.values(), strict=True)]
        await asyncio.gather(*talks, self._store_and_retrieve(seconds), self._post(count))
        asked: Json = {"do": "arrived", "wanted": numbers}
        arrived = await asyncio.gather(*(person.ask(asked) for person in self.people.values()))
        if any(len(each["arrived"]) != count for each in arrived):
            raise RuntimeError("a message did not arrive")
        await self._wake()

    async def _wake(self) -> None:
        """Write to the sleeper and wait until its device was told. Its web server refuses the first call."""
        before = len(self.receiver.received())
        await asyncio.to_thread(self.receiver.refuse, 503)
        await next(iter(self.people.values())).ask({"do": "send", "to": self.sleeper, "number": 0})
        async with asyncio.timeout(WOKEN_SECONDS):
            while len(await asyncio.to_thread(self.receiver.received)) == before:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.1)

    async def _store_and_retrieve(self, seconds: float) -> None:
        for operation in ("store", "retrieve"):
            now = time.monotonic()
            await self.client.ask({"do": operation, "way": "link", "window": [now, now + seconds / 2]})

    async def _post(self, count: int) -> None:
        """Into a room of the host of open groups, whose filter finds every other post."""
        for number in range(count // 4):
            await self.room.post(f"{WEED if number % 2 else 'post'} {number}")
            await asyncio.sleep(GAP_SECONDS)

    async def restart(self, name: str, pause: float) -> None:
        """kill -9, and back after a pause."""
        self.net.node(name).kill()
        await asyncio.sleep(pause)
        self.net.node(name).start()
        await asyncio.to_thread(self.net.node(name).await_ready, 60)
        write_targets(self.net, self.targets)


@asynccontextmanager
async def _host(net: Testnet, home: Path) -> AsyncIterator[Room]:
    """A room of the host, and who owns both."""
    await asyncio.to_thread(Client.create_account, home, NetworkFile.load(net.network_file), PASSPHRASE)
    token = (net.node("opengroup-1").folder / "owner-invitation").read_text().strip()
    async with RoomClient(home, PASSPHRASE) as rooms:
        host_id = (await rooms.hosts())[0].host_id.hex()
        await rooms.claim(host_id, bytes.fromhex(token))
        kept = {"filter": WEED, "filter_silent": True, "filter_reply": "No weeds.", "filter_moderators": True}
        yield await rooms.create(host_id, "stage", title="A room", **kept)


async def _sleeper(net: Testnet, home: Path, receiver: Receiver) -> str:
    """The account of somebody whose device is registered for wakes, and off."""
    await asyncio.to_thread(Client.create_account, home, NetworkFile.load(net.network_file), PASSPHRASE)
    async with Client.open(home, passphrase=PASSPHRASE) as me:
        await me.ready()
        await me.push.enable(receiver.endpoint, prompt=True)
        return str(me.account_id)


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """`async with stage(folder) as each`. Everything ends with it."""
    os.environ.setdefault("ESSAIM_STORAGE_MAX_BYTES", str(1 << 30))  # so that there is a limit to be shown
    with Receiver(folder / "receiver") as receiver:
        trusting = replace(LAYOUT, push_flags=("--provider-ca", str(receiver.certificate)))
        net = Testnet(folder / "network", trusting)
        try:
            await asyncio.to_thread(net.up)
            async with _playing(net, folder, receiver) as each:
                yield each
        finally:
            await asyncio.to_thread(net.down)


@asynccontextmanager
async def _playing(net: Testnet, folder: Path, receiver: Receiver) -> AsyncIterator[Stage]:
    """On a network that is up."""
    groups, own, network = rule_groups(), folder / "prometheus", str(net.network_file)
    with prometheus(net, groups, own) as server:
        async with (
            child("client", network) as client,
            child("person", network, str(folder / "alice")) as alice,
            child("person", network, str(folder / "bob")) as bob,
        ):
            await client.told()
            people = {(await each.told())["account"]: each for each in (alice, bob)}
            sleeper = await _sleeper(net, folder / "sleeper", receiver)
            async with _host(net, folder / "owner") as room:
                told = (server, groups, time.time(), own / TARGETS, client, people, room, sleeper, receiver)
                yield Stage(net, *told)
