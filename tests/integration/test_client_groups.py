"""Closed groups over real relays and a real swarm: the library live, and the commands."""

import asyncio

import pytest

from client_world import World
from essaim_client import GroupInvited, InGroup, Message
from essaim_commands import Commands


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as made:
        yield made


async def wait_for(client, wanted):
    """The first event that fits."""
    async for event in client.events():
        if wanted(event):
            return event
    raise AssertionError("the events ended")


def said(text):
    return lambda event: isinstance(event, InGroup) and isinstance(event.event, Message) and event.event.text == text


@pytest.mark.timeout(180)
async def test_group_lives_over_a_real_network_and_who_is_removed_is_out(world):
    async with world.client() as alice, world.client() as bob, world.client() as carol:
        await asyncio.gather(*(each.ready() for each in (alice, bob, carol)))
        invited = asyncio.create_task(wait_for(bob, lambda event: isinstance(event, GroupInvited)))
        info = await alice.groups.create("climbing", [bob.account_id, carol.account_id])
        assert (await asyncio.wait_for(invited, 60)).name == "climbing"
        await bob.groups.accept(info.group_id)
        await carol.receive_events()
        await carol.groups.accept(info.group_id)
        await alice.receive_events()
        await alice._person.errands.finish()
        hearing = asyncio.create_task(wait_for(bob, said("hello, all")))
        await alice.groups.send(info.group_id, "hello, all")
        heard = await asyncio.wait_for(hearing, 60)
        assert heard.group_id == info.group_id and heard.event.sender == alice.account_id
        await carol.receive_events()
        await carol._person.errands.finish()
        await carol._person.healing.heal()
        await bob._person.errands.finish()
        assert "hello, all" in [each.text for each in carol.groups.history(info.group_id)]
        await alice.groups.remove(info.group_id, carol.account_id)
        hearing = asyncio.create_task(wait_for(bob, said("without carol")))
        await alice.groups.send(info.group_id, "without carol")
        await asyncio.wait_for(hearing, 60)
        await carol.receive_events()
        assert [each.text for each in carol.groups.history(info.group_id)] == ["hello, all"]
        assert carol.groups.all() == []


@pytest.mark.timeout(240)
async def test_group_commands(world, tmp_path):
    alice, bob = Commands(world, world.home()), Commands(world, world.home())
    bob_id = (await bob.json("account", "show"))["account_id"]
    await bob.json("receive")
    group = (await alice.json("group", "create", "us two", "--invite", bob_id))["group_id"]
    assert (await bob.json("group", "accept", "us two")) == {"group_id": group, "done": "joined"}
    assert (await bob.json("group", "rename", group[:8], "mine", code=2))["error"]["reason"] == "GROUP_FORBIDDEN"
    sent = await alice.json("group", "send", group, "hello")
    assert sent["members"] == 1
    await bob.json("group", "send", group, "hi", "--reply-to", sent["message_id"])
    texts = (await alice.json("group", "read", group))["messages"]
    assert [(each["text"], each["outgoing"]) for each in texts] == [("hello", True), ("hi", False)]
    assert (await alice.json("group", "remove", group, bob_id))["done"] == "removed"
    [left] = (await alice.json("group", "list"))["groups"]
    assert [each["role"] for each in left["members"]] == ["admin"]
