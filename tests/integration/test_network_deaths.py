"""Nodes of every kind are killed; whoever sends, waits or restarts meanwhile does not lose anything by it."""

import asyncio

from grpc_health.v1 import health_pb2, health_pb2_grpc

from essaim.network.peer import Peer
from essaim.network.tls import dial_peer
from essaim.protocol.view import NetworkView, ViewKeeper
from essaim.runtime.clock import SystemClock
from essaim.view.v1.view_pb2 import ViewAnswer
from essaim_client.network.direct import Seed, ask
from real_network import PATIENCE_SECONDS, Person, RealNetwork, listening

NOW_MS = SystemClock().now_ms


async def test_message_after_the_death_of_the_guard_arrives(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    async with alice.online() as me, bob.online() as he, listening(he) as arrived:
        await network.say(me, bob, "over the guard")
        guard = [path.guard for _, path in me.paths][-1]
        network.net.node(network.net.name_of(guard.node_id)).kill()
        await network.say(me, bob, "over another")
        assert sorted(await arrived.texts(2)) == ["over another", "over the guard"]
        assert all(path.guard.node_id != guard.node_id for _, path in me.paths)


async def test_listener_whose_guard_dies_hears_what_follows(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    async with alice.online() as me, bob.online() as he, listening(he) as arrived:
        await network.say(me, bob, "before")
        for guard in {network.net.name_of(path.guard.node_id) for _, path in he.paths}:
            network.net.node(guard).kill()
        await network.say(me, bob, "after 1", "after 2")
        assert sorted(await arrived.texts(3)) == ["after 1", "after 2", "before"]
        assert arrived.empty()


async def test_nothing_acknowledged_is_lost_with_a_storage_node(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    texts = [f"kept {number}" for number in range(20)]
    async with alice.online() as me:
        victim = network.swarm_of(me.view, bob)[0]
        await network.say(me, bob, *texts[:10])
        sending = asyncio.create_task(network.say(me, bob, *texts[10:]))
        network.net.node(victim).kill()
        await sending
    async with bob.online() as he:
        assert sorted(message.text for message in await he.receive()) == sorted(texts)
        assert await he.receive() == []


async def test_member_that_holds_the_live_stream_dies_and_nothing_is_skipped(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    texts = [f"live {number}" for number in range(12)]
    async with alice.online() as me, bob.online() as he, listening(he) as arrived:
        sending = asyncio.create_task(network.say(me, bob, *texts))
        first = await arrived.texts(3)
        member = next(
            destination for destination, _ in reversed(he.paths) if destination in swarm_ids(network, he, bob)
        )
        network.net.node(network.net.name_of(member)).kill()
        await sending
        assert sorted(first + await arrived.texts(9)) == sorted(texts)
        assert arrived.empty()


def swarm_ids(network: RealNetwork, me, person: Person) -> set[bytes]:
    return {network.listed(me.view, name).node_id for name in network.swarm_of(me.view, person)}


async def test_network_lives_on_without_discovery_and_follows_it_afterwards(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    before = await network.view_where()
    async with alice.online() as me, bob.online() as he, listening(he) as arrived:
        network.net.node("discovery").kill()
        await network.say(me, bob, "without discovery")
        assert await arrived.texts(1) == ["without discovery"]

        relay = network.net.node("relay-6")
        certificates = network.listed(before, "relay-6").certificates
        relay.kill()
        relay.start()
        await network.said("relay-6", "discovery_lost")
        moved = Seed(relay.facts["address"], certificates)
        assert await health(moved) == health_pb2.HealthCheckResponse.NOT_SERVING
        await network.say(me, bob, "with one relay fewer")
        assert await arrived.texts(1) == ["with one relay fewer"]

        await network.start("discovery")
        await network.said("relay-6", "ready")
        assert await health(moved) == health_pb2.HealthCheckResponse.SERVING
        await network.say(me, bob, "with discovery again")
        assert await arrived.texts(1) == ["with discovery again"]
    after = await network.view_where(lambda view: network.listed(view, "relay-6").address == moved.address)
    assert (after.epoch, after.serial > before.serial) == (before.epoch, True)
    await assert_chain_goes_on(network, before, after)
    async with alice.online() as me:  # from the view that it kept
        assert me.view.serial >= after.serial


async def health(peer: Seed) -> int:
    async with dial_peer(peer) as channel:
        return (await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())).status


async def assert_chain_goes_on(network: RealNetwork, before: NetworkView, after: NetworkView) -> None:
    """Whoever holds the view of before is led to the one of after, by discovery and by each node."""
    discovery = Seed(network.net.discovery_address, network.net.genesis.discovery_certificates)
    told = await ask(discovery, before.epoch, before.serial, NOW_MS)
    assert told.answer.WhichOneof("answer") == "diff"  # the headers between: each names the one before it
    for peer in (discovery, *after.nodes.values()):
        keeper = ViewKeeper(network.net.genesis)
        keeper.restore(before.whole().SerializeToString())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (view := keeper.accept(await answer(peer, before), NOW_MS())).serial < after.serial:  # noqa: ASYNC110  # of other processes
                await asyncio.sleep(0.05)
        assert view.serial > after.serial or view.hash == after.hash


async def answer(peer: Peer, held: NetworkView) -> ViewAnswer:
    return (await ask(peer, held.epoch, held.serial, NOW_MS)).answer
