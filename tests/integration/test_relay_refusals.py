"""What a client hears when a hop is gone, late, or does not take the cell."""

import os

import pytest

from essaim.network.call import LinkRefusedError
from essaim.protocol.onion import HopError, Refusal, ReplyKind, minute_of, wrap
from essaim.runtime.endpoint import Endpoint
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.node import LooseNode
from essaim_relay.deadline import FIRST_REPLY_MS
from relay_network import (
    SPEC,
    Network,
    refusal_of,
)


@pytest.fixture
async def network():
    async with Network() as made:
        yield made


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
