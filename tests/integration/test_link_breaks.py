"""Links that break, cannot be made, drain or lead elsewhere, over real TLS."""

import asyncio
import os

import pytest

from essaim.network.call import LinkRefusedError
from essaim.network.links import Links
from essaim.network.raw import encode, link_stream
from essaim.network.settings import LinkSettings
from essaim.network.tls import dial_peer
from essaim.protocol.geometry import CELL_SIZES
from essaim.protocol.link.frame import Cancel, Challenge, End, Grant, cell_head
from essaim.protocol.onion import Refusal
from essaim.protocol.status import read_trailers
from essaim.testing.clock import FakeClock
from essaim.testing.node import LooseNode, LoosePeer
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


async def test_broken_link_ends_its_calls_and_the_next_call_dials_again(accepting, client):
    call = await client.call(accepting.node.peer, cell_of())
    await accepting.call()
    await accepting.node.stop()
    with pytest.raises(LinkRefusedError) as caught:
        await replies_of(call)
    assert caught.value.refusal == Refusal.UNREACHABLE
    async with Accepting() as moved:
        peer = LoosePeer(moved.node.node_id, moved.node.peer.address, moved.node.peer.certificates)
        await client.call(peer, cell_of())
        await moved.call()


async def test_wrong_certificate_is_unreachable(accepting, client):
    other = LooseNode(FakeClock().now_ms)
    peer = LoosePeer(accepting.node.node_id, accepting.node.peer.address, [other.certificate.der])
    with pytest.raises(LinkRefusedError) as caught:
        await replies_of(await client.call(peer, cell_of()))
    assert caught.value.refusal == Refusal.UNREACHABLE


async def test_wrong_node_behind_the_certificate_is_unreachable(accepting, client):
    peer = LoosePeer(
        LooseNode(FakeClock().now_ms).node_id, accepting.node.peer.address, accepting.node.peer.certificates
    )
    with pytest.raises(LinkRefusedError) as caught:
        await replies_of(await client.call(peer, cell_of()))
    assert caught.value.refusal == Refusal.UNREACHABLE


async def test_links_outlive_peers_that_die_under_load(client):
    for _ in range(8):
        async with Accepting() as accepting:
            calls = [await client.call(accepting.node.peer, cell_of()) for _ in range(3)]
            incoming = [await accepting.call() for _ in calls]
            for each in incoming:
                for seq in range(4):
                    each.reply(seq, cell_of())
        for call in calls:
            with pytest.raises(LinkRefusedError):
                await replies_of(call)


@pytest.mark.parametrize("address", ["example.org:443", "127.0.0.1", ""])
async def test_peer_that_cannot_be_dialled_is_unreachable(client, address):
    peer = LoosePeer(bytes(32), address, [b"not DER"])
    for _ in range(2):
        with pytest.raises(LinkRefusedError) as caught:
            await replies_of(await client.call(peer, cell_of()))
        assert caught.value.refusal == Refusal.UNREACHABLE


async def test_failed_dials_are_backed_off():
    gone = LoosePeer(bytes(32), "127.0.0.1:1", [LooseNode(FakeClock().now_ms).certificate.der])
    async with Links(None, LinkSettings(backoff_first_seconds=60, backoff_most_seconds=60)) as links:
        call = await links.call(gone, cell_of())
        with pytest.raises(LinkRefusedError):
            await replies_of(call)
        with pytest.raises(LinkRefusedError) as caught:  # at once, without a dial
            await links.call(gone, cell_of())
        assert caught.value.refusal == Refusal.UNREACHABLE


async def test_draining_node_finishes_its_calls_and_takes_no_more(accepting, client):
    call = await client.call(accepting.node.peer, cell_of())
    incoming = await accepting.call()
    accepting.acceptor.go_away()
    stopping = asyncio.create_task(accepting.node.server.stop(30))
    reply = os.urandom(CELL_SIZES[0])
    incoming.reply(0, reply)
    incoming.end()
    assert await replies_of(call) == [(0, reply)]
    await stopping  # long before its 30 s: the dialler has closed the link


async def test_new_address_of_a_node_is_dialled_while_old_calls_end(accepting, client):
    async with Accepting(signing=accepting.node.signing) as moved:
        old = await client.call(accepting.node.peer, cell_of())
        incoming = await accepting.call()
        await client.call(moved.node.peer, cell_of())
        await moved.call()
        incoming.end()
        assert await replies_of(old) == []


FIRST = cell_of()


@pytest.mark.parametrize(
    "message",
    [
        b"\xff",
        encode([b"\x03"]),
        encode([End(1).encode()]),
        encode([Grant(1, 1).encode()]),
        encode([Cancel(9).encode()]),
        encode([Challenge(bytes(32), 0).encode()]),
        encode([cell_head(1, 1, FIRST), FIRST]),
        encode([cell_head(0, 0, FIRST), FIRST]),
        encode([cell_head(1, 0, cell_of(1)), cell_of(1)]),
        encode([b"\x09\x00\x00\x00\x01x"]),
    ],
)
async def test_dialler_that_breaks_its_word_is_told_so_and_others_stay(accepting, client, message):
    other = await client.call(accepting.node.peer, cell_of())
    incoming = await accepting.call()
    assert await status_of(accepting, 0, message) in {"PROTOCOL", "MALFORMED"}
    incoming.end()
    assert await replies_of(other) == []


async def test_first_frame_must_be_hello(accepting):
    assert await status_of(accepting, 0, hello=End(1).encode()) == "PROTOCOL"


async def test_draining_node_takes_no_link(accepting):
    accepting.acceptor.go_away()
    async with dial_peer(accepting.node.peer) as channel:
        stream = link_stream(channel)
        assert read_trailers((await stream.code()).value[0], await stream.trailing_metadata()).reason == "DRAINING"


async def test_node_that_refuses_calls_takes_messages_until_it_goes(accepting, client, dialling):
    """What is under way on a node that drains may need others to end."""
    _, links, up = dialling
    accepting.acceptor.refuse_calls()
    assert links.tell(accepting.node.peer, b"an acknowledgement")
    assert (await accepting.messages.next())[1] == b"an acknowledgement"
    assert await up.next() == (accepting.node.node_id, True)
    with pytest.raises(LinkRefusedError):
        await replies_of(await client.call(accepting.node.peer, cell_of()))
    accepting.acceptor.go_away()
    assert await up.next() == (accepting.node.node_id, False)


async def test_link_to_a_node_that_moved_is_up_whatever_becomes_of_the_old_one(accepting, dialling):
    _, links, up = dialling
    assert links.reach(accepting.node.peer)
    assert await up.next() == (accepting.node.node_id, True)
    async with Accepting(signing=accepting.node.signing) as moved:
        assert links.reach(moved.node.peer)
        assert links.tell(moved.node.peer, b"to the new place")
        assert (await moved.messages.next())[1] == b"to the new place"
        while (event := await up.next()) != (accepting.node.node_id, True):
            assert event == (accepting.node.node_id, False)
        await accepting.peers.next()
        assert (await accepting.peers.next())[1] is False  # the old one is gone
        assert links.tell(moved.node.peer, b"again") and (await moved.messages.next())[1] == b"again"
