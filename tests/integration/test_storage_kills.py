"""Clients write all the time while one member after the other is killed: every member ends with all acknowledged."""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from essaim.network.tls import dial_peer
from essaim.protocol.view import NetworkView, ViewKeeper
from essaim.runtime.clock import SystemClock
from essaim.storage.v1 import mailbox_pb2_grpc
from essaim.testing.effort import EFFORT
from essaim.testing.mailbox import MailboxOwner
from essaim_client.network.direct import NoAnswerError, Seed, ask
from testnet import Layout, Testnet

CLOCK = SystemClock()
NAMES = ("storage-1", "storage-2", "storage-3")
KILLS = 12 if EFFORT > 1 else 3
WRITERS = 3
PATIENCE_SECONDS = 40.0


@dataclass
class Mail:
    """What one writer was promised."""

    owner: MailboxOwner = field(default_factory=lambda: MailboxOwner(serial=0))
    acknowledged: set[bytes] = field(default_factory=set)
    retries: int = 0


class Swarm:
    """The members by the newest signed view, which is fetched again and again."""

    def __init__(self, testnet: Testnet, view: NetworkView) -> None:
        self.testnet = testnet
        self.view = view
        self.keeper = ViewKeeper(testnet.genesis)
        self.seed = Seed(testnet.discovery_address, testnet.genesis.discovery_certificates)
        self.ids = [bytes.fromhex(testnet.node(name).facts["node_id"]) for name in NAMES]
        self.channels: dict[tuple[bytes, str], grpc.aio.Channel] = {}
        self.stopping = False

    def stub(self, index: int) -> mailbox_pb2_grpc.MailboxServiceStub:
        node = self.view.nodes[self.ids[index]]
        channel = self.channels.get((node.node_id, node.address))
        if channel is None:
            channel = self.channels[node.node_id, node.address] = dial_peer(node)
        return mailbox_pb2_grpc.MailboxServiceStub(channel)

    async def follow(self) -> None:
        while True:
            with contextlib.suppress(NoAnswerError):
                self.view = self.keeper.accept((await ask(self.seed, 0, 0, CLOCK.now_ms)).answer, CLOCK.now_ms())
            await asyncio.sleep(0.2)

    async def write(self, mail: Mail, members: Iterator[int]) -> None:
        """One letter after the other; what is not acknowledged goes again, with the same bytes, to the next member."""
        member = next(members)
        while not self.stopping:
            request = mail.owner.store(mail.owner.letter(CLOCK.now_ms()))
            while True:
                try:
                    (result,) = (await self.stub(member).Store(request, timeout=5)).results
                    if result.status.code == 0:
                        break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.05)
                mail.retries += 1
                member = next(members)
            mail.acknowledged.add(result.envelope_id)
            await asyncio.sleep(0.005)

    async def has(self, index: int, mail: Mail) -> set[bytes]:
        """What a member has, once it is complete and has all that was acknowledged; or when patience is over."""
        until, found = time.monotonic() + PATIENCE_SECONDS, set[bytes]()
        while time.monotonic() < until:
            with contextlib.suppress(grpc.aio.AioRpcError):  # the newest view may not have come yet
                found, incomplete = await self.pages(index, mail)
                if not incomplete and found >= mail.acknowledged:
                    break
            await asyncio.sleep(0.2)
        return found

    async def pages(self, index: int, mail: Mail) -> tuple[set[bytes], bool]:
        """(ids that a member has, whether it says that it may lack some)"""
        found, cursor, more, incomplete = set[bytes](), b"", True, False
        while more:
            page = await self.stub(index).Retrieve(mail.owner.retrieve(CLOCK.now_ms(), cursor), timeout=10)
            found |= {each.envelope_id for each in page.envelopes}
            cursor, more, incomplete = page.cursor, page.more, incomplete or page.incomplete
        return found, incomplete

    async def close(self) -> None:
        for channel in self.channels.values():
            await channel.close()


def around(start: int) -> Iterator[int]:
    while True:
        yield start % len(NAMES)
        start += 1


async def story(testnet: Testnet, view: NetworkView, rng: random.Random) -> list[Mail]:
    swarm, mails = Swarm(testnet, view), [Mail() for _ in range(WRITERS)]
    following = asyncio.create_task(swarm.follow())
    async with asyncio.TaskGroup() as group:
        for index, mail in enumerate(mails):
            group.create_task(swarm.write(mail, around(index)))
        for number in range(KILLS):
            node = testnet.node(NAMES[number % len(NAMES)])
            await asyncio.sleep(rng.uniform(0.2, 0.8))
            await asyncio.to_thread(node.kill)
            await asyncio.sleep(rng.uniform(0.1, 0.6))
            node.start()
            await asyncio.to_thread(node.await_ready, 20)
        swarm.stopping = True
    for index in range(len(NAMES)):
        for mail in mails:
            missing = mail.acknowledged - await swarm.has(index, mail)
            assert not missing, f"{NAMES[index]} lacks {len(missing)} of {len(mail.acknowledged)}"
    following.cancel()
    await asyncio.wait([following])
    await swarm.close()
    return mails


@pytest.mark.timeout(300)
def test_swarm_of_processes_keeps_everything_through_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("ESSAIM_SEED", "1"))
    testnet = Testnet(tmp_path / "net", Layout(relays=0, storage=3))
    try:
        mails = asyncio.run(story(testnet, testnet.up(), random.Random(seed)))
    finally:
        testnet.down()
    acknowledged, retries = sum(len(each.acknowledged) for each in mails), sum(each.retries for each in mails)
    print(f"seed {seed}: {KILLS} kills, {acknowledged} acknowledged, {retries} retries")
    assert acknowledged > 100 and retries > 0
