"""Storage nodes in this process: real SQLite, real links over TLS, a swarm made by hand instead of a signed view."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

from essaim.network.tls import dial_peer
from essaim.runtime.clock import SystemClock
from essaim.runtime.endpoint import Endpoint
from essaim.storage.v1 import mailbox_pb2_grpc
from essaim.testing.node import SERIAL, LooseNode
from essaim_storage.assembly import TUNING, Storage
from essaim_storage.members import Neighbours
from essaim_storage.placement import Range
from essaim_storage.settings import StorageSettings
from essaim_storage.tuning import Tuning

CLOCK = SystemClock()


class SwarmNode:
    """One node; `kill` and `start` again, on another port, with the same disk."""

    def __init__(self, folder: Path, tuning: Tuning) -> None:
        folder.mkdir()
        self.folder = folder
        self.tuning = tuning
        self.loose = LooseNode(CLOCK.now_ms, "storage")
        self.alive = False

    @property
    def node_id(self) -> bytes:
        return self.loose.node_id

    async def start(self) -> None:
        self.loose = LooseNode(CLOCK.now_ms, "storage", self.loose.signing, self.loose.certificate)
        self.storage = Storage(StorageSettings(data_dir=self.folder), self.loose.signing, CLOCK.now_ms, self.tuning)
        members = self.storage.members
        self.endpoint = Endpoint(
            self.loose.standing,
            self.loose.keyring,
            [self.storage.offer],
            "storage.essaim",
            on_message=members.on_message,
            on_peer=members.on_peer,
        )
        await self.endpoint.__aenter__()
        await self.storage.start()
        await self.loose.start(*(mount.add for mount in self.endpoint.mounts))
        self.tasks = [asyncio.ensure_future(each()) for each in self.storage.background]
        self.channel = dial_peer(self.loose.peer)
        self.stub = mailbox_pb2_grpc.MailboxServiceStub(self.channel)
        self.alive = True

    async def kill(self) -> None:
        """Nothing is said to anybody."""
        self.alive = False
        await self.channel.close()
        await self.loose.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.endpoint.__aexit__(None, None, None)
        await self.storage.close()


class Swarm:
    """r nodes that know each other."""

    def __init__(self, folder: Path, r: int, tuning: Tuning) -> None:
        self.nodes = [SwarmNode(folder / f"node-{index}", tuning) for index in range(r)]

    def show_view(self) -> None:
        """To every node that lives, where the others are."""
        peers = {each.node_id: each.loose.peer for each in self.nodes}
        for node in self.nodes:
            if node.alive:
                others = {node_id: peer for node_id, peer in peers.items() if node_id != node.node_id}
                node.storage.view_changed(Neighbours(SERIAL, others, (Range.still(peers),)))

    async def settled(self, *nodes: SwarmNode) -> None:
        """Until these are linked, complete and have fed every living member."""
        dead = {each.node_id for each in self.nodes if not each.alive}
        while any(each.storage.node.incomplete or each.storage.node.behind - dead for each in nodes):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@asynccontextmanager
async def swarm_of(folder: Path, r: int = 3, tuning: Tuning = TUNING):
    swarm = Swarm(folder, r, tuning)
    for node in swarm.nodes:
        await node.start()
    swarm.show_view()
    try:
        yield swarm
    finally:
        for node in swarm.nodes:
            if node.alive:
                await node.kill()
