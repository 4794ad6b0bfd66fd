"""Listening to several mailboxes at once on real relays and storage: paths of their own, no death that loses a word."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from client_world import World
from essaim.protocol.mailbox.refusal import NotAuthorizedError
from essaim_client import Client
from essaim_client.mailbox import watch as watching
from essaim_client.mailbox.watch import Watch
from essaim_storage.effects import Retrieved


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path, relays=6) as made:
        yield made


@asynccontextmanager
async def friends(world: World):
    """Two people who write to each other's private inbox from now on."""
    async with world.client() as alice, world.client() as bob:
        await alice.ready()
        await bob.ready()
        for sender, reader in ((alice, bob), (bob, alice)):
            await sender.send(reader.account_id, "hello")
            await reader.receive()
        for person in (alice, bob):
            await person._person.errands.finish()
            await person.receive()
        yield alice, bob


def streams(person: Client) -> dict[bytes, tuple[bytes, object]]:
    """By mailbox: the node at which it is followed, and the path."""
    found = {}
    for access in person._person.days.written():
        mailbox = access.policy.mailbox_id
        member = person._person.receiver.watch.member_of(mailbox)
        assert member is not None
        found[mailbox] = member, person._network.lanes._paths[b"follow" + mailbox, member]
    return found


async def test_each_mailbox_has_a_path_of_its_own_and_no_death_on_it_loses_or_repeats_a_word(world):
    async with friends(world) as (alice, bob):
        heard, said = asyncio.Queue(), []

        async def listen() -> None:
            async for message in bob.listen():
                heard.put_nowait(message.text)

        async def say() -> None:
            said.append(f"word {len(said)}")
            await alice.send(bob.account_id, said[-1])
            assert await asyncio.wait_for(heard.get(), 60) == said[-1]

        listening = asyncio.create_task(listen())
        await asyncio.wait_for(bob.live.wait(), 30)
        await say()
        followed = streams(bob)
        assert len(followed) == 2  # public and today's; a third around midnight is not what this test is about
        assert len({id(path) for _, path in followed.values()}) == len(followed)
        private = bob._person.days.written()[1].policy.mailbox_id
        member, path = followed[private]
        await world.node(path.hops[-1].node_id).stop()  # its exit
        await say()
        await asyncio.wait_for(bob.live.wait(), 60)
        await world.node(streams(bob)[private][0]).stop()  # the node that is followed
        world.publish()
        await say()
        await say()
        await asyncio.wait_for(bob.live.wait(), 60)
        assert streams(bob)[private][0] != member or path is not streams(bob)[private][1]
        await bob.listen().aclose()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert heard.empty()
        assert [each.text for each in bob.history(alice.account_id) if not each.outgoing] == ["hello", *said]


async def test_mailbox_that_was_refused_once_is_followed_again(world, monkeypatch):
    """One member that lies while the others are away for a minute must not make what arrives late for hours."""
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.2)
    async with friends(world) as (alice, bob):
        public, private, *_ = bob._person.days.written()
        live = asyncio.Event()
        watch = Watch(bob._swarms, live)
        found = watch.found()
        watch.follow([public])
        watch.ready()
        await asyncio.wait_for(live.wait(), 30)
        servicers = [node.storage.offer.servicer for node in world.stores]
        said = asyncio.Queue()
        for servicer in servicers:
            servicer._ask = refusing(servicer._ask, said)
        watch.follow([public, private])
        for _ in servicers:  # more than one member's word
            await asyncio.wait_for(said.get(), 30)
        for servicer in servicers:
            del servicer._ask
        await alice.send(bob.account_id, "in time")
        access, envelope = await asyncio.wait_for(anext(found), 30)
        assert access.policy.mailbox_id == private.policy.mailbox_id and envelope.data
        await found.aclose()
        await watch.close()


def refusing(honest, said):
    """Every reader is refused, which `said` counts."""

    async def ask(kind, make):
        if kind is not Retrieved:
            return await honest(kind, make)
        said.put_nowait(kind)
        raise NotAuthorizedError("a lie")

    return ask
