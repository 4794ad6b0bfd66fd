"""The guard's door: Send and Open over real TLS."""

import pytest
from grpc.aio import AioRpcError

from essaim.network.tls import dial_peer
from essaim.protocol.status import read_trailers
from essaim.relay.v1 import relay_pb2, relay_pb2_grpc
from essaim.storage.v1 import mailbox_pb2
from relay_network import Network, response_of


@pytest.fixture
async def network():
    async with Network() as made:
        yield made


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
