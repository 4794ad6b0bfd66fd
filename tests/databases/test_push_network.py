"""A push host as a real process: who may ask it what, over which door; and what it must not know."""

import asyncio
import os
from pathlib import Path

import grpc
import pytest

from essaim.network.call import LinkRefusedError
from essaim.network.links import Links
from essaim.network.tls import dial_peer
from essaim.protocol.keys import AgreementPublic, KemPublic, VerifyKey
from essaim.protocol.onion import Refusal
from essaim.protocol.push.host import HostPublic
from essaim.protocol.push.wake import Reason
from essaim.protocol.status import Refusal as Refused
from essaim.protocol.view import Role
from essaim.push.v1 import push_pb2, push_pb2_grpc
from push_host import HOST_KEY, SECRET, Bot, wake
from push_network import PushNetwork, StorageStandIn


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory):
    with PushNetwork(tmp_path_factory.mktemp("push")) as made:
        host = made.host(delay_seconds=0.1, spacing_seconds=0.1)
        host.start()
        host.await_ready(30)
        yield made


async def test_wake_goes_from_link_to_endpoint_and_leaves_no_trace(network: PushNetwork, tmp_path: Path) -> None:
    [process] = network.made
    async with Bot() as bot, StorageStandIn(network.net, tmp_path / "storage") as storage:
        node = await storage.node(process)
        endpoint = bot.endpoint("a-canary-of-an-endpoint")
        ids = await storage.subscribe(node, endpoint, days=3, lanes=2)
        answer = await storage.wake(node, [wake(ids[0]), wake(os.urandom(32)), wake(ids[1])])
        assert answer is not None and answer.refused == ((1, Reason.UNKNOWN),)
        await bot.wait_for(1)
    await asyncio.to_thread(process.stop)
    logs = b"".join(each.read_bytes() for each in process.logs)
    kept = b"".join(each.read_bytes() for each in process.folder.glob("push.db*"))
    assert kept
    for secret in (b"canary", f":{bot.port}".encode(), SECRET, *ids, HOST_KEY.seed):
        assert secret not in logs + kept, "no endpoint, no push id, no key is in the database or the log"
        assert secret.hex().encode() not in logs + kept
    for stored in (storage.membership.standing.own_id, storage.membership._start.identity.node_id):
        assert stored not in kept, "nor which storage node asked"
    assert b"127.0.0.1" not in kept and b"Traceback" not in logs
    process.start()
    await asyncio.to_thread(process.await_ready, 30)


async def test_subscriptions_are_reached_through_nodes_alone(network: PushNetwork, tmp_path: Path) -> None:
    [process] = network.made
    async with StorageStandIn(network.net, tmp_path / "storage") as storage, Links(None) as nobody:
        node = await storage.node(process)
        told = await storage.ask(node, "Describe", push_pb2.DescribeRequest())
        keys = HostPublic(VerifyKey(told.host_id), AgreementPublic(told.agreement_key), KemPublic(told.kem_key))
        keys.check(node.node_id, told.attestation)
        assert node.node_id in told.node_ids or not told.node_ids
        async with dial_peer(node) as channel:
            stub = push_pb2_grpc.PushServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as direct:
                await stub.Describe(push_pb2.DescribeRequest())
        assert direct.value.code() == grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(LinkRefusedError) as anonymous:
            await storage.ask(node, "Describe", push_pb2.DescribeRequest(), links=nobody)
        assert anonymous.value.refusal == Refusal.NOT_LISTED
        unsigned = await storage.ask(node, "List", push_pb2.ListRequest())
        assert isinstance(unsigned, Refused) and (unsigned.domain, unsigned.reason) == ("push.essaim", "NOT_AUTHORIZED")


async def test_only_storage_nodes_wake(network: PushNetwork, tmp_path: Path) -> None:
    [process] = network.made
    async with (
        Bot() as bot,
        StorageStandIn(network.net, tmp_path / "storage") as storage,
        StorageStandIn(network.net, tmp_path / "relay", Role.RELAY) as relay,
    ):
        node = await storage.node(process)
        [push_id] = await storage.subscribe(node, bot.endpoint())
        await relay.node(process)
        assert await relay.wake(node, [wake(push_id)], seconds=1.0) is None
        answer = await storage.wake(node, [wake(push_id)])
        assert answer is not None and not answer.refused
        await bot.wait_for(1)
        assert len(bot.told) == 1
