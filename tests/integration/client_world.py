"""A whole network in this process for a client: real relays and storage over TLS, views signed by hand, one seed."""

import asyncio
import base64
import json
import os
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

import grpc.aio
from nacl.pwhash import argon2id

from essaim.network.tls import SERVER_OPTIONS, Certificate, server_credentials
from essaim.protocol.keys import SigningKey
from essaim.protocol.view import (
    Descriptor,
    Entry,
    Genesis,
    Header,
    KeyRecord,
    NetworkView,
    NodeState,
    Parameters,
    Role,
    ViewHistory,
)
from essaim.protocol.view.authority import sign
from essaim.protocol.view.entry import ordered, root_of, status_piece
from essaim.protocol.view.header import NO_HASH, SIGNATURE_LABEL
from essaim.runtime.clock import SystemClock
from essaim.runtime.endpoint import Endpoint
from essaim.runtime.view_service import view_offer
from essaim.testing.node import PERIODS, LooseNode
from essaim.view.v1 import view_pb2
from essaim_client import Client, NetworkFile
from essaim_client.home import Home
from essaim_client.store.vault import Cost
from essaim_relay.relay import Relay
from essaim_storage.assembly import Storage
from essaim_storage.members import neighbours_of
from essaim_storage.settings import StorageSettings

NOW_MS = SystemClock().now_ms
SWARM = 7
CHEAP = Cost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)


class WorldNode:
    """A relay, or with a folder a storage node. `stop` kills it; `start` again makes new onion keys on a new port."""

    def __init__(self, world: "World", folder: Path | None) -> None:
        self.world = world
        self.folder = folder
        self.role = Role.RELAY if folder is None else Role.STORAGE
        self.state = NodeState.ACTIVE
        self.alive = False
        self.skew_ms = 0
        self.loose = LooseNode(self.now_ms)

    @property
    def node_id(self) -> bytes:
        return self.loose.node_id

    def now_ms(self) -> int:
        """Its own clock."""
        return NOW_MS() + self.skew_ms

    async def start(self, port: int = 0) -> None:
        """Anew: fresh onion keys, which only the next view will tell."""
        before = self.loose
        self.loose = LooseNode(self.now_ms, self.role.name.lower(), before.signing, before.certificate, port=port)
        self.start_id = os.urandom(16)
        self.stack = AsyncExitStack()
        self.storage = None
        views = view_offer(self.world.history.answer, self.now_ms)
        if self.folder is None:
            known = self.world.next_hop
            made = Relay(self.loose.standing, self.loose.keyring, self.loose.identity, known, [views])
        else:
            made = await self._storage(views)
        await self.stack.enter_async_context(made)
        await self.loose.start(*(mount.add for mount in made.mounts))
        self.alive = True

    async def _storage(self, views):
        self.folder.mkdir(exist_ok=True)
        self.storage = Storage(StorageSettings(data_dir=self.folder, **self.world.settings), self.loose.signing, NOW_MS)
        await self.storage.start()
        self.stack.push_async_callback(self.storage.close)
        tasks = [asyncio.ensure_future(each()) for each in self.storage.background]
        self.stack.push_async_callback(_stopped, tasks)
        members = self.storage.members
        return Endpoint(
            self.loose.standing,
            self.loose.keyring,
            [self.storage.offer, views],
            "storage.essaim",
            on_message=members.on_message,
            on_peer=members.on_peer,
        )

    async def stop(self) -> None:
        if self.alive:
            self.alive = False
            await self.loose.stop()
            await self.stack.aclose()

    def entry(self) -> Entry:
        key, world = self.loose.signing, self.world
        descriptor = Descriptor(
            network_id=world.genesis.network_id,
            node_id=self.node_id,
            role=self.role,
            address=self.loose.peer.address,
            certificates=(self.loose.certificate.der,),
            operator_id=b"",
            region="",
            start_id=self.start_id,
            sequence=NOW_MS(),
            issued_ms=NOW_MS(),
        )
        by_kind = defaultdict(list)
        for each in sorted(self.loose.keyring.published, key=lambda each: each.period):
            by_kind[each.kind].append(each)
        records = [
            KeyRecord(self.node_id, self.start_id, kind, keys[0].period, tuple(each.public for each in keys))
            for kind, keys in by_kind.items()
        ]
        swarm = SWARM if self.role == Role.STORAGE else None
        signed = [descriptor.sign(key), *(record.sign(key) for record in records)]
        pieces = [status_piece(self.node_id, self.state, swarm, NOW_MS()), *(s.SerializeToString() for s in signed)]
        return Entry.parse(pieces, world.genesis.network_id, PERIODS)


class World:
    """`async with World(tmp_path) as world`; `publish` signs the next view of whoever is listed."""

    def __init__(
        self, folder: Path, relays: int = 5, storage: int = 3, parameters: Parameters | None = None, **settings
    ) -> None:
        self.settings = settings  # of the storage nodes
        self.folder = folder
        self.authority = SigningKey(os.urandom(32))
        self.certificate = Certificate.make()
        parameters = parameters or Parameters(view_min_interval_ms=1_000)
        self.genesis = Genesis.create("world", [self.authority], parameters, [self.certificate.der], NOW_MS())
        self.history = ViewHistory()
        self.relays = [WorldNode(self, None) for _ in range(relays)]
        self.stores = [WorldNode(self, folder / f"storage-{index}") for index in range(storage)]
        self.clients = 0
        self.seed_port = 9  # until it is served: nobody answers there

    @property
    def nodes(self) -> list[WorldNode]:
        return [*self.relays, *self.stores]

    @property
    def view(self) -> NetworkView:
        assert self.history.newest is not None
        return self.history.newest

    def next_hop(self, node_id: bytes):
        """The newest view's word on whom a relay may send to."""
        return self.view.nodes.get(node_id)

    def node(self, node_id: bytes) -> WorldNode:
        return next(node for node in self.nodes if node.node_id == node_id)

    async def __aenter__(self) -> "World":
        self.seed = grpc.aio.server(options=SERVER_OPTIONS)
        view_offer(self.history.answer, NOW_MS).mount.add(self.seed)
        self.seed_port = self.seed.add_secure_port("127.0.0.1:0", server_credentials(self.certificate))
        await self.seed.start()
        for node in self.nodes:
            await node.start()
        self.publish()
        return self

    async def __aexit__(self, *error) -> None:
        for node in self.nodes:
            await node.stop()
        await self.seed.stop(None)

    def publish(self) -> NetworkView:
        entries = ordered(node.entry() for node in self.nodes if node.state != NodeState.DECOMMISSIONED)
        before, rules = self.history.newest, self.genesis.parameters
        header = view_pb2.Header(
            network_id=self.genesis.network_id,
            epoch=1,
            serial=before.serial + 1 if before else 1,
            previous_hash=before.hash if before else NO_HASH,
            valid_from_ms=NOW_MS(),
            fresh_until_ms=NOW_MS() + rules.fresh_seconds * 1_000,
            valid_until_ms=NOW_MS() + rules.valid_seconds * 1_000,
            nodes_root=root_of(entries.values()),
            parameters=rules.to_message(),
        ).SerializeToString()
        signed = view_pb2.SignedHeader(header=header, signatures=[sign(0, self.authority, SIGNATURE_LABEL, header)])
        self.history.add(NetworkView.build(signed, Header.parse(header), entries))
        for node in self.stores:
            if node.alive:
                node.storage.view_changed(neighbours_of(self.view, node.node_id))
        return self.view

    def network_file(self) -> Path:
        path = self.folder / "network.json"
        genesis = base64.b64encode(self.genesis.signed).decode()
        path.write_text(json.dumps({"genesis": genesis, "seeds": [f"127.0.0.1:{self.seed_port}"]}))
        return path

    def home(self, entropy: bytes | None = None) -> Path:
        """A new account's directory, with the cheapest lock there is; the passphrase is "pass"."""
        self.clients += 1
        path = self.folder / f"home-{self.clients}"
        network = NetworkFile.load(self.network_file())
        Home.create(path, network, "pass", entropy or os.urandom(32), CHEAP).close()
        return path

    def client(self, home: Path | None = None) -> Client:
        return Client.open(home or self.home(), passphrase="pass")


async def _stopped(tasks) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
