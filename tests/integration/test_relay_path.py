"""Client, three relays, a destination: real TLS on loopback, one process, each node with its own keys and links."""

import asyncio
import os
from contextlib import AsyncExitStack

import pytest
from grpc.aio import AioRpcError

from essaim.discovery.v1 import discovery_pb2, discovery_pb2_grpc
from essaim.network.call import LinkRefusedError
from essaim.network.links import Links
from essaim.network.settings import LinkSettings
from essaim.network.tls import dial_peer
from essaim.onion.v1 import request_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.onion import CellSpec, HopError, Refusal, Reply, ReplyKind, minute_of, wrap
from essaim.protocol.status import read_status, read_trailers
from essaim.relay.v1 import relay_pb2, relay_pb2_grpc
from essaim.runtime.context import reply_capacity_of
from essaim.runtime.delivery import DeliverySettings
from essaim.runtime.endpoint import Endpoint
from essaim.runtime.offer import Offer
from essaim.storage.v1 import mailbox_pb2, mailbox_pb2_grpc
from essaim.testing.clock import FakeClock
from essaim.testing.node import LooseNode, LoosePeer
from essaim_relay.deadline import FIRST_REPLY_MS
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


@pytest.fixture
async def network():
    async with Network() as made:
        yield made


def response_of(reply, kind=mailbox_pb2.RetrieveResponse):
    assert isinstance(reply, Reply), reply
    return kind.FromString(request_pb2.Reply.FromString(reply.payload).body)


def refusal_of(reply):
    assert isinstance(reply, Reply), reply
    return read_status(request_pb2.Reply.FromString(reply.payload).error)


@pytest.mark.parametrize("spec", [SPEC, CLASSIC], ids=["hybrid", "classic"])
async def test_path_carries_request_and_reply(network, spec):
    [reply] = await network.retrieve(b"hello", spec=spec)
    assert reply.kind == ReplyKind.LAST
    assert response_of(reply).cursor == b"hello"


@pytest.mark.parametrize("reply_class", list(CellClass))
async def test_path_carries_replies_of_each_class(network, reply_class):
    [reply] = await network.retrieve(spec=CellSpec(Suite.HYBRID, CellClass.SMALL, reply_class))
    assert response_of(reply).cursor == b"hello"


async def test_direct_call_reaches_the_same_servicer(network):
    async with dial_peer(network.end.peer) as channel:
        stub = mailbox_pb2_grpc.MailboxServiceStub(channel)
        assert (await stub.Retrieve(mailbox_pb2.RetrieveRequest(cursor=b"direct"))).cursor == b"direct"
        with pytest.raises(AioRpcError) as caught:
            await stub.Retrieve(mailbox_pb2.RetrieveRequest(cursor=b"refuse"))
        refusal = read_trailers(caught.value.code().value[0], caught.value.trailing_metadata())
        assert (refusal.reason, refusal.domain) == ("QUOTA", "storage.essaim")


async def test_stream_is_granted_hop_by_hop_with_heartbeats_and_an_authenticated_end(network):
    cell, opener = network.ask("Subscribe", mailbox_pb2.SubscribeRequest())
    cursors, heartbeats = [], 0
    async with await network.links.call(network.nodes[0].peer, cell) as call:
        async for seq, sealed in call.replies():
            reply = opener.open(seq, sealed)
            if reply.kind == ReplyKind.HEARTBEAT:
                heartbeats += 1
                if heartbeats == 20:  # far beyond what was granted at first: grants do travel
                    network.mailboxes.release.set()
            elif reply.kind == ReplyKind.MORE:
                cursors.append(response_of(reply, mailbox_pb2.SubscribeResponse).cursor)
    assert cursors == [*(bytes([number]) for number in range(10)), b"live"]
    assert heartbeats >= 20
    assert opener.ended
    assert all(len(relay.forwarder) == 0 for relay in network.relays)


async def test_cancelled_stream_frees_every_hop(network):
    cell, opener = network.ask("Subscribe", mailbox_pb2.SubscribeRequest())
    async with await network.links.call(network.nodes[0].peer, cell) as call:
        async for seq, sealed in call.replies():
            assert opener.open(seq, sealed).kind == ReplyKind.MORE
            break
    await network.mailboxes.streams_ended.wait()
    assert all(len(relay.forwarder) == 0 for relay in network.relays)


async def test_unread_stream_blocks_no_other_call(network):
    cell, _ = network.ask("Subscribe", mailbox_pb2.SubscribeRequest())
    async with await network.links.call(network.nodes[0].peer, cell):
        for _ in range(20):
            [reply] = await network.retrieve()
            assert response_of(reply).cursor == b"hello"


async def test_destination_errors_come_back_sealed(network):
    [reply] = await network.retrieve(b"refuse")
    assert (refusal_of(reply).reason, refusal_of(reply).domain) == ("QUOTA", "storage.essaim")
    [reply] = await network.retrieve(b"fault")
    assert refusal_of(reply).reason == "INTERNAL"
    [reply] = await network.retrieve(b"large")
    assert refusal_of(reply).reason == "REPLY_TOO_LARGE"


@pytest.mark.parametrize(
    ("service", "method"),
    [("essaim.discovery.v1.DiscoveryService", "Submit"), ("MailboxService", "Nothing"), ("Nobody", "Retrieve")],
)
async def test_only_reachable_methods_are_called(network, service, method):
    [reply] = await network.call(network.ask(method, mailbox_pb2.RetrieveRequest(), service=service))
    assert refusal_of(reply).reason == "UNREACHABLE_METHOD"


async def test_malformed_request_is_refused(network):
    [reply] = await network.call(network.wrap(b"\xff\xff\xff"))
    assert refusal_of(reply).reason == "MALFORMED"
    [reply] = await network.retrieve(request_id=b"short")
    assert refusal_of(reply).reason == "MALFORMED"


async def test_repeated_request_id_is_done_once(network):
    request, request_id = mailbox_pb2.StoreRequest(mailbox=mailbox_pb2.Mailbox(id=bytes(32))), os.urandom(16)
    answers = [(await network.call(network.ask("Store", request, request_id=request_id)))[0].payload for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert network.mailboxes.stored == 1
    await network.call(network.ask("Store", request))
    assert network.mailboxes.stored == 2


async def test_killed_hop_is_named_by_the_one_before(network):
    await network.retrieve()
    await network.nodes[2].stop()
    [error] = await network.retrieve()
    assert isinstance(error, HopError)
    assert (error.hop, error.refusal) == (1, Refusal.UNREACHABLE)


async def test_hop_that_dies_under_a_call_is_named(network):
    cell, opener = network.ask("Subscribe", mailbox_pb2.SubscribeRequest())
    errors = []
    async with await network.links.call(network.nodes[0].peer, cell) as call:
        async for seq, sealed in call.replies():
            reply = opener.open(seq, sealed)
            if isinstance(reply, HopError):
                errors.append(reply)
            elif reply.kind == ReplyKind.HEARTBEAT and not errors:
                await network.nodes[1].stop()
    assert [(error.hop, error.refusal) for error in errors] == [(0, Refusal.UNREACHABLE)]


async def test_restarted_hop_is_reached_again(network):
    await network.retrieve()
    await network.end.stop()
    [error] = await network.retrieve()
    assert isinstance(error, HopError)
    again = LooseNode(network.clock.now_ms, "storage", network.end.signing, network.end.certificate)
    endpoint = Endpoint(again.standing, again.keyring, [], "storage.essaim")
    async with endpoint:
        await again.start(*(mount.add for mount in endpoint.mounts))
        network.known[again.node_id] = again.peer
        [stale] = await network.retrieve()
        assert (stale.hop, stale.refusal) == (2, Refusal.KEY_UNKNOWN)
        network.end = again
        [reply] = await network.retrieve()
        assert refusal_of(reply).reason == "UNREACHABLE_METHOD"
        await again.stop()


async def test_unknown_destination_is_refused_by_the_last_relay(network):
    stranger = LooseNode(network.clock.now_ms)
    [error] = await network.retrieve(path=[*network.nodes, stranger])
    assert (error.hop, error.refusal) == (2, Refusal.NOT_LISTED)


async def test_late_hop_is_given_up_by_the_constant_deadline(network):
    cell, opener = network.ask("Retrieve", mailbox_pb2.RetrieveRequest(cursor=b"hang"))
    async with await network.links.call(network.nodes[0].peer, cell) as call:
        await network.mailboxes.asked.wait()
        exit_relay = network.relays[2].forwarder
        exit_relay.expire(network.clock.now_ms() + FIRST_REPLY_MS[0] - 1)
        assert len(exit_relay) == 1
        exit_relay.expire(network.clock.now_ms() + FIRST_REPLY_MS[0])
        [error] = [opener.open(seq, sealed) async for seq, sealed in call.replies()]
    assert (error.hop, error.refusal) == (2, Refusal.TIMEOUT)


async def test_guard_refuses_what_it_cannot_unwrap(network):
    cell, opener = network.ask("Retrieve", mailbox_pb2.RetrieveRequest())
    bent = bytearray(cell)
    bent[-1] ^= 1
    with pytest.raises(LinkRefusedError) as caught:
        await network.call((bytes(bent), opener))
    assert caught.value.refusal == Refusal.BAD_CELL
    await network.call((cell, opener))
    with pytest.raises(LinkRefusedError) as caught:
        await network.call((cell, opener))
    assert caught.value.refusal == Refusal.REPLAY


async def test_stale_cell_is_refused_with_the_time(network):
    made = network.ask("Retrieve", mailbox_pb2.RetrieveRequest())
    network.clock.advance(6 * 60_000)
    with pytest.raises(LinkRefusedError) as caught:
        await network.call(made)
    assert (caught.value.refusal, caught.value.time_ms) == (Refusal.STALE, network.clock.now_ms())


async def test_middle_that_refuses_is_named_by_the_guard(network):
    guard, middle, last = network.nodes
    [error] = await network.retrieve(path=[guard, OldKeys(middle), last, network.end])
    assert (error.hop, error.refusal) == (0, Refusal.KEY_UNKNOWN)


class OldKeys:
    """A node as an old view shows it: its id, with keys that it does not have any more."""

    def __init__(self, node):
        other = LooseNode(node.now_ms, signing=node.signing)
        self.hop = other.hop


async def test_cover_cell_is_answered_by_the_hop_that_drops_it(network):
    hops = [node.hop for node in network.nodes]
    made = wrap(hops, b"", SPEC, minute_of(network.clock.now_ms()), os.urandom, drop=True)
    [reply] = await network.call(made)
    assert (reply.kind, reply.payload) == (ReplyKind.LAST, b"")


@pytest.fixture
async def door(network):
    async with dial_peer(network.nodes[0].peer) as channel:
        yield relay_pb2_grpc.RelayServiceStub(channel)


async def test_send_gives_the_reply(network, door):
    cell, opener = network.ask("Retrieve", mailbox_pb2.RetrieveRequest(cursor=b"door"))
    sealed = (await door.Send(relay_pb2.SendRequest(cell=cell))).cell
    assert response_of(opener.open(0, sealed)).cursor == b"door"


async def test_open_streams_and_leaving_frees_the_path(network, door):
    cell, opener = network.ask("Subscribe", mailbox_pb2.SubscribeRequest())
    call = door.Open(relay_pb2.OpenRequest(cell=cell))
    for seq in range(10):
        reply = opener.open(seq, (await call.read()).cell)
        assert response_of(reply, mailbox_pb2.SubscribeResponse).cursor == bytes([seq])
    call.cancel()
    await network.mailboxes.streams_ended.wait()
    assert all(len(relay.forwarder) == 0 for relay in network.relays)


@pytest.mark.parametrize(
    ("mangle", "reason"),
    [
        (lambda cell: cell[:-1] + bytes([cell[-1] ^ 1]), "BAD_CELL"),
        (lambda cell: cell[:100], "BAD_CELL"),
        (lambda cell: b"", "BAD_CELL"),
        (lambda cell: cell[:4] + b"none" + cell[8:], "KEY_UNKNOWN"),
    ],
)
async def test_door_refuses_by_status(network, door, mangle, reason):
    cell, _ = network.ask("Retrieve", mailbox_pb2.RetrieveRequest())
    with pytest.raises(AioRpcError) as caught:
        await door.Send(relay_pb2.SendRequest(cell=mangle(cell)))
    refusal = read_trailers(caught.value.code().value[0], caught.value.trailing_metadata())
    assert (refusal.reason, refusal.domain) == (reason, "relay.essaim")
