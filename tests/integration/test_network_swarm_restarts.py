"""All members of a swarm restart: one after another as in an upgrade, or all killed at once as in a power cut."""

import asyncio

import pytest

from essaim_client import Client
from real_network import Person, RealNetwork, listening

DRAIN_SECONDS = 20.0  # less than the 30 of grace: what waits so long, waits for something that does not come


@pytest.mark.timeout(100)
async def test_rolling_restart_under_continuous_sends_is_not_noticed(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    over = asyncio.Event()
    async with alice.online() as me, bob.online() as he, listening(he) as arrived:
        sending = asyncio.create_task(send_until(over, network, me, bob))
        for name in network.swarm_of(me.view, bob):
            await upgrade(network, name)
            assert not sending.done(), sending.exception()
        over.set()
        texts = await sending
        assert len(texts) > 20
        assert sorted(await arrived.texts(len(texts))) == sorted(texts)
        assert await he.receive() == [] and arrived.empty()
        assert sorted(shown.text for shown in he.history()) == sorted(texts)


async def send_until(over: asyncio.Event, network: RealNetwork, me: Client, to: Person) -> list[str]:
    """A send that fails raises here."""
    texts: list[str] = []
    while not over.is_set():
        texts.append(f"during the upgrade {len(texts)}")
        await network.say(me, to, texts[-1])
    return texts


async def upgrade(network: RealNetwork, name: str) -> None:
    """SIGTERM, and a new start once it has ended; over when it is ready, as an orchestrator goes on."""
    await asyncio.to_thread(network.net.node(name).stop, DRAIN_SECONDS)
    await network.start(name)


async def test_whole_swarm_killed_at_once_has_all_that_it_acknowledged(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    texts = [f"before the power cut {number}" for number in range(20)]
    async with alice.online() as me:
        members = network.swarm_of(me.view, bob)
        await network.say(me, bob, *texts)
        for name in members:
            network.net.node(name).kill()
        await asyncio.gather(*map(network.start, members))
        async with bob.online() as he:
            assert sorted(message.text for message in await he.receive()) == sorted(texts)
            await network.say(me, bob, "after it")
            assert [message.text for message in await he.receive()] == ["after it"]


async def test_send_that_found_no_swarm_is_acknowledged_once_it_is_back(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    async with alice.online() as me:
        await network.say(me, bob, "first")
        members = network.swarm_of(me.view, bob)
        for name in members:
            network.net.node(name).kill()
        sending = asyncio.create_task(network.say(me, bob, "into the dark", "and again"))
        await asyncio.gather(*map(network.start, members))
        await sending
        async with bob.online() as he:
            assert sorted(message.text for message in await he.receive()) == ["and again", "first", "into the dark"]


async def test_listener_outlives_the_death_of_its_whole_swarm(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    async with alice.online() as me, bob.online() as he, listening(he) as arrived:
        await network.say(me, bob, "first")
        assert await arrived.texts(1) == ["first"]
        members = network.swarm_of(me.view, bob)
        for name in members:
            network.net.node(name).kill()
        await asyncio.gather(*map(network.start, members))
        await network.say(me, bob, "second", "third")
        assert sorted(await arrived.texts(2)) == ["second", "third"]
        assert arrived.empty()
