"""A sender believes a quorum's signatures, never one member's word; an owner can prove what a quorum said."""

import asyncio
import os
from dataclasses import replace

import pytest

from client_world import NOW_MS, World
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim_client.mailbox.access import Access, Authority
from essaim_client.mailbox.blobs import BlobGoneError, Blobs
from essaim_client.mailbox.notices import Notices
from essaim_client.mailbox.reading import Reader, Reading
from essaim_client.mailbox.refusals import SwarmRefusedError
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_storage.effects import Removed, Stored


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as made:
        yield made


class Liar:
    """The first storage node answers every store and removal as done, with receipts of what it makes of honest ones.

    Nothing that it was asked is on its way to any disk but those of before.
    """

    def __init__(self, world, monkeypatch, forge, *, does_it=True):
        self.said = self.removals = 0
        liar, honest = world.stores[0], Swarms.members
        by_liar = lambda *args: sorted(honest(*args), key=lambda node: node.node_id != liar.node_id)  # noqa: E731
        monkeypatch.setattr(Swarms, "members", by_liar)
        servicer = liar.storage.offer.servicer
        real = servicer._ask

        async def ask(kind, make):
            self.removals += kind is Removed
            if kind is Removed and not does_it:
                return Removed()
            answer = await real(kind, make)
            if kind is Stored:
                self.said += 1
                outcomes = (replace(each, receipts=forge(each.receipts)) for each in answer.outcomes)
                return Stored(tuple(outcomes))
            if kind is Removed:
                self.said += 1
                return Removed(forge(answer.receipts))
            return answer

        monkeypatch.setattr(servicer, "_ask", ask)


def nothing(receipts):
    return ()


def of_one_member(receipts):
    return receipts[:1] * 3


def under_other_names(receipts):
    return tuple(replace(receipts[0], node_id=SigningKey(bytes([at]) * 32).public.raw) for at in range(3))


def of_another_record(receipts):
    return tuple(replace(each, index=each.count, count=each.count + 1) for each in receipts)


async def test_store_of_a_member_that_lies_is_not_believed(world, monkeypatch) -> None:
    key = SigningKey(os.urandom(32))
    policy = Policy.public_inbox(key.public)
    async with world.client() as client:
        for forge in (nothing, of_one_member, under_other_names, of_another_record):
            with monkeypatch.context() as patch:
                liar = Liar(world, patch, forge)
                letter = Outgoing(b"\0", NOW_MS() + DAY_MS, os.urandom(4096))
                async with asyncio.timeout(20):
                    await Writer(client._swarms).store(policy, [letter])
                assert liar.said, "the honest ones were asked after it"
        found = [each async for each in Reader(client._swarms, Access(policy, b"\0", key)).read(Reading())]
        assert len(found) == 4


@pytest.mark.parametrize("does_it", [False, True], ids=["swallows", "forges"])
async def test_confirmation_of_a_member_that_lies_is_made_at_another(world, monkeypatch, does_it) -> None:
    """One says that it is done, and has done nothing; or has, and shows another's signatures. It is noted once."""
    key = SigningKey(os.urandom(32))
    policy = Policy.public_inbox(key.public)
    letters = [Outgoing(b"\0", NOW_MS() + DAY_MS, os.urandom(4096)) for _ in range(2)]
    ids = [each.id_in(policy) for each in letters]
    async with world.client() as client:
        await Writer(client._swarms).store(policy, letters)
        liar = Liar(world, monkeypatch, of_one_member, does_it=does_it)
        access = Access(policy, b"\0", key)
        async with asyncio.timeout(20):
            await Writer(client._swarms).confirm(access, ids)
        assert liar.removals, "an honest one was asked after it"
        assert not [each async for each in Reader(client._swarms, access).read(Reading())]
    noted = [len(node.storage._store.naming(ids[0])) for node in world.stores]
    assert max(noted) == 1 and sum(noted) >= 2


async def nothing_left(swarms: Swarms, access: Access) -> bool:
    """Once the member that was not among the W that acknowledged has heard of it, too."""
    async with asyncio.timeout(30):
        while [each async for each in Reader(swarms, access).read(Reading())]:
            pass
    return True


async def test_owner_proves_what_a_quorum_said_of_a_wipe(world) -> None:
    key = SigningKey(os.urandom(32))
    policy, owner = Policy.public_inbox(key.public), Authority(key)
    async with world.client() as client:
        swarms = client._swarms
        notices, writer = Notices(swarms), Writer(swarms)
        letters = [Outgoing(b"\0", NOW_MS() + DAY_MS, os.urandom(4096)) for _ in range(2)]
        await writer.store(policy, letters)
        ids = [each.id_in(policy) for each in letters]
        access = Access(policy, b"", key)
        later = NOW_MS() + 5 * DAY_MS
        await notices.expire(access, ids[:1], later)
        async with asyncio.timeout(30):  # one member's word, who may not have heard of it yet
            while (await notices.expiries(access, ids)).get(ids[0]) != later:
                pass
        await notices.delete(policy, owner, ids[:1])
        proof = await notices.delete_all(policy, owner)

        members = {node.node_id for node in swarms.members(policy.mailbox_id)}
        assert proof.holders() <= members and len(proof.holders()) >= len(members) // 2 + 1
        forged = replace(proof, notice=replace(proof.notice, method=proof.notice.method.DELETE_BEFORE))
        assert not forged.holders()
        assert await nothing_left(swarms, access)

        device = SigningKey(os.urandom(32))
        record = SlotRecord.sign(key, policy.mailbox_id, 0, device.public, 1).encoded
        by_device = Access(policy, b"\0", device, record)
        assert not [each async for each in Reader(swarms, by_device).read(Reading())]
        await notices.drop_slot(policy, owner, SlotRecord.sign(key, policy.mailbox_id, 0, None, 1).encoded)
        with pytest.raises(SwarmRefusedError):
            while await nothing_left(swarms, by_device):  # until two refuse it
                pass


async def test_blob_is_stored_for_a_puzzle_fetched_by_its_id_and_deleted(world) -> None:
    key, data = SigningKey(os.urandom(32)), os.urandom(57344)
    async with world.client() as client:
        blobs = Blobs(client._swarms)
        policy = await blobs.store(key.public, data, NOW_MS() + DAY_MS)
        assert await blobs.fetch(policy.mailbox_id, key.public, len(data)) == data
        await Notices(client._swarms).delete_all(policy, Authority(key))
        with pytest.raises(BlobGoneError):
            while await blobs.fetch(policy.mailbox_id, key.public, len(data)):  # where its deletion is not heard of yet
                pass
