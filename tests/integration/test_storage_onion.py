"""The mailbox service through the last layer of an onion: the same servicer, replies sized for the caller's class."""

import os

from essaim.network.links import Links
from essaim.onion.v1 import request_pb2
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.onion import CellSpec, Reply, ReplyKind, minute_of, wrap
from essaim.protocol.status import read_status
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.mailbox import MailboxOwner
from storage_nodes import CLOCK, SwarmNode, swarm_of

SPEC = CellSpec(Suite.HYBRID, CellClass.SMALL, CellClass.SMALL)
SERVICE = "essaim.storage.v1.MailboxService"


class Caller:
    """A client with a link straight to the destination: a path of one layer."""

    def __init__(self, links: Links, node: SwarmNode) -> None:
        self.links = links
        self.node = node

    async def replies(self, method: str, message):
        request = request_pb2.Request(
            service=SERVICE, method=method, request_id=os.urandom(16), body=message.SerializeToString()
        )
        minute = minute_of(CLOCK.now_ms())
        cell, opener = wrap([self.node.loose.hop], request.SerializeToString(), SPEC, minute, os.urandom)
        async with await self.links.call(self.node.loose.peer, cell) as call:
            async for seq, reply_cell in call.replies():
                opened = opener.open(seq, reply_cell)
                assert isinstance(opened, Reply)
                if opened.kind is not ReplyKind.HEARTBEAT:
                    yield request_pb2.Reply.FromString(opened.payload)

    async def ask(self, method: str, message) -> request_pb2.Reply:
        async for reply in self.replies(method, message):
            return reply
        raise AssertionError("no reply")


async def test_mailbox_is_reached_through_a_cell(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path, r=1) as swarm, Links(None) as links:
        (node,) = swarm.nodes
        caller = Caller(links, node)
        letters = [owner.letter(CLOCK.now_ms()) for _ in range(4)]
        for letter in letters:
            stored = mailbox_pb2.StoreResponse.FromString((await caller.ask("Store", owner.store(letter))).body)
            assert stored.results[0].status.code == 0

        reply = await caller.ask("Retrieve", owner.retrieve(CLOCK.now_ms()))
        page = mailbox_pb2.RetrieveResponse.FromString(reply.body)
        assert [each.data for each in page.envelopes] == [each.data for each in letters[:3]]
        assert page.more

        refused = await caller.ask("Retrieve", owner.retrieve(CLOCK.now_ms(), b"\x07"))
        assert read_status(refused.error).reason == "CURSOR_MALFORMED"

        seen = []
        async for update in caller.replies("Subscribe", owner.subscribe(CLOCK.now_ms(), page.cursor)):
            seen += mailbox_pb2.SubscribeResponse.FromString(update.body).envelopes
            if len(seen) == 1:
                late = owner.letter(CLOCK.now_ms())
                await node.stub.Store(owner.store(late))
            if len(seen) == 2:
                break
        assert [each.data for each in seen] == [letters[3].data, late.data]


async def test_answers_of_many_named_envelopes_fit_the_smallest_reply(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path, r=1) as swarm, Links(None) as links:
        (node,) = swarm.nodes
        sizes = [4096, 4096, *[57344] * 30, 4096]
        for size in sizes:
            await node.stub.Store(owner.store(owner.letter(CLOCK.now_ms(), size)))
        cursor, found, more = b"", [], True
        while more:
            reply = await Caller(links, node).ask("Retrieve", owner.retrieve(CLOCK.now_ms(), cursor))
            page = mailbox_pb2.RetrieveResponse.FromString(reply.body)
            assert not reply.HasField("error")
            found += page.envelopes
            cursor, more = page.cursor, page.more
        assert [each.size for each in found] == sizes
        assert sum(bool(each.data) for each in found) == 3
