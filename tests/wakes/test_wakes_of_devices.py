"""A device that is off is told that mail waits, over the whole way, whoever dies on it."""

import asyncio
import json
import os
import socket
import sys
from base64 import b64decode
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from essaim_client import Client
from push_receiver.receiver import Receiver
from real_network import PASSPHRASE, Person, RealNetwork

WITHIN_SECONDS = 20.0
SILENCE_SECONDS = 4.0
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "woken_bot.py"


async def woken(bot: Receiver, many: int = 1) -> None:
    """Until the bot has had so many wakes. Raises TimeoutError."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while len(bot.received()) < many:  # noqa: ASYNC110  # the other process has no event to wait for
            await asyncio.sleep(0.1)
    assert all(set(each["document"]["data"]) <= {"preview"} for each in bot.received())


def previews(bot: Receiver) -> list[bytes]:
    """Of the devices that have any: those of earlier tests, whose members died, may be told again meanwhile."""
    told = [each["document"]["data"] for each in bot.received()]
    return [b64decode(each["preview"]) for each in told if "preview" in each]


async def woken_with_preview(bot: Receiver) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while not previews(bot):  # noqa: ASYNC110  # the other process has no event to wait for
            await asyncio.sleep(0.1)


async def sleeper(network: RealNetwork, bot: Receiver, **how: bool) -> Person:
    """Somebody whose device is registered, and off."""
    person = await network.newcomer()
    async with Client.open(person.home, passphrase=PASSPHRASE) as me:
        await me.ready()
        await me.push.enable(bot.endpoint, prompt=True, **how)
        status = await me.push.status()
        assert status.state == "LIVE" and status.registered >= 15
    return person


async def test_sleeping_device_is_woken_by_mail_and_told_nothing_else(network: RealNetwork, bot: Receiver) -> None:
    bob, ann = await sleeper(network, bot), await network.newcomer()
    async with Client.open(ann.home, passphrase=PASSPHRASE) as sender:
        await network.say(sender, bob, "Are you there?")

        await woken(bot)
    assert [each["document"]["data"] for each in bot.received()] == [{}] * len(bot.received())


@pytest.mark.parametrize("victim", ["storage-1", "storage-2", "storage-3"])
async def test_sleeping_device_is_woken_whichever_member_is_dead(
    network: RealNetwork, bot: Receiver, victim: str
) -> None:
    bob, ann = await sleeper(network, bot), await network.newcomer()
    network.net.node(victim).kill()
    async with Client.open(ann.home, passphrase=PASSPHRASE) as sender:
        await network.say(sender, bob, "One of them is gone.")

        await woken(bot)


async def test_sleeping_device_is_woken_after_all_members_died_with_the_mail(
    network: RealNetwork, bot: Receiver
) -> None:
    bob, ann = await sleeper(network, bot), await network.newcomer()
    network.net.node("push-1").kill()
    bot.forget()  # a member that was away may have told of older mail again
    async with Client.open(ann.home, passphrase=PASSPHRASE) as sender:
        await network.say(sender, bob, "Nobody can tell you yet.")
    for name in network.net.layout.storage_names:
        network.net.node(name).kill()
    assert not bot.received()

    await asyncio.to_thread(network.net.mend)

    await woken(bot)


async def test_wake_carries_a_preview_for_the_device_alone(network: RealNetwork, bot: Receiver) -> None:
    bob, ann = await sleeper(network, bot, preview=True), await network.newcomer()
    async with Client.open(ann.home, passphrase=PASSPHRASE) as sender:
        await network.say(sender, bob, "Look here.")
        await woken_with_preview(bot)
    found = previews(bot)

    async with Client.open(bob.home, passphrase=PASSPHRASE) as me:
        opened = [me.push.preview(each) for each in found]
    assert {each.size for each in opened if each is not None} <= {4_096, 10_240} and None not in opened
    async with Client.open(ann.home, passphrase=PASSPHRASE) as other:
        assert other.push.preview(found[0]) is None


async def test_device_that_disabled_push_is_told_nothing(network: RealNetwork, bot: Receiver) -> None:
    bob, ann = await sleeper(network, bot, preview=True), await network.newcomer()
    before = copytree(bob.home, bob.home.with_name("before"))
    async with Client.open(bob.home, passphrase=PASSPHRASE) as me:
        await me.push.disable()
    async with Client.open(ann.home, passphrase=PASSPHRASE) as sender:
        await network.say(sender, bob, "You wanted quiet.")
        await asyncio.sleep(SILENCE_SECONDS)

    async with Client.open(before, passphrase=PASSPHRASE) as copy:  # it would know its own previews
        assert not any(copy.push.preview(each) for each in previews(bot))


async def test_bot_of_the_examples_is_woken_and_answers(network: RealNetwork) -> None:
    home, ann = await network.newcomer(), await network.newcomer()
    port = free_port()
    command = [sys.executable, str(EXAMPLE), f"http://127.0.0.1:{port}/essaim", "--port", str(port)]
    environment = os.environ | {"ESSAIM_HOME": str(home.home), "ESSAIM_PASSPHRASE": PASSPHRASE}
    bot = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    assert bot.stderr is not None
    try:
        said = await asyncio.wait_for(bot.stderr.readline(), WITHIN_SECONDS)
        assert said.startswith(b"woken as"), said
        async with Client.open(ann.home, passphrase=PASSPHRASE) as me:
            await network.say(me, home, "Hello?")
            reply = await asyncio.wait_for(anext(me.listen()), WITHIN_SECONDS)
        assert reply.text == "You said: Hello?"
    finally:
        bot.kill()
        await bot.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_command_line_enables_tells_and_disables(network: RealNetwork, bot: Receiver, tmp_path: Path) -> None:
    person = await network.newcomer()
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)

    async def told(*words: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "essaim_client", "push", *words, "--home", str(person.home), "--json"]
        process = await asyncio.create_subprocess_exec(
            *command, "--passphrase-file", str(secret), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return {"code": process.returncode, **json.loads(out)}

    hosts = (await told("hosts"))["hosts"]
    host = hosts[0]
    assert len(hosts) == 1
    assert "WEBHOOK" in host["kinds"]
    refused = await told("status")
    assert (refused["code"], refused["error"]["reason"]) == (2, "PUSH_NOT_ENABLED")
    enabled = await told("enable", "--webhook", bot.endpoint.url.text, "--host", host["host"][:6])
    assert enabled["enabled"] == "WEBHOOK" and enabled["secret"].startswith("whsec_")
    status = await told("status")
    assert (status["state"], status["kind"], status["host"]) == ("LIVE", "WEBHOOK", host["host"])
    assert (await told("enable"))["code"] == 2
    assert (await told("disable"))["disabled"] is True
    assert (await told("status"))["code"] == 2
