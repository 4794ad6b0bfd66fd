"""Storage members that lie to a client: one of them must neither destroy mail nor roll back what others publish."""

import asyncio
import os
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from client_world import NOW_MS, World
from essaim.protocol import outbox as entry
from essaim.protocol.conversation import Peer
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.rule import DAY_MS, MAX_VERSION
from essaim_client.mailbox import live_stream
from essaim_client.messaging.addresses import outbox
from essaim_storage.effects import Delivery, Retrieved


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as made:
        yield made


class Liars:
    """Every storage node of a world answers its readers what `lie` makes of each honest page."""

    def __init__(self, world, lie):
        self._servicers = [node.storage.offer.servicer for node in world.stores]
        self._lie = lie

    def __enter__(self):
        for servicer in self._servicers:
            servicer._ask = self._liar(servicer._ask)

    def __exit__(self, *error):
        for servicer in self._servicers:
            del servicer._ask

    def _liar(self, honest):
        async def ask(kind, make):
            answer = await honest(kind, make)
            return replace(answer, envelopes=self._lie(answer.envelopes)) if kind is Retrieved else answer

        return ask


def with_newer(account, name, data):
    """Beside an entry's honest pages another envelope, genuine by its id, whose version is the highest."""
    expires_ms = NOW_MS() + DAY_MS
    made = envelope_id(outbox(account).mailbox_id, name, expires_ms, data, MAX_VERSION)
    newer = Delivery(made, name, expires_ms, MAX_VERSION, len(data), data)
    return lambda envelopes: (*envelopes, newer) if any(each.slot == name for each in envelopes) else envelopes


async def test_other_bytes_under_a_real_id_do_not_destroy_the_message(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        await alice.send(bob.account_id, "hello")
        with Liars(world, lambda pages: tuple(replace(each, data=os.urandom(each.size)) for each in pages)):
            assert await bob.receive() == []
        assert [each.text for each in await bob.receive()] == ["hello"]


async def test_mail_that_no_member_has_does_not_stop_a_reader(world):
    ghost = Delivery(os.urandom(32), b"\0", 1 << 60, 0, 57_344, b"")

    def haunted(pages):
        return (ghost, *pages) if any(each.data and not each.version for each in pages) else pages

    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        await alice.send(bob.account_id, "hello")
        with Liars(world, haunted):
            assert [each.text for each in await bob.receive()] == ["hello"]


async def test_forged_newest_manifest_does_not_stop_a_sender(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        with Liars(world, with_newer(bob.account_id, entry.MANIFEST, os.urandom(4096))):
            await alice.send(bob.account_id, "hello")
        assert [each.text for each in await bob.receive()] == ["hello"]


async def test_old_prekeys_under_a_new_version_are_passed_over(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        device, publisher = bob._profile.device, bob._upkeep._publisher
        old = device.prekeys_entry(os.urandom)
        assert device.maintain(NOW_MS() + 8 * DAY_MS, os.urandom)
        publisher._save({"prekeys": 0})
        await publisher.publish()
        with Liars(world, with_newer(bob.account_id, entry.prekeys_name(device.slot), old)):
            directory = alice._sender._directory
            peer = Peer(bob.account_id, device.slot)
            bundle = await directory.bundle(peer, await directory.manifest(bob.account_id))
        assert bundle.signed.prekey_id == device._prekeys.signed[0].prekey_id


def withholding(honest):
    """Subscriptions that begin, and then bring nothing."""

    @asynccontextmanager
    async def subscription(make):
        async with honest(make) as kept:

            async def following():
                if told:
                    await asyncio.Event().wait()
                told.append(await kept.next())
                return replace(told[0], envelopes=())

            told = []
            yield SimpleNamespace(next=following)

    return subscription


async def test_member_that_is_followed_cannot_hold_mail_back_for_ever(world, monkeypatch):
    monkeypatch.setattr(live_stream.LiveStream, "_life_seconds", lambda _: 0.1)
    for node in world.stores:
        monkeypatch.setattr(node.storage.executor, "subscription", withholding(node.storage.executor.subscription))
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        async with aclosing(bob.listen()) as messages:
            arriving = asyncio.ensure_future(anext(messages))
            await bob.live.wait()
            await alice.send(bob.account_id, "held back")
            assert (await asyncio.wait_for(arriving, 20)).text == "held back"
