"""Three relays and a destination that know each other, and a client: real TLS on loopback, one process."""

import asyncio
import os
from contextlib import AsyncExitStack

from essaim.discovery.v1 import discovery_pb2, discovery_pb2_grpc
from essaim.network.links import Links
from essaim.network.settings import LinkSettings
from essaim.onion.v1 import request_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.onion import CellSpec, Reply, minute_of, wrap
from essaim.protocol.status import read_status
from essaim.runtime.context import reply_capacity_of
from essaim.runtime.delivery import DeliverySettings
from essaim.runtime.endpoint import Endpoint
from essaim.runtime.offer import Offer
from essaim.storage.v1 import mailbox_pb2, mailbox_pb2_grpc
from essaim.testing.clock import FakeClock
from essaim.testing.node import LooseNode, LoosePeer
from essaim_relay.relay import Relay

SPEC = CellSpec(Suite.HYBRID, CellClass.SMALL, CellClass.SMALL)
CLASSIC = CellSpec(Suite.X25519, CellClass.SMALL, CellClass.SMALL)
QUICK = LinkSettings(backoff_first_seconds=0.0)
HEARTBEATS = DeliverySettings(heartbeat_seconds=(0.01, 0.02))


class QuotaError(ProtocolError):
    reason = "QUOTA"


class Mailboxes(mailbox_pb2_grpc.MailboxServiceServicer):
    """Answers with what it was asked; what a test wants to see is kept."""

    def __init__(self):
        self.stored = 0
        self.release = asyncio.Event()
        self.asked = asyncio.Event()
        self.streams_ended = asyncio.Event()

    async def Store(self, request, context):
        self.stored += 1
        return mailbox_pb2.StoreResponse(results=[mailbox_pb2.StoreResult(envelope_id=request.mailbox.id)])

    async def Retrieve(self, request, context):
        if request.cursor == b"refuse":
            raise QuotaError("full")
        if request.cursor == b"fault":
            raise ZeroDivisionError
        if request.cursor == b"hang":
            self.asked.set()
            await self.release.wait()
        if request.cursor == b"large":
            return mailbox_pb2.RetrieveResponse(cursor=bytes(reply_capacity_of(context)))
        return mailbox_pb2.RetrieveResponse(cursor=request.cursor)

    async def Subscribe(self, request, context):
        try:
            for number in range(10):
                yield mailbox_pb2.SubscribeResponse(cursor=bytes([number]))
            await self.release.wait()
            yield mailbox_pb2.SubscribeResponse(cursor=b"live")
        finally:
            self.streams_ended.set()

    async def Confirm(self, request, context):
        raise NotImplementedError

    async def Delete(self, request, context):
        raise NotImplementedError

    async def PublishPrekeys(self, request, context):
        raise NotImplementedError

    async def ClaimPrekey(self, request, context):
        raise NotImplementedError


class Closed(discovery_pb2_grpc.DiscoveryServiceServicer):
    """No method of it may be reached through the onion."""

    async def Submit(self, request, context):
        raise AssertionError

    async def Follow(self, request, context):
        raise AssertionError
        yield


class Network:
    """Three relays and a destination that know each other, and a client."""

    def __init__(self):
        self.clock = FakeClock()
        self.nodes = [LooseNode(self.clock.now_ms, "relay") for _ in range(3)]
        self.end = LooseNode(self.clock.now_ms, "storage")
        self.mailboxes = Mailboxes()
        self.relays: list[Relay] = []
        self.known: dict[bytes, LoosePeer] = {}
        self.stack = AsyncExitStack()

    async def __aenter__(self):
        offers = [
            Offer(mailbox_pb2.DESCRIPTOR.services_by_name["MailboxService"], self.mailboxes, add_mailbox),
            Offer(discovery_pb2.DESCRIPTOR.services_by_name["DiscoveryService"], Closed(), add_discovery),
        ]
        endpoint = Endpoint(
            self.end.standing, self.end.keyring, offers, "storage.essaim", links=QUICK, delivery=HEARTBEATS
        )
        await self.stack.enter_async_context(endpoint)
        await self.start(self.end, endpoint)
        for node in self.nodes:
            relay = Relay(node.standing, node.keyring, node.identity, self.known.get, links=QUICK)
            self.relays.append(await self.stack.enter_async_context(relay))
            await self.start(node, relay)
        self.known.update({node.node_id: node.peer for node in (*self.nodes, self.end)})
        self.links = await self.stack.enter_async_context(Links(None, QUICK))
        return self

    async def start(self, node, made):
        await node.start(*(mount.add for mount in made.mounts))
        self.stack.push_async_callback(node.stop)

    async def __aexit__(self, *error):
        await self.stack.__aexit__(*error)

    def wrap(self, payload, spec=SPEC, path=None):
        hops = [node.hop for node in path or (*self.nodes, self.end)]
        return wrap(hops, payload, spec, minute_of(self.clock.now_ms()), os.urandom)

    def ask(self, method, request, spec=SPEC, request_id=None, path=None, service="MailboxService"):
        """A cell that asks for a method of the destination."""
        envelope = request_pb2.Request(
            service=service if "." in service else f"essaim.storage.v1.{service}",
            method=method,
            request_id=request_id or os.urandom(16),
            body=request.SerializeToString(),
        )
        return self.wrap(envelope.SerializeToString(), spec, path)

    async def call(self, made, guard=None):
        """All that comes back, opened."""
        cell, opener = made
        opened = []
        async with await self.links.call((guard or self.nodes[0]).peer, cell) as call:
            async for seq, sealed in call.replies():
                opened.append(opener.open(seq, sealed))
        return opened

    async def retrieve(self, cursor=b"hello", **options):
        return await self.call(self.ask("Retrieve", mailbox_pb2.RetrieveRequest(cursor=cursor), **options))


add_mailbox = mailbox_pb2_grpc.add_MailboxServiceServicer_to_server
add_discovery = discovery_pb2_grpc.add_DiscoveryServiceServicer_to_server


def response_of(reply, kind=mailbox_pb2.RetrieveResponse):
    assert isinstance(reply, Reply), reply
    return kind.FromString(request_pb2.Reply.FromString(reply.payload).body)


def refusal_of(reply):
    assert isinstance(reply, Reply), reply
    return read_status(request_pb2.Reply.FromString(reply.payload).error)
