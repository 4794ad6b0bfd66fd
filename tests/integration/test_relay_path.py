"""Client, three relays, a destination: requests and their replies over real TLS."""

import os

import pytest
from grpc.aio import AioRpcError

from essaim.network.tls import dial_peer
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.onion import CellSpec, ReplyKind
from essaim.protocol.status import read_trailers
from essaim.storage.v1 import mailbox_pb2, mailbox_pb2_grpc
from relay_network import CLASSIC, SPEC, Network, refusal_of, response_of


@pytest.fixture
async def network():
    async with Network() as made:
        yield made


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
