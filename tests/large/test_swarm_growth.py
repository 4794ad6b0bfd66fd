"""A network that grows from two swarms to three and shrinks again under load: nothing acknowledged is lost."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from essaim.network.tls import dial_peer
from essaim.protocol.view import NetworkView, Node
from essaim.runtime.clock import SystemClock
from essaim.storage.v1 import mailbox_pb2_grpc
from essaim.testing.mailbox import MailboxOwner
from testnet import Layout, Testnet

CLOCK = SystemClock()
MAILBOXES = 6
PATIENCE_SECONDS = 60.0


@dataclass
class Mail:
    """What one writer was promised."""

    owner: MailboxOwner = field(default_factory=lambda: MailboxOwner(serial=0))
    acknowledged: set[bytes] = field(default_factory=set)
    homes: set[frozenset[bytes]] = field(default_factory=set)
    """The members that it had, now and then."""

    @property
    def mailbox_id(self) -> bytes:
        return self.owner.inbox.mailbox_id


class Load:
    """Writers that follow the view."""

    def __init__(self, testnet: Testnet, view: NetworkView) -> None:
        self.testnet = testnet
        self.view = view
        self.mails = [Mail() for _ in range(MAILBOXES)]
        self.stopping = False
        self._channels: dict[tuple[bytes, str], grpc.aio.Channel] = {}

    def stub(self, node: Node) -> mailbox_pb2_grpc.MailboxServiceStub:
        place = node.node_id, node.address
        if place not in self._channels:
            self._channels[place] = dial_peer(node)
        return mailbox_pb2_grpc.MailboxServiceStub(self._channels[place])

    async def follow(self) -> None:
        while True:
            self.view = await self.testnet.ask_view() or self.view
            await asyncio.sleep(0.2)

    async def write(self, mail: Mail) -> None:
        """What is not acknowledged goes again, with the same bytes, to another member of the newest view."""
        while not self.stopping:
            request = mail.owner.store(mail.owner.letter(CLOCK.now_ms()))
            for turn in itertools.count():
                members = self.view.swarm_of(mail.mailbox_id).members
                with contextlib.suppress(grpc.aio.AioRpcError):
                    (result,) = (await self.stub(members[turn % len(members)]).Store(request, timeout=5)).results
                    if result.status.code == 0:
                        break
                await asyncio.sleep(0.05)
            mail.acknowledged.add(result.envelope_id)
            mail.homes.add(frozenset(node.node_id for node in members))
            await asyncio.sleep(0.05)

    async def found(self, node: Node, mail: Mail) -> set[bytes]:
        """What a member has, once it is complete and has all that was acknowledged; or when patience is over."""
        until, found = time.monotonic() + PATIENCE_SECONDS, set[bytes]()
        while time.monotonic() < until and not found >= mail.acknowledged:
            with contextlib.suppress(grpc.aio.AioRpcError):
                found = await self.pages(node, mail)
            await asyncio.sleep(0.1)
        return found

    async def pages(self, node: Node, mail: Mail) -> set[bytes]:
        found, cursor, more = set[bytes](), b"", True
        while more:
            page = await self.stub(node).Retrieve(mail.owner.retrieve(CLOCK.now_ms(), cursor), timeout=10)
            found |= {each.envelope_id for each in page.envelopes}
            cursor, more = page.cursor, page.more
        return found

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


@asynccontextmanager
async def under_load(testnet: Testnet, view: NetworkView) -> AsyncIterator[Load]:
    """Writers, to the end of the block."""
    load = Load(testnet, view)
    following = asyncio.create_task(load.follow())
    try:
        async with asyncio.TaskGroup() as group:
            for mail in load.mails:
                group.create_task(load.write(mail))
            try:
                yield load
            finally:
                load.stopping = True
    finally:
        following.cancel()
        await asyncio.wait([following])


async def settled(testnet: Testnet, swarms: int) -> NetworkView:
    """The first view with so many swarms in which nothing moves."""

    def wanted(view: NetworkView) -> bool:
        return len(view.swarms) == swarms and not any(node.move_serial for node in view.nodes.values())

    return await asyncio.to_thread(testnet.await_view, wanted, PATIENCE_SECONDS)


async def story(testnet: Testnet, began: float) -> Load:
    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {what}")

    async with under_load(testnet, await asyncio.to_thread(testnet.up)) as load:
        tell("six nodes, two swarms")
        await asyncio.to_thread(testnet.add_storage, 3)
        await settled(testnet, 3)
        tell("nine nodes, three swarms")
        for name in ("storage-2", "storage-5", "storage-8"):
            await asyncio.to_thread(testnet.drain, name)
            tell(f"{name} has left")
        view = await settled(testnet, 2)
        tell("six nodes, two swarms")
    for mail in load.mails:
        for node in view.swarm_of(mail.mailbox_id).members:
            missing = mail.acknowledged - await load.found(node, mail)
            assert not missing, f"{testnet.name_of(node.node_id)} lacks {len(missing)} of {len(mail.acknowledged)}"
    await load.close()
    return load


@pytest.mark.timeout(400)
def test_growing_and_shrinking_loses_nothing(tmp_path: Path) -> None:
    testnet = Testnet(tmp_path / "net", Layout(relays=0, storage=6))
    try:
        load = asyncio.run(story(testnet, time.monotonic()))
    finally:
        testnet.down()
    acknowledged = sum(len(each.acknowledged) for each in load.mails)
    print(f"{acknowledged} acknowledged, {sum(len(each.homes) for each in load.mails)} homes of {MAILBOXES} mailboxes")
    assert acknowledged > 100
    assert any(len(each.homes) > 1 for each in load.mails)
