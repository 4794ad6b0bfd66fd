"""The two ends of a link over real TLS: a node that answers when told to, and what both ends heard."""

import asyncio
import os

from grpc.aio import AioRpcError

from essaim.network.acceptor import Acceptance, LinkAcceptor
from essaim.network.raw import decode, encode, link_stream
from essaim.network.settings import LinkSettings
from essaim.network.tls import dial_peer
from essaim.protocol.geometry import CELL_SIZES
from essaim.protocol.keys import SigningKey
from essaim.protocol.link.frame import Challenge, frames_of
from essaim.protocol.link.hello import answer
from essaim.protocol.status import read_trailers
from essaim.testing.clock import FakeClock
from essaim.testing.node import LooseNode

SETTINGS = LinkSettings(client_calls=3, node_calls=5, backoff_first_seconds=0.0)


def cell_of(reply_class=0):
    return bytes((1, 2, 0, reply_class)) + os.urandom(CELL_SIZES[0] - 4)


class Heard:
    """A queue of what came, in order."""

    def __init__(self):
        self._queue = asyncio.Queue()

    def __call__(self, *event):
        self._queue.put_nowait(event)

    async def next(self):
        return await self._queue.get()


class Accepting:
    """A node that answers a call when told to."""

    def __init__(self, settings=SETTINGS, signing=None):
        self.node = LooseNode(FakeClock().now_ms, signing=signing or SigningKey(os.urandom(32)))
        self.calls, self.messages, self.peers = Heard(), Heard(), Heard()
        node = self.node
        acceptance = Acceptance(
            node.node_id, node.listed, lambda: 7, node.now_ms, self.calls, self.messages, self.peers
        )
        self.acceptor = LinkAcceptor(acceptance, settings)

    async def __aenter__(self):
        await self.node.start(self.acceptor.add_to)
        return self

    async def __aexit__(self, *error):
        await self.node.stop()

    async def call(self):
        return (await self.calls.next())[0]


async def replies_of(call):
    return [(seq, cell) async for seq, cell in call.replies()]


async def status_of(accepting, link_class, *messages, hello=None):
    """The reason with which the acceptor ends a stream on which these messages came behind HELLO."""
    async with dial_peer(accepting.node.peer) as channel:
        stream = link_stream(channel)
        [challenge] = frames_of(decode(await stream.read()))
        assert isinstance(challenge, Challenge)
        await stream.write(encode([hello or answer(challenge, None, accepting.node.node_id, link_class).encode()]))
        try:
            for message in messages:
                await stream.write(message)
            while isinstance(await stream.read(), bytes):
                pass
        except (AioRpcError, asyncio.InvalidStateError):
            pass
        return read_trailers((await stream.code()).value[0], await stream.trailing_metadata()).reason
