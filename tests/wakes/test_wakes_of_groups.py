"""A device that is off is told that something was said in a closed group, in the epochs to come, too."""

import asyncio
from base64 import b64decode
from contextlib import suppress

from essaim.protocol.push.preview import Preview, PreviewKey
from essaim.protocol.push.refusal import PreviewRefusedError
from essaim_client import Client
from essaim_client.push.subscribed import Subscribed
from push_receiver.receiver import Receiver
from real_network import PASSPHRASE, Person, RealNetwork

WITHIN_SECONDS = 30.0
SILENCE_SECONDS = 4.0


async def met(sleeper: Person, me: Client, group: bytes, text: str) -> Subscribed:
    """Whoever is off comes, hears a text of the group, registers what is due and is off again: what it keeps of it."""
    async with Client.open(sleeper.home, passphrase=PASSPHRASE) as they:
        await they.ready()
        await me.groups.send(group, text)
        async with asyncio.timeout(WITHIN_SECONDS):
            while text not in [each.text for each in they.groups.history(group)]:
                await they.receive_events()
                await they._person.healing.heal()
        await they._person.errands.finish()
        await they.push.keep()
        kept = Subscribed.load(they._profile.store)
        assert kept is not None
        return kept


async def woken(bot: Receiver, kept: Subscribed, wanted: set[bytes]) -> None:
    """Until a wake names one of these mailboxes. What was written to the inboxes meanwhile wakes, too."""
    named: set[bytes] = set()
    async with asyncio.timeout(WITHIN_SECONDS):
        while not named & wanted:
            await asyncio.sleep(0.1)
            named = {mailbox_of(kept, b64decode(each["document"]["data"]["preview"])) for each in bot.received()}


def mailbox_of(kept: Subscribed, content: bytes) -> bytes:
    """Which one a preview names that the device opens."""
    for push_id in map(bytes.fromhex, kept.registered.values()):
        with suppress(PreviewRefusedError):
            return Preview.unseal(content, PreviewKey.derive(bytes.fromhex(kept.preview), push_id), push_id).mailbox_id
    raise AssertionError("a preview for nobody")


def mailboxes(me: Client, group: bytes) -> list[set[bytes]]:
    """Of each epoch, the newest first: those around today."""
    kept = me._person.grouping.book.get(group)
    today = me._person._now_ms() // 86_400_000
    newest = sorted(kept.epochs.values(), key=lambda each: -each.made_ms)
    return [{each.mailbox(day).mailbox_id for day in range(today - 1, today + 2)} for each in newest]


async def test_sleeping_member_is_woken_by_the_group_in_every_epoch(network: RealNetwork, bot: Receiver) -> None:
    bob, eve, ann = [await network.newcomer() for _ in range(3)]
    async with Client.open(ann.home, passphrase=PASSPHRASE) as me:
        await me.ready()
        group = (await me.groups.create("climbing", [bob.account_id, eve.account_id])).group_id
        async with Client.open(bob.home, passphrase=PASSPHRASE) as they:
            await they.ready()
            await they.receive_events()
            await they.groups.accept(group)
            await they._person.errands.finish()
            await they.push.enable(bot.endpoint, prompt=True, preview=True, groups=True)
            status = await they.push.status()
            assert status.groups and status.registered >= 3 * 14, "public and private inbox, and the group"
        await me.receive_events()
        await me._person.errands.finish()
        kept = await met(bob, me, group, "hello, all")
        bot.forget()
        await me.groups.send(group, "Are you asleep?")
        await woken(bot, kept, mailboxes(me, group)[0])

        await me.groups.remove(group, eve.account_id)
        kept = await met(bob, me, group, "without eve")
        bot.forget()
        await me.groups.send(group, "And now?")
        newer, older = mailboxes(me, group)[:2]
        await woken(bot, kept, newer - older)


async def test_groups_wake_nobody_who_did_not_ask(network: RealNetwork, bot: Receiver) -> None:
    """And nobody any more who has thought better of it."""
    bob, ann = [await network.newcomer() for _ in range(2)]
    async with Client.open(ann.home, passphrase=PASSPHRASE) as me:
        await me.ready()
        group = (await me.groups.create("quiet", [bob.account_id])).group_id
        async with Client.open(bob.home, passphrase=PASSPHRASE) as they:
            await they.ready()
            await they.receive_events()
            await they.groups.accept(group)
            await they._person.errands.finish()
            await they.push.enable(bot.endpoint, prompt=True, groups=True)
            with_groups = (await they.push.status()).registered
            await they.push.enable(bot.endpoint, prompt=True)
            assert (await they.push.status()).registered < with_groups
        await me.receive_events()
        await me._person.errands.finish()
        await met(bob, me, group, "hello")
        await asyncio.sleep(SILENCE_SECONDS / 2)  # what was written to the inboxes has woken by now
        bot.forget()
        await me.groups.send(group, "Nobody rings.")
        await asyncio.sleep(SILENCE_SECONDS)

        assert not bot.received()
