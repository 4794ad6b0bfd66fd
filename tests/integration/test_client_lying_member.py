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
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.refusal import (
    ClockError,
    EnvelopeMalformedError,
    NotAuthorizedError,
    PuzzleRequiredError,
    QuotaError,
)
from essaim.protocol.mailbox.rule import DAY_MS, MAX_VERSION
from essaim_client.mailbox import live_stream
from essaim_client.mailbox.refusals import SwarmRefusedError
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.addresses import outbox
from essaim_storage.effects import Delivery, Retrieved, Stored, StoreOutcome
from essaim_storage.refusal import WrongSwarmError


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


class Refusing:
    """One storage node of a world answers every call `refuse` says, and each client asks it first."""

    def __init__(self, world, monkeypatch, refuse, liars=1):
        self.said = 0
        self._refuse = refuse
        stores, honest = world.stores[:liars], Swarms.members
        first = {store.node_id for store in stores}
        monkeypatch.setattr(
            Swarms, "members", lambda *args: sorted(honest(*args), key=lambda n: n.node_id not in first)
        )
        for store in stores:
            monkeypatch.setattr(store.storage.offer.servicer, "_ask", self._liar(store.storage.offer.servicer._ask))

    def _liar(self, honest):
        async def ask(kind, make):
            answer = self._refuse(kind)
            self.said += answer is not None
            if isinstance(answer, ProtocolError):
                raise answer
            return answer or await honest(kind, make)

        return ask


def refuses(kind, error):
    """The whole call."""
    return lambda asked: error if asked is kind else None


def refuses_each(error):
    """Each envelope of a Store, in an answer that is none of an error."""
    return lambda asked: Stored((StoreOutcome(b"", error),)) if asked is Stored else None


MALFORMED = EnvelopeMalformedError("a lie")
LIES = [refuses(Stored, MALFORMED), refuses_each(MALFORMED), refuses_each(QuotaError("a lie"))]
DEMANDS = [WrongSwarmError("a lie"), ClockError("a lie"), PuzzleRequiredError(2), PuzzleRequiredError(40)]


async def test_one_members_refusal_does_not_destroy_outgoing_mail(world, monkeypatch):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        for number, lie in enumerate(LIES):
            with monkeypatch.context() as patch:
                liar = Refusing(world, patch, lie)
                await alice.send(bob.account_id, str(number))
                assert liar.said
            assert alice._profile.store.waiting() == []
            assert [each.text for each in await bob.receive()] == [str(number)]


async def test_one_member_that_asks_for_ever_does_not_hold_a_sender(world, monkeypatch):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        await alice.send(bob.account_id, "first")
        await alice._person.errands.finish()  # what else a first message sets off: own entries, the private inbox
        for demand in DEMANDS:
            for lie in (refuses(Stored, demand), refuses_each(demand)):
                with monkeypatch.context() as patch:
                    liar = Refusing(world, patch, lie)
                    async with asyncio.timeout(20):
                        await alice.send(bob.account_id, demand.reason)
                    assert 1 <= liar.said <= 4  # the member that takes the envelope, and those of own entries
        assert len(await bob.receive()) == 1 + 2 * len(DEMANDS)


async def test_what_enough_members_refuse_is_believed(world, monkeypatch):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        await alice.ready()
        await alice._person.upkeep.tried.wait()
        alice._person.agreement.accept(bob.account_id)
        await alice._person.errands.finish()  # nothing else is stored meanwhile
        liars = Refusing(world, monkeypatch, refuses_each(MALFORMED), liars=2)
        with pytest.raises(SwarmRefusedError) as caught:
            await alice.send(bob.account_id, "hello")
        assert (caught.value.refused_reason, liars.said) == ("ENVELOPE_MALFORMED", 2)
        assert alice._profile.store.waiting() == []


@pytest.mark.parametrize("error", [NotAuthorizedError("a lie"), WrongSwarmError("a lie")], ids=lambda each: each.reason)
async def test_one_members_refusal_does_not_stop_a_reader(world, monkeypatch, error):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        await alice.send(bob.account_id, "hello")
        liar = Refusing(world, monkeypatch, refuses(Retrieved, error))
        assert [each.text for each in await bob.receive()] == ["hello"]
        assert liar.said


async def test_members_that_refuse_subscriptions_do_not_end_a_listener(world, monkeypatch):
    def refused(make):
        raise NotAuthorizedError("a lie")

    for store in world.stores[:2]:
        monkeypatch.setattr(store.storage.executor, "subscription", refused)
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        async with aclosing(bob.listen()) as messages:
            arriving = asyncio.ensure_future(anext(messages))
            await asyncio.wait_for(bob.live.wait(), 30)
            await alice.send(bob.account_id, "live")
            assert (await asyncio.wait_for(arriving, 20)).text == "live"


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
        device, publisher = bob._profile.device, bob._person.publisher
        old = device.prekeys_entry(os.urandom)
        assert device.maintain(NOW_MS() + 8 * DAY_MS, os.urandom)
        publisher._save({"prekeys": 0})
        await publisher.publish()
        with Liars(world, with_newer(bob.account_id, entry.prekeys_name(device.slot), old)):
            directory = alice._person.directory
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
