"""A full run with known people: messages, errors, garbage, kills, a drain; and what must not be found after it."""

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
from nacl.pwhash import argon2id

from canary.detour import detoured
from canary.forms import Canary, Kind
from canary.hook import Hook
from canary.traces import DATABASE, Traces
from essaim.network.tls import dial
from essaim.protocol.account import AccountId
from essaim.protocol.geometry import CELL_SIZES
from essaim.protocol.view import NetworkView
from essaim_client import Client, NetworkFile
from essaim_client.home import Home
from essaim_client.messaging.addresses import outbox, public_inbox
from essaim_client.messaging.profile import Profile
from essaim_client.push.subscribed import Subscribed
from essaim_client.store.vault import Cost
from testnet import Testnet

PASSPHRASE = "pass"
CHEAP = Cost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)
SOURCE = "127.93.217.201"
"""Where the clients come from."""
PATIENCE_SECONDS = 60.0
GARBAGE_PATHS = (
    "/essaim.relay.v1.RelayService/Send",
    "/essaim.relay.v1.RelayService/Open",
    "/essaim.storage.v1.MailboxService/Store",
    "/essaim.storage.v1.MailboxService/Retrieve",
    "/essaim.view.v1.ViewService/GetView",
    "/essaim.discovery.v1.DiscoveryService/Submit",
    "/essaim.push.v1.PushService/Subscribe",
    "/essaim.push.v1.PushService/List",
    "/essaim.link.v1.LinkService/Link",
)


class Run:
    """On a network that is up."""

    def __init__(self, net: Testnet, folder: Path) -> None:
        self.net = net
        self.folder = folder
        self.traces = Traces(net)
        self.canaries: set[Canary] = {Canary(Kind.ADDRESS, SOURCE.encode())}

    async def whole(self, view: NetworkView) -> None:
        """Everything, in order; what only a living process shows is noted before each death."""
        addresses = [self.net.discovery_address, *(node.address for node in view.nodes.values())]
        async with detoured(SOURCE, addresses) as detour, Hook() as hook:
            alice, bob = self._home("alice"), self._home("bob")
            ids = [await self._appear(each) for each in (alice, bob)]
            await self._subscribe(bob, hook)
            await self._talk(alice, ids[1], 3)
            await asyncio.wait_for(hook.woken.wait(), PATIENCE_SECONDS)
            await self._talk(bob, ids[0], 2)
            await self._garbage(view)
            await asyncio.to_thread(self.traces.look, "before the deaths")
            await self._deaths(alice, bob, ids[1])
            if not detour.connections:
                raise RuntimeError("no client came from the canary's address")
        await asyncio.to_thread(self.traces.look, "at the end")
        for each in (alice, bob):
            self._note_device(each)
        self.canaries |= set(self._stored())

    def _home(self, name: str) -> Path:
        path = self.folder / name
        Home.create(path, NetworkFile.load(self.net.network_file), PASSPHRASE, os.urandom(32), CHEAP).close()
        return path

    async def _appear(self, home: Path) -> AccountId:
        async with Client.open(home, passphrase=PASSPHRASE) as me:
            await asyncio.wait_for(me.ready(), PATIENCE_SECONDS)
            account = me.account_id
        self._note(Kind.ACCOUNT, account.raw, str(account).encode())
        self._note(Kind.MAILBOX, *(policy(account).mailbox_id for policy in (public_inbox, outbox)))
        return account

    async def _subscribe(self, home: Path, hook: Hook) -> None:
        """At the network's push host."""
        self._note(Kind.ENDPOINT, hook.name.encode(), hook.secret)
        async with Client.open(home, passphrase=PASSPHRASE) as me:
            await asyncio.wait_for(me.push.enable(hook.endpoint, prompt=True, preview=True), PATIENCE_SECONDS)

    async def _talk(self, home: Path, to: AccountId, count: int) -> None:
        async with Client.open(home, passphrase=PASSPHRASE) as me:
            for _ in range(count):
                text = f"the canary {secrets.token_hex(8)} sings"
                self._note(Kind.TEXT, text.encode())
                await asyncio.wait_for(me.send(to, text), PATIENCE_SECONDS)

    async def _garbage(self, view: NetworkView) -> None:
        """Whatever is wrong, with secrets in it: as the message, the method's name, metadata."""
        secret = next(each.raw for each in self.canaries if each.kind is Kind.TEXT)
        account = next(each.raw for each in self.canaries if each.kind is Kind.ACCOUNT)
        bodies = (
            secret,
            account * 3,
            b"\x0a\x20" + account,
            b"\xff" * 40,
            bytes((1, 2, 0, 0)) + bytes(CELL_SIZES[0] - 4),
        )
        seed = (self.net.discovery_address, self.net.genesis.discovery_certificates)
        places = [seed, *((node.address, tuple(node.certificates)) for node in view.nodes.values())]
        for address, certificates in places:
            async with dial(address, certificates) as channel:
                for path in (*GARBAGE_PATHS, f"/{secret.decode().replace(' ', '.')}/Call"):
                    for body in bodies:
                        with suppress(grpc.aio.AioRpcError):
                            call: Any = channel.unary_unary(path, None, None)
                            await call(body, timeout=10, metadata=(("essaim-account", account.hex()),))

    async def _deaths(self, alice: Path, bob: Path, to: AccountId) -> None:
        """kill -9 of a storage node and a relay in the middle of a conversation, a drain, and their return."""
        self.net.node("storage-1").kill()
        talking = asyncio.create_task(self._talk(alice, to, 3))
        await asyncio.to_thread(self.net.node("relay-1").kill)
        await asyncio.to_thread(self.net.node("storage-1").start)
        await talking
        await asyncio.to_thread(self.net.node("relay-2").stop)
        await asyncio.to_thread(self.net.mend)
        async with Client.open(bob, passphrase=PASSPHRASE) as he:
            await asyncio.wait_for(he.receive(), PATIENCE_SECONDS)

    def _note(self, kind: Kind, *secrets_: bytes) -> None:
        self.canaries |= {Canary(kind, each) for each in secrets_}

    def _note_device(self, home: Path) -> None:
        opened = Home.open(home, PASSPHRASE)
        try:
            profile = Profile.load(opened.keys, opened.store)
            assert profile is not None
            keys = profile.device.keys
            self._note(Kind.DEVICE, keys.device_id, keys.signing.public.raw)
            subscribed = Subscribed.load(profile.store)
            if subscribed is not None:
                self._note(Kind.PUSH_ID, *map(bytes.fromhex, subscribed.registered.values()))
        finally:
            opened.close()

    def _stored(self) -> Iterator[Canary]:
        """What storage's databases name: every mailbox, every envelope."""
        for database in self.net.folder.glob(f"storage-*/{DATABASE}"):
            with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as opened:
                for (mailbox_id,) in opened.execute("SELECT mailbox_id FROM mailbox"):
                    yield Canary(Kind.MAILBOX, mailbox_id)
                for (record_id,) in opened.execute("SELECT record_id FROM record WHERE kind = 0"):
                    yield Canary(Kind.ENVELOPE, record_id)
            opened.close()
