"""Onion keys change under requests and an open stream, as they do every hour and every day, here every few seconds."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import cast

import pytest

from essaim.protocol.onion.keyring import KeyKind
from essaim.protocol.view import NetworkView, Node
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.mailbox import MailboxOwner
from essaim_client import NetworkFile
from essaim_client.network.connection import Connection
from essaim_client.network.method import Method
from real_network import PATIENCE_SECONDS, Memory, RealNetwork, listening
from testnet import Layout

X25519_SECONDS = 4
KEM_SECONDS = 8
SHORT = Layout(relays=3, storage=3, x25519_period_seconds=X25519_SECONDS, kem_period_seconds=KEM_SECONDS)
SERVICE = mailbox_pb2.DESCRIPTOR.services_by_name["MailboxService"]
STORE, SUBSCRIBE = Method(SERVICE, "Store"), Method(SERVICE, "Subscribe")


@pytest.fixture(scope="module")
def short_lived_keys(tmp_path_factory: pytest.TempPathFactory):
    network = RealNetwork(tmp_path_factory.mktemp("periods"), SHORT)
    try:
        network.net.up()
        yield network
    finally:
        network.net.down()


def periods_now() -> tuple[int, int]:
    now = int(time.time())
    return now // X25519_SECONDS, now // KEM_SECONDS


async def across_two_ends() -> AsyncIterator[None]:
    """Again and again, until two periods of each kind have ended and the third has begun."""
    began = periods_now()
    while any(now - then < 2 for now, then in zip(periods_now(), began, strict=True)):
        yield
        await asyncio.sleep(0.02)  # leaves the nodes some of the two cores


@pytest.mark.timeout(90)
async def test_requests_and_an_open_stream_outlive_two_ends_of_key_periods(short_lived_keys: RealNetwork) -> None:
    alice, bob = await short_lived_keys.newcomer(), await short_lived_keys.newcomer()
    stored: list[bytes] = []
    arrived: list[bytes] = []
    owner = MailboxOwner(serial=0)
    joined = NetworkFile.load(short_lived_keys.net.network_file)
    async with alice.online() as me, bob.online() as he, listening(he) as heard:
        async with Connection(joined.genesis, joined.seeds, Memory()) as client:
            node = client.view.storage()[0]
            first = keys_in_use(client.view, node)
            following = asyncio.create_task(follow(client, node, owner, arrived))
            texts = []
            async for _ in across_two_ends():
                texts.append(f"text {len(texts)}")
                await asyncio.gather(store(client, node, owner, stored), short_lived_keys.say(me, bob, texts[-1]))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while set(arrived) < set(stored):
                    assert not following.done(), "the stream ended with its key period"
                    await asyncio.sleep(0.02)
            following.cancel()
            await client.views.refresh(direct=True)
            assert not first & keys_in_use(client.view, node), "no key period has ended"
        assert sorted(await heard.texts(len(texts))) == sorted(texts)
    assert sorted(arrived) == sorted(stored) and len(set(stored)) == len(stored) > 20


def keys_in_use(view: NetworkView, node: Node) -> set[bytes]:
    """The public keys of now, X25519 and ML-KEM."""
    now = dict(zip(KeyKind, periods_now(), strict=True))
    return {key.public for key in view.nodes[node.node_id].keys if key.period == now[key.kind]}


async def store(client: Connection, node: Node, owner: MailboxOwner, stored: list[bytes]) -> None:
    request = owner.store(owner.letter(client.clock.now_ms()))
    answer = await asyncio.wait_for(client.onion.unary(node.node_id, STORE, request, lane=b"store"), PATIENCE_SECONDS)
    [result] = cast("mailbox_pb2.StoreResponse", answer).results
    assert result.status.code == 0
    stored.append(result.envelope_id)


async def follow(client: Connection, node: Node, owner: MailboxOwner, arrived: list[bytes]) -> None:
    """One Subscribe, never repeated."""
    request = owner.subscribe(client.clock.now_ms())
    async with aclosing(client.onion.stream(node.node_id, SUBSCRIBE, request, lane=b"follow")) as answers:
        async for answer in answers:
            arrived.extend(each.envelope_id for each in cast("mailbox_pb2.SubscribeResponse", answer).envelopes)
