"""Closed groups over real relays and a real swarm: the library live, and the commands."""

import asyncio
import json

import pytest
from PIL import Image

from client_world import World
from essaim_client import GroupInvited, InGroup, Message
from essaim_client.cli import group, group_talk
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
    group_id = (await alice.json("group", "create", "us two", "--invite", bob_id))["group_id"]
    assert (await bob.json("group", "accept", "us two")) == {"group_id": group_id, "done": "joined"}
    assert (await bob.json("group", "rename", group_id[:8], "mine", code=2))["error"]["reason"] == "GROUP_FORBIDDEN"
    sent = await alice.json("group", "send", group_id, "hello")
    assert sent["members"] == 1
    notes = tmp_path / "notes.txt"
    notes.write_text(HERON)
    told = await bob.json("group", "send", group_id, "look", "--file", str(notes), "--reply-to", sent["message_id"])
    texts = (await alice.json("group", "read", group_id))["messages"]
    assert [(each["text"], each["outgoing"]) for each in texts] == [("hello", True), ("look", False)]
    assert texts[1]["files"][0]["name"] == "notes.txt" and texts[1]["reply_to"] == sent["message_id"]
    (tmp_path / "to").mkdir()
    [saved] = (await alice.json("file", "save", told["message_id"], "--to", str(tmp_path / "to")))["saved"]
    assert (tmp_path / "to" / "notes.txt").read_text() == HERON and saved.endswith("notes.txt")
    assert (await alice.json("archive", "export", "us two", str(tmp_path / "export")))["messages"] == 2
    archive = await alice.json("archive", "import", str(tmp_path / "export"))
    assert (archive["group"], archive["conversation"], archive["messages"]) == ("us two", group_id, 2)
    assert (await alice.json("group", "remove", group_id, bob_id))["done"] == "removed"
    [left] = (await alice.json("group", "list"))["groups"]
    assert [each["role"] for each in left["members"]] == ["admin"]


HERON = "the heron stands in the reeds"


class Told:
    """Calls `essaim group` commands as what they are declared as, and reads what a program would."""

    def __init__(self, me, called: set[str]) -> None:
        self._me = me
        self._called = called

    async def __call__(self, name: str, *arguments, **options):
        self._called.add(name)
        told = await WORK[name](self._me, *arguments, **options)
        assert told.lines or name in ("list", "read")
        return json.loads(json.dumps(told.flat))


WORK = {
    "list": group.show_all,
    **{each: getattr(group, each) for each in ("create", "show", "invite", "accept", "leave", "remove", "promote")},
    **{each: getattr(group, each) for each in ("demote", "rename", "picture")},
    **{each: getattr(group_talk, each) for each in ("send", "react", "edit", "unsend", "timer", "read")},
}


@pytest.mark.timeout(240)
async def test_every_group_command_tells_programs_what_it_did(world, tmp_path):
    called: set[str] = set()
    async with world.client() as her, world.client() as him:
        await asyncio.gather(her.ready(), him.ready())
        alice, bob, bob_id = Told(her, called), Told(him, called), str(him.account_id)
        us = (await alice("create", "us two"))["group_id"]
        assert await alice("invite", us[:6], bob_id) == {"group_id": us, "done": "invited"}
        assert await bob("accept", "us two") == {"group_id": us, "done": "joined"}
        hello = (await alice("send", us, "hello"))["message_id"]
        async with asyncio.timeout(60):  # her chain comes in a message of its own, which may be on its way
            while not (await bob("read", us))["messages"]:
                pass
        answer = (await bob("send", us, "hi", reply_to=hello))["message_id"]
        await bob("edit", us, answer, "hi there")
        await bob("react", us, hello, "+")
        gone = (await bob("send", us, "unsaid"))["message_id"]
        await bob("unsend", us, gone)
        first, second = (await alice("read", us))["messages"]
        assert (first["text"], first["reactions"], first["author"]) == ("hello", ["+"], str(her.account_id))
        assert (second["text"], second["edited"], second["reply_to"]) == ("hi there", True, hello)
        her.contacts.block(him.account_id)
        [hidden] = (await alice("read", us, limit=1))["messages"]
        assert (hidden["text"], hidden["blocked"]) == ("", True)
        her.contacts.unblock(him.account_id)
        assert (await alice("timer", us, 3_600))["members"] == 1
        Image.new("RGB", (40, 40), "green").save(tmp_path / "picture.png")
        assert (await alice("picture", us, tmp_path / "picture.png"))["done"] == "picture set"
        assert (await bob("show", us))["picture_bytes"] > 100
        assert (await alice("picture", us))["done"] == "picture removed"
        assert (await alice("promote", us, bob_id))["done"] == "promoted"
        assert (await bob("rename", us, "still two"))["done"] == "renamed"
        assert (await alice("demote", us, bob_id))["done"] == "demoted"
        shown = await bob("show", "still two")
        assert [each["role"] for each in shown["members"]] == ["admin", "member"] and shown["picture_bytes"] == 0
        assert (await alice("remove", us, bob_id))["done"] == "removed"
        assert (await bob("list"))["groups"] == []
        assert (await alice("leave", us))["done"] == "left"
    assert called == {each.name or each.callback.__name__ for each in group.app.registered_commands}
