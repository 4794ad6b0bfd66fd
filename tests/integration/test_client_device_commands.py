"""Devices, contacts and messages by the command line, against real relays and storage."""

import asyncio
import json

import pytest

from client_world import World
from essaim_commands import Commands


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as made:
        yield made


async def line(process) -> dict:
    return json.loads(await asyncio.wait_for(process.stdout.readline(), 60))


@pytest.mark.timeout(180)
async def test_device_is_linked_by_its_code_used_and_revoked(world, tmp_path):
    alice, bob = Commands(world, world.home()), Commands(world, world.home())
    second = Commands(world, tmp_path / "second")
    account = (await alice.json("account", "show"))["account_id"]
    bob_id = (await bob.json("account", "show"))["account_id"]
    await bob.json("receive")
    await alice.json("send", bob_id, "before")
    joining = await second.start("device", "join", "--network", str(world.network_file()), "--name", "laptop", "--json")
    code = (await line(joining))["code"]
    linked = await alice.json("device", "link", code, "--yes")
    assert (linked["slot"], linked["name"]) == (1, "laptop")
    assert await line(joining) == {"account_id": account, "check": linked["check"]}
    assert await joining.wait() == 0
    assert (await second.json("account", "show"))["account_id"] == account
    await second.json("receive")
    assert [each["name"] for each in (await alice.json("device", "list"))["devices"]] == ["", "laptop"]
    sent = await second.json("send", bob_id, "from the laptop")
    await bob.json("receive")
    reply = ("message", "reply", account, sent["message_id"], "an answer")
    assert (await bob.json(*reply, code=2))["error"]["reason"] == "KEYS_CHANGED"
    await bob.json("contact", "acknowledge", account)
    assert (await bob.json(*reply))["devices"] == 2
    assert "an answer" in [each["text"] for each in (await second.json("receive"))["messages"]]
    refused = await second.json("device", "revoke", "0", "--yes", code=2)
    assert refused["error"]["reason"] == "NOT_A_MANAGER"
    assert (await alice.json("device", "revoke", "1", "--yes")) == {"revoked": 1}
    await second.json("receive", code=1)


async def test_wrong_code_and_wrong_number_are_one_sentence(world):
    me = Commands(world, world.home())
    account = (await me.json("account", "show"))["account_id"]
    assert (await me.json("device", "link", "ABC", code=2))["error"]["reason"] == "CODE_REFUSED"
    assert (await me.json("contact", "verify", account, "1234", code=2))["error"]["reason"] == "SAFETY_REFUSED"


@pytest.mark.timeout(120)
async def test_requests_safety_settings_backup_and_wipe(world, tmp_path):
    alice, bob = Commands(world, world.home()), Commands(world, world.home())
    alice_id = (await alice.json("account", "show"))["account_id"]
    bob_id = (await bob.json("account", "show"))["account_id"]
    await bob.json("receive")
    sent = await alice.json("send", bob_id, "may I?")
    [message] = (await bob.json("receive"))["messages"]
    assert message["request"] and (await bob.json("contact", "list"))["requests"] == [alice_id]
    await bob.json("contact", "accept", alice_id)
    number = (await alice.json("contact", "safety", bob_id))["number"]
    await bob.json("contact", "verify", alice_id, number)
    [contact] = (await bob.json("contact", "list"))["contacts"]
    assert contact["verified"] and not contact["blocked"]
    assert (await bob.json("settings", "--typing")) == {"read_receipts": False, "typing": True}
    await bob.json("message", "react", alice_id, sent["message_id"], "+")
    await alice.json("receive")
    [shown] = (await alice.json("message", "list", bob_id))["messages"]
    assert shown["reactions"] == ["+"]
    backup = str(tmp_path / "backup")
    assert (await alice.json("account", "backup", backup)) == {"entries": 2}
    wiped = (await alice.json("account", "wipe", "--account", "--yes"))["wiped"]
    assert {each["mailbox"]: len(each["nodes"]) >= 2 for each in wiped} == dict.fromkeys(
        ("inbox", "private inbox", "configuration", "outbox", "generation"), True
    )
    assert (await alice.json("receive", code=2))["error"]["reason"] == "NO_ACCOUNT"
