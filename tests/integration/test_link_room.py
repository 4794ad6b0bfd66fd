"""Who leaves links idle, or reads nothing, shuts no node of the view out."""

import asyncio
import os
import ssl
from contextlib import AsyncExitStack
from functools import partial

import pytest
from grpc.aio import AioRpcError

from essaim.network.acceptor import SERVICE, Acceptance, LinkAcceptor
from essaim.network.call import LinkRefusedError
from essaim.network.links import Links
from essaim.network.raw import decode, encode, link_stream
from essaim.network.room import REFUSED, Limit
from essaim.network.settings import LinkSettings
from essaim.network.tls import dial_peer
from essaim.protocol.geometry import CELL_SIZES
from essaim.protocol.link.frame import Challenge, frames_of
from essaim.protocol.link.hello import answer
from essaim.protocol.onion import Refusal
from essaim.protocol.status import read_trailers
from essaim.relay.v1.relay_pb2 import OpenRequest, OpenResponse, SendRequest
from essaim.relay.v1.relay_pb2_grpc import (
    RelayServiceServicer,
    RelayServiceStub,
    add_RelayServiceServicer_to_server,
)
from essaim.runtime.errors import reason_of
from essaim.testing.clock import FakeClock
from essaim.testing.node import LooseNode
from essaim.testing.serving import serve

NOBODY_READS = bytes.fromhex("000006 04 00 00000000 0004 00000000")
"""HTTP/2 SETTINGS: the initial window is 0."""


class Crowded:
    """A node with room for `settings`, strangers to crowd it, and a node of its view."""

    def __init__(self, **settings):
        self.node, self.other = LooseNode(FakeClock().now_ms), LooseNode(FakeClock().now_ms)
        self.calls = asyncio.Queue()
        node = self.node
        acceptance = Acceptance(node.node_id, node.listed, lambda: 7, node.now_ms, self.calls.put_nowait)
        self.acceptor = LinkAcceptor(acceptance, LinkSettings(**settings))
        self.stack = AsyncExitStack()

    async def __aenter__(self):
        await self.node.start(self.acceptor.add_to)
        self.stack.push_async_callback(self.node.stop)
        return self

    async def __aexit__(self, *error):
        await self.stack.aclose()

    async def channel(self):
        return await self.stack.enter_async_context(dial_peer(self.node.peer))

    async def greeted(self, channel):
        """A stream on which CHALLENGE came."""
        stream = link_stream(channel)
        [challenge] = frames_of(decode(await stream.read()))
        assert isinstance(challenge, Challenge)
        return stream, challenge

    async def idle(self, channel):
        """A client's link with nothing on it, or what it was refused for."""
        stream, challenge = await self.greeted(channel)
        await stream.write(encode([answer(challenge, None, self.node.node_id, 0).encode()]))
        return stream

    async def node_is_served(self):
        cell = bytes((1, 2, 0, 0)) + os.urandom(CELL_SIZES[0] - 4)
        async with asyncio.timeout(5), Links(self.other.identity) as links, await links.call(self.node.peer, cell):
            assert (await self.calls.get()).peer == self.other.node_id


async def ended(stream):
    """Why the acceptor ended it."""
    with pytest.raises((AioRpcError, asyncio.InvalidStateError)):
        while isinstance(await asyncio.wait_for(stream.read(), 5), bytes):
            pass
        raise asyncio.InvalidStateError
    return read_trailers((await stream.code()).value[0], await stream.trailing_metadata()).reason


def refused(limit):
    return REFUSED[limit]._value.get()


async def test_connection_has_a_few_links_and_gets_room_back():
    async with Crowded(connection_links=2) as crowded:
        channel, before = await crowded.channel(), refused(Limit.CONNECTION)
        first, _ = [await crowded.idle(channel) for _ in range(2)]
        assert await ended(link_stream(channel)) == "BUSY"
        assert refused(Limit.CONNECTION) == before + 1
        await crowded.node_is_served()
        await first.done_writing()
        await ended(first)
        async with asyncio.timeout(5):
            await crowded.idle(channel)


async def test_clients_have_a_share_and_leave_nodes_theirs():
    async with Crowded(client_links=3) as crowded:
        before = refused(Limit.CLIENTS)
        for _ in range(3):
            await crowded.idle(await crowded.channel())
        assert await ended(await crowded.idle(await crowded.channel())) == "BUSY"
        assert refused(Limit.CLIENTS) == before + 1
        await crowded.node_is_served()


async def test_node_has_its_own_few_links():
    async with Crowded(node_links=0) as crowded:
        stream, challenge = await crowded.greeted(await crowded.channel())
        await stream.write(encode([answer(challenge, crowded.other.identity, crowded.node.node_id, 0).encode()]))
        assert await ended(stream) == "BUSY"


async def test_who_waits_longest_with_hello_makes_room():
    async with Crowded(greeting_links=2, hello_seconds=60) as crowded:
        silent = [(await crowded.greeted(await crowded.channel()))[0] for _ in range(2)]
        before = refused(Limit.GREETING)
        await crowded.node_is_served()
        assert await ended(silent[0]) == "TIMEOUT"
        assert refused(Limit.GREETING) == before + 1
        assert not silent[1].done()


async def test_all_clients_together_hold_so_much_and_no_more():
    cells = [bytes((1, 2, 0, 0)) + os.urandom(CELL_SIZES[0] - 4) for _ in range(4)]
    async with Crowded(clients_bytes=2 * CELL_SIZES[0]) as crowded, Links(None) as one, Links(None) as other:
        calls = [await one.call(crowded.node.peer, cell) for cell in cells[:2]]
        incoming = [await crowded.calls.get() for _ in calls]
        with pytest.raises(LinkRefusedError) as caught:
            assert await replies_of(await other.call(crowded.node.peer, cells[2]))
        assert caught.value.refusal == Refusal.BUSY
        await crowded.node_is_served()
        incoming[0].end()
        assert await replies_of(calls[0]) == []
        await other.call(crowded.node.peer, cells[3])
        await asyncio.wait_for(crowded.calls.get(), 5)


async def replies_of(call):
    return [reply async for reply in call.replies()]


def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def frame(kind, flags, stream, data):
    return len(data).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + data


class Deaf:
    """An HTTP/2 connection that opens links and lets nothing of their messages through."""

    async def __aenter__(self):
        return self

    async def open(self, port, streams):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        fields = {
            b":method": b"POST",
            b":scheme": b"https",
            b":path": f"/{SERVICE}/Link".encode(),
            b":authority": b"essaim",
            b"te": b"trailers",
            b"content-type": b"application/grpc",
        }
        headers = b"".join(literal(*field) for field in fields.items())
        asked = b"".join(frame(1, 4, 1 + 2 * number, headers) for number in range(streams))
        self.writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + NOBODY_READS + asked)

    async def __aexit__(self, *error):
        self.writer.transport.abort()


async def test_links_that_nobody_reads_keep_their_places_and_no_more():
    async with Crowded(connection_links=2, client_links=1, hello_seconds=0.2) as crowded, Deaf() as deaf:
        room, before = crowded.acceptor._room, refused(Limit.CONNECTION)
        await deaf.open(crowded.node.port, 5)
        await until(lambda: refused(Limit.CONNECTION) == before + 3 and room._taken and not room._greeting)
        assert sorted(room._taken.values()) == [2]  # long refused, and there until the connection goes
        await crowded.node_is_served()
        deaf.writer.transport.abort()
        await until(lambda: not room._taken)


async def until(true):
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what gRPC does by itself tells nobody
            await asyncio.sleep(0.02)


class Endless(RelayServiceServicer):
    async def Send(self, request, context):
        raise AssertionError

    async def Open(self, request, context):
        yield OpenResponse(cell=b"begun")
        await asyncio.Event().wait()


async def test_calls_that_are_no_links_have_a_share():
    crowded = Crowded()
    adds = partial(add_RelayServiceServicer_to_server, Endless()), crowded.acceptor.add_to
    async with serve(*adds, calls=2) as served:
        stub = RelayServiceStub(served.channel)
        opened = [stub.Open(OpenRequest()) for _ in range(2)]
        for each in opened:
            assert (await each.read()).cell == b"begun"
        with pytest.raises(AioRpcError) as caught:
            await stub.Send(SendRequest())
        assert reason_of(caught.value).reason == "BUSY"
        async with asyncio.timeout(5):
            await crowded.greeted(served.channel)  # a link
            opened[0].cancel()
            while await first_of(stub) == "BUSY":  # until the server has heard of it
                pass


async def first_of(stub):
    """The first response, or the reason that came instead."""
    try:
        return await stub.Open(OpenRequest()).read()
    except AioRpcError as error:
        return reason_of(error).reason
