"""For tests/integration/test_network_*.py: a network of real processes, the people on it, and what must stay secret."""

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from nacl.pwhash import argon2id

from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import NetworkView, Node
from essaim_client import Client, Message, NetworkFile
from essaim_client.home import Home
from essaim_client.messaging.addresses import outbox, public_inbox
from essaim_client.store.vault import Cost
from testnet import Layout, Testnet

PASSPHRASE = "pass"
PATIENCE_SECONDS = 30.0
CHEAP = Cost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)


@dataclass(frozen=True)
class Person:
    """An account on one device, and where it lives on this disk."""

    home: Path
    account_id: AccountId

    def online(self) -> Client:
        """`async with` it."""
        return Client.open(self.home, passphrase=PASSPHRASE)


class Memory:
    """What an `essaim_client.network.connection.Connection` keeps, for as long as a test."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self._kept.get(key)

    def put(self, key: str, value: bytes) -> None:
        self._kept[key] = value


class RealNetwork:
    """A testnet that outlives many tests. Everything that a node must never tell is noted in `secrets`."""

    def __init__(self, folder: Path, layout: Layout | None = None) -> None:
        self.folder = folder
        self.net = Testnet(folder / "network", layout)
        self.secrets: set[bytes] = set()
        self.client_ports: set[int] = set()
        self._homes = 0

    # People

    def home(self) -> Path:
        """A new account's directory with the cheapest lock there is."""
        self._homes += 1
        path = self.folder / f"home-{self._homes}"
        network = NetworkFile.load(self.net.network_file)
        Home.create(path, network, PASSPHRASE, os.urandom(32), CHEAP).close()
        return path

    def account_of(self, home: Path) -> str:
        """esm1... ; for a home that nobody uses now."""
        opened = Home.open(home, PASSPHRASE)
        try:
            self.note_person(opened.account.id)
            return str(opened.account.id)
        finally:
            opened.close()

    async def newcomer(self) -> Person:
        """Somebody who was online once, so that others can write to them."""
        home = self.home()
        async with Client.open(home, passphrase=PASSPHRASE) as me:
            await asyncio.wait_for(me.ready(), PATIENCE_SECONDS)
            self.note_person(me.account_id)
            self._note_ports()
            return Person(home, me.account_id)

    def note_person(self, account_id: AccountId) -> None:
        """The account and its mailboxes are secret from now on."""
        self.note(str(account_id).encode(), account_id.raw)
        self.note(*(policy(account_id).mailbox_id for policy in (public_inbox, outbox)))

    def note(self, *secrets: bytes) -> None:
        """Secret as they are, in hexadecimal digits and in base64."""
        for secret in secrets:
            self.secrets |= {secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")}

    def _note_ports(self) -> None:
        """Where this process' clients come from now."""
        connections = psutil.Process().net_connections("tcp")
        self.client_ports |= {each.laddr.port for each in connections if each.raddr}

    async def say(self, sender: Client, to: Person, *texts: str) -> None:
        """Send them one after the other; each is acknowledged."""
        for text in texts:
            self.note(text.encode())
            await asyncio.wait_for(sender.send(to.account_id, text), PATIENCE_SECONDS)
        self._note_ports()

    # Nodes

    def swarm_of(self, view: NetworkView, person: Person) -> list[str]:
        """The processes that keep a person's inbox."""
        swarm = view.swarm_of(public_inbox(person.account_id).mailbox_id)
        return [self.net.name_of(node.node_id) for node in swarm.members]

    def listed(self, view: NetworkView, name: str) -> Node:
        """The view's entry of a process."""
        return view.nodes[bytes.fromhex(self.net.node(name).facts["node_id"])]

    async def view_where(self, wanted: Callable[[NetworkView], bool] = lambda _: True) -> NetworkView:
        """The first view of discovery's that fits."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                view = await self.net.ask_view()
                if view is not None and wanted(view):
                    return view
                await asyncio.sleep(0.05)

    async def start(self, name: str) -> float:
        """Start it and wait until it is ready; the seconds that it took."""
        began = time.monotonic()
        self.net.node(name).start()
        await asyncio.to_thread(self.net.node(name).await_ready, PATIENCE_SECONDS)
        return time.monotonic() - began

    async def said(self, name: str, event: str) -> None:
        """Until the log of a process has this event."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.net.node(name).has_said(event):  # noqa: ASYNC110  # of another process
                await asyncio.sleep(0.02)


class Heard:
    """What `listen` has given out and nobody has asked for yet; if it fails, whoever asks is told."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message | Exception] = asyncio.Queue()

    async def follow(self, person: Client) -> None:
        try:
            async for message in person.listen():
                self._queue.put_nowait(message)
        except ProtocolError as error:
            self._queue.put_nowait(error)

    async def texts(self, count: int) -> list[str]:
        """The next ones, in their order of arrival."""
        texts: list[str] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(texts) < count:
                item = await self._queue.get()
                if isinstance(item, Exception):
                    raise item
                texts.append(item.text)
        return texts

    def empty(self) -> bool:
        return self._queue.empty()


@asynccontextmanager
async def listening(person: Client) -> AsyncIterator[Heard]:
    """What arrives, from the moment at which the stream is open."""
    heard = Heard()
    task = asyncio.create_task(heard.follow(person))
    try:
        await asyncio.wait_for(person.live.wait(), PATIENCE_SECONDS)
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
