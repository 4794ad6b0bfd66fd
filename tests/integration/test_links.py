"""The link shell over real TLS: calls, grants, budgets, messages."""

import asyncio
import os

import pytest

from essaim.network.call import LinkRefusedError
from essaim.network.links import Links
from essaim.network.settings import LinkSettings
from essaim.protocol.geometry import CELL_SIZES
from essaim.protocol.link.frame import MAX_MESSAGE, MESSAGE_CLASS
from essaim.protocol.onion import Refusal
from essaim.testing.clock import FakeClock
from essaim.testing.node import LooseNode
from link_ends import SETTINGS, Accepting, Heard, cell_of, replies_of, status_of


@pytest.fixture
async def accepting():
    async with Accepting() as made:
        yield made


@pytest.fixture
async def client():
    async with Links(None, SETTINGS) as made:
        yield made


@pytest.fixture
async def dialling():
    node = LooseNode(FakeClock().now_ms)
    up = Heard()
    async with Links(node.identity, SETTINGS, up) as links:
        yield node, links, up


async def test_call_is_answered_in_order(accepting, client):
    cells = [os.urandom(CELL_SIZES[0]) for _ in range(20)]
    async with await client.call(accepting.node.peer, cell_of()) as call:
        incoming = await accepting.call()
        sent_at_once = [incoming.reply(seq, cell) for seq, cell in enumerate(cells)]
        incoming.end()
        assert sent_at_once == [True] * 4 + [False] * 16
        assert await replies_of(call) == list(enumerate(cells))


async def test_call_of_a_client_names_nobody_and_of_a_node_its_id(accepting, client, dialling):
    node, links, _ = dialling
    await client.call(accepting.node.peer, cell_of())
    assert (await accepting.call()).peer is None
    await links.call(accepting.node.peer, cell_of())
    assert (await accepting.call()).peer == node.node_id


async def test_refusal_reaches_the_caller(accepting, client):
    call = await client.call(accepting.node.peer, cell_of())
    (await accepting.call()).refuse(Refusal.STALE, 77)
    with pytest.raises(LinkRefusedError) as caught:
        await replies_of(call)
    assert (caught.value.refusal, caught.value.time_ms) == (Refusal.STALE, 77)


async def test_cancel_reaches_the_answerer(accepting, client):
    class Listener:
        cancelled = asyncio.Event()

        def on_handed(self, cells):
            raise AssertionError

        def on_cancelled(self):
            self.cancelled.set()

    async with await client.call(accepting.node.peer, cell_of()):
        incoming = await accepting.call()
        incoming.listener = Listener()
    await Listener.cancelled.wait()
    assert incoming.reply(0, cell_of())  # goes nowhere, and breaks nothing


async def test_calls_beyond_the_budget_are_refused_and_room_comes_back(accepting, client):
    calls = [await client.call(accepting.node.peer, cell_of()) for _ in range(4)]
    incoming = [await accepting.call() for _ in range(3)]
    with pytest.raises(LinkRefusedError) as caught:
        await replies_of(calls[3])
    assert caught.value.refusal == Refusal.BUSY
    incoming[0].end()
    assert await replies_of(calls[0]) == []
    await client.call(accepting.node.peer, cell_of())
    await accepting.call()


async def test_blocked_replies_fill_the_budget():
    async with Accepting(LinkSettings(client_bytes=2 * CELL_SIZES[0])) as accepting, Links(None) as client:
        first = await client.call(accepting.node.peer, cell_of())
        incoming = await accepting.call()
        for seq in range(4 + 3):
            incoming.reply(seq, os.urandom(CELL_SIZES[0]))
        second = await client.call(accepting.node.peer, cell_of())
        with pytest.raises(LinkRefusedError) as caught:
            await replies_of(second)
        assert caught.value.refusal == Refusal.BUSY
        incoming.end()
        assert len(await replies_of(first)) == 7
        await client.call(accepting.node.peer, cell_of())
        await accepting.call()


async def test_messages_go_between_nodes(accepting, dialling):
    node, links, up = dialling
    sent = [os.urandom(size) for size in (1, 500, MAX_MESSAGE, 0, 7)]
    assert all(links.tell(accepting.node.peer, message) for message in sent)
    assert await up.next() == (accepting.node.node_id, True)
    assert await accepting.peers.next() == (node.node_id, True)
    assert [await accepting.messages.next() for _ in sent] == [(node.node_id, message) for message in sent]
    await links.close()
    assert await accepting.peers.next() == (node.node_id, False)
    assert await up.next() == (accepting.node.node_id, False)
    assert not links.tell(accepting.node.peer, b"too late")


async def test_message_of_a_client_is_refused(accepting, client):
    assert client.tell(accepting.node.peer, b"from nobody")
    assert await status_of(accepting, MESSAGE_CLASS) == "HELLO_REFUSED"


async def test_stranger_is_a_client(accepting, dialling):
    node, links, _ = dialling
    accepting.node.strangers.add(node.node_id)
    await links.call(accepting.node.peer, cell_of())
    assert (await accepting.call()).peer is None
