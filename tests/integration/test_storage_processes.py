"""A swarm of three real processes with a signed view: killed, returned, drained; nothing acknowledged is missed."""

import asyncio
import time
from pathlib import Path

import grpc
import pytest

from essaim.network.tls import dial_peer
from essaim.protocol.view import NetworkView, NodeState
from essaim.runtime.clock import SystemClock
from essaim.runtime.errors import reason_of
from essaim.storage.v1 import mailbox_pb2, mailbox_pb2_grpc
from essaim.testing.mailbox import MailboxOwner
from testnet import Layout, Testnet

CLOCK = SystemClock()
PATIENCE_SECONDS = 20.0
DRAIN_SECONDS = 15.0  # less than the 30 that calls under way would get: a subscription does not hold a drain up


class Clients:
    """Direct calls to every storage node by the view that discovery signs now."""

    def __init__(self, testnet: Testnet, view: NetworkView) -> None:
        self.testnet = testnet
        self.view = view
        self.channels: list[grpc.aio.Channel] = []

    def stub(self, name: str) -> mailbox_pb2_grpc.MailboxServiceStub:
        node = self.view.nodes[bytes.fromhex(self.testnet.node(name).facts["node_id"])]
        channel = dial_peer(node)
        self.channels.append(channel)
        return mailbox_pb2_grpc.MailboxServiceStub(channel)

    async def close(self) -> None:
        for channel in self.channels:
            await channel.close()


@pytest.fixture
def testnet(tmp_path: Path):
    testnet = Testnet(tmp_path / "net", Layout(relays=0, storage=3))
    yield testnet
    testnet.down()


async def store(stub, owner: MailboxOwner) -> bytes:
    response = await stub.Store(owner.store(owner.letter(CLOCK.now_ms())))
    assert response.results[0].status.code == 0, response.results[0].status
    return response.results[0].envelope_id


async def complete_page(stub, owner: MailboxOwner) -> set[bytes]:
    """What the member has, once it says that it is complete."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        page = await stub.Retrieve(owner.retrieve(CLOCK.now_ms()))
        if not page.incomplete:
            return {each.envelope_id for each in page.envelopes}
        await asyncio.sleep(0.1)
    raise TimeoutError("still incomplete")


@pytest.mark.timeout(120)
def test_swarm_of_processes_keeps_its_word(testnet: Testnet) -> None:
    owner = MailboxOwner(serial=0)
    view = testnet.up()
    acknowledged = asyncio.run(while_one_is_dead(testnet, view, owner))

    testnet.node("storage-3").start()
    testnet.node("storage-3").await_ready(PATIENCE_SECONDS)
    address = testnet.node("storage-3").facts["address"]
    view = testnet.await_view(lambda each: address in {node.address for node in each.storage()})
    asyncio.run(after_the_return(testnet, view, owner, acknowledged))

    asyncio.run(while_one_drains(testnet, view, owner))
    node_id = bytes.fromhex(testnet.node("storage-2").facts["node_id"])
    testnet.await_view(lambda each: each.nodes[node_id].state != NodeState.ACTIVE)


async def while_one_is_dead(testnet: Testnet, view: NetworkView, owner: MailboxOwner) -> set[bytes]:
    clients = Clients(testnet, view)
    first, second = clients.stub("storage-1"), clients.stub("storage-2")
    acknowledged = {await store(first, owner)}
    testnet.node("storage-3").kill()
    for stub in (first, second) * 5:
        acknowledged.add(await store(stub, owner))
    live = second.Subscribe(owner.subscribe(CLOCK.now_ms()))
    seen: set[bytes] = set()
    while seen < acknowledged:
        seen |= {each.envelope_id for each in (await live.read()).envelopes}
    late = await store(first, owner)
    assert {each.envelope_id for each in (await live.read()).envelopes} == {late}
    live.cancel()
    await clients.close()
    return acknowledged | {late}


async def after_the_return(testnet: Testnet, view: NetworkView, owner: MailboxOwner, acknowledged: set[bytes]) -> None:
    clients = Clients(testnet, view)
    stubs = [clients.stub(f"storage-{number}") for number in (1, 2, 3)]
    assert await complete_page(stubs[2], owner) == acknowledged

    await stubs[2].Confirm(owner.confirm(acknowledged, CLOCK.now_ms()))
    until = time.monotonic() + PATIENCE_SECONDS
    for stub in stubs:
        while await complete_page(stub, owner):
            assert time.monotonic() < until, "a member still has what was confirmed"
    wrong = mailbox_pb2.StoreRequest(mailbox=owner.mailbox(owner.inbox, known=True))
    with pytest.raises(grpc.aio.AioRpcError):
        await stubs[0].Store(wrong)
    await clients.close()


async def while_one_drains(testnet: Testnet, view: NetworkView, owner: MailboxOwner) -> None:
    clients = Clients(testnet, view)
    live = clients.stub("storage-2").Subscribe(owner.subscribe(CLOCK.now_ms()))
    await live.read()

    stopping = asyncio.create_task(asyncio.to_thread(testnet.node("storage-2").stop, DRAIN_SECONDS))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await live.read()
    assert reason_of(caught.value).reason == "DRAINING"
    await stopping
    await clients.close()
