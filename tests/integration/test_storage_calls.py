"""Expire, GetExpiries, DeleteBefore, DeleteAll, DropSlot and Batch over real disks and links."""

import asyncio
import os

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.payload import read_hash, removal_hash, slot_hash, sweep_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.mailbox import HOUR_MS, SLOT, MailboxOwner, to_proto
from storage_nodes import CLOCK, swarm_of
from test_storage_swarm import ids, refused, stored

OK = 0


def signed(
    owner: MailboxOwner, method: Method, hashed: bytes, expires_ms: int = 0, *, key: SigningKey | None = None, ahead=0
):
    act = Act(owner.inbox, method, b"", hashed, expires_ms)
    return to_proto(act.authorize(key or owner.owner, CLOCK.now_ms() + ahead, os.urandom(16)))


def expire(owner: MailboxOwner, of_ids: list[bytes], until_ms: int) -> mailbox_pb2.ExpireRequest:
    authorization = signed(owner, Method.EXPIRE, removal_hash(b"", of_ids), until_ms)
    mailbox = owner.mailbox(owner.inbox)
    return mailbox_pb2.ExpireRequest(
        mailbox=mailbox, envelope_ids=of_ids, expires_ms=until_ms, authorization=authorization
    )


def expiries(owner: MailboxOwner, of_ids: list[bytes]) -> mailbox_pb2.GetExpiriesRequest:
    authorization = signed(owner, Method.GET_EXPIRIES, read_hash(b""))
    mailbox = owner.mailbox(owner.inbox)
    return mailbox_pb2.GetExpiriesRequest(mailbox=mailbox, envelope_ids=of_ids, authorization=authorization)


def delete_all(owner: MailboxOwner, key: SigningKey | None = None, ahead: int = 0) -> mailbox_pb2.DeleteAllRequest:
    authorization = signed(owner, Method.DELETE_ALL, read_hash(b""), key=key, ahead=ahead)
    return mailbox_pb2.DeleteAllRequest(mailbox=owner.mailbox(owner.inbox), authorization=authorization)


def drop(owner: MailboxOwner, version: int) -> mailbox_pb2.DropSlotRequest:
    marked = SlotRecord.sign(owner.owner, owner.inbox.mailbox_id, SLOT[0], None, version).encoded
    authorization = signed(owner, Method.DROP_SLOT, slot_hash(marked))
    return mailbox_pb2.DropSlotRequest(
        mailbox=owner.mailbox(owner.inbox), slot_record=marked, authorization=authorization
    )


async def seen_everywhere(swarm, owner: MailboxOwner, wanted: set[bytes]) -> None:
    for node in swarm.nodes:
        while ids(await node.stub.Retrieve(owner.retrieve(CLOCK.now_ms(), max_bytes=1 << 17))) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_expiry_is_changed_on_every_member_and_by_the_one_that_was_away(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path) as swarm:
        await swarm.settled(*swarm.nodes)
        first, second, third = swarm.nodes
        kept = await stored(first, owner, *(owner.letter(CLOCK.now_ms()) for _ in range(2)))
        await swarm.settled(*swarm.nodes)
        await third.kill()
        until = CLOCK.now_ms() + 48 * HOUR_MS
        await second.stub.Expire(expire(owner, kept[:1], until))
        assert await refused(second.stub.Expire(expire(owner, kept[:1], CLOCK.now_ms()))) == "EXPIRY_REFUSED"

        await third.start()
        swarm.show_view()
        await swarm.settled(*swarm.nodes)
        answer = await third.stub.GetExpiries(expiries(owner, [*kept, bytes(32)]))
        found = {each.envelope_id: each.expires_ms for each in answer.expiries}
        assert found.keys() == set(kept) and found[kept[0]] == until and found[kept[1]] < until
        page = await third.stub.Retrieve(owner.retrieve(CLOCK.now_ms(), max_bytes=1 << 17))
        assert {each.envelope_id: each.until_ms for each in page.envelopes} == {kept[0]: until, kept[1]: 0}


async def test_delete_all_empties_every_member_and_what_comes_after_stays(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path) as swarm:
        await swarm.settled(*swarm.nodes)
        first, second, third = swarm.nodes
        await stored(first, owner, *(owner.letter(CLOCK.now_ms()) for _ in range(3)))
        await swarm.settled(*swarm.nodes)
        await third.kill()
        assert await refused(second.stub.DeleteAll(delete_all(owner, owner.writer))) == "NOT_AUTHORIZED"
        await second.stub.DeleteAll(delete_all(owner))
        (new,) = await stored(first, owner, owner.letter(CLOCK.now_ms()))
        await third.start()
        swarm.show_view()
        await seen_everywhere(swarm, owner, {new})

        before = CLOCK.now_ms()
        await asyncio.sleep(0.01)
        (newer,) = await stored(first, owner, owner.letter(CLOCK.now_ms()))
        authorization = signed(owner, Method.DELETE_BEFORE, sweep_hash(before))
        await third.stub.DeleteBefore(
            mailbox_pb2.DeleteBeforeRequest(
                mailbox=owner.mailbox(owner.inbox), before_ms=before, authorization=authorization
            )
        )
        await seen_everywhere(swarm, owner, {newer})


async def test_dropped_slot_reads_and_removes_nothing_at_any_member(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path) as swarm:
        await swarm.settled(*swarm.nodes)
        first, second, _ = swarm.nodes
        kept = await stored(first, owner, owner.letter(CLOCK.now_ms()))
        live = second.stub.Subscribe(owner.subscribe(CLOCK.now_ms()))
        assert ids(await live.read()) == set(kept)

        await first.stub.DropSlot(drop(owner, 1))
        assert await refused(live.read()) == "SLOT_RECORD_REFUSED"
        await swarm.settled(*swarm.nodes)
        for node in swarm.nodes:
            assert await refused(node.stub.Retrieve(owner.retrieve(CLOCK.now_ms()))) == "SLOT_RECORD_REFUSED"
            assert await refused(node.stub.Confirm(owner.confirm(kept, CLOCK.now_ms()))) == "SLOT_RECORD_REFUSED"
        answer = await second.stub.GetExpiries(expiries(owner, kept))
        assert [each.envelope_id for each in answer.expiries] == kept, "the owner reads on"


async def test_member_with_a_new_disk_is_given_the_notices_too(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path) as swarm:
        await swarm.settled(*swarm.nodes)
        first, second, third = swarm.nodes
        kept = await stored(first, owner, *(owner.letter(CLOCK.now_ms()) for _ in range(2)))
        until = CLOCK.now_ms() + 48 * HOUR_MS
        await second.stub.Expire(expire(owner, kept[:1], until))
        await first.stub.DropSlot(drop(owner, 1))
        await swarm.settled(*swarm.nodes)
        await third.kill()
        for file in third.folder.iterdir():
            file.unlink()
        await third.start()
        swarm.show_view()
        await swarm.settled(*swarm.nodes)
        answer = await third.stub.GetExpiries(expiries(owner, kept))
        found = {each.envelope_id: each.expires_ms for each in answer.expiries}
        assert not answer.incomplete and found.keys() == set(kept) and found[kept[0]] == until
        assert await refused(third.stub.Retrieve(owner.retrieve(CLOCK.now_ms()))) == "SLOT_RECORD_REFUSED"


async def test_batch_does_several_things_each_with_its_result(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path, r=1) as swarm:
        await swarm.settled(*swarm.nodes)
        (node,) = swarm.nodes
        letters = [owner.letter(CLOCK.now_ms()) for _ in range(2)]
        operation = mailbox_pb2.Operation
        forged = delete_all(owner, owner.writer)
        batch = [
            operation(store=owner.store(*letters)),
            operation(retrieve=owner.retrieve(CLOCK.now_ms())),
            operation(delete_all=forged),
            operation(delete_all=delete_all(owner, ahead=60_000)),
            operation(retrieve=owner.retrieve(CLOCK.now_ms())),
        ]
        results = (await node.stub.Batch(mailbox_pb2.BatchRequest(operations=batch))).results
        assert [each.status.code == OK for each in results] == [True, True, False, True, True]
        assert [each.WhichOneof("answer") for each in results] == ["store", "retrieve", None, "delete_all", "retrieve"]
        assert {each.data for each in results[1].retrieve.envelopes} == {each.data for each in letters}
        assert not results[4].retrieve.envelopes

        other = MailboxOwner()
        mixed = [operation(delete_all=delete_all(owner)), operation(delete_all=delete_all(other))]
        for operations in ([], mixed, [operation()], [batch[0]] * 17):
            request = mailbox_pb2.BatchRequest(operations=operations)
            assert await refused(node.stub.Batch(request)) == "BATCH_REFUSED"


async def test_delete_all_of_an_outbox_takes_the_prekeys(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path, r=1) as swarm:
        await swarm.settled(*swarm.nodes)
        (node,) = swarm.nodes
        published = await node.stub.PublishPrekeys(owner.publish(node.node_id, [b"one", b"two"], 1, CLOCK.now_ms()))
        assert published.kept == 2
        policy: Policy = owner.outbox
        act = Act(policy, Method.DELETE_ALL, b"", read_hash(b""))
        authorization = to_proto(act.authorize(owner.writer, CLOCK.now_ms(), os.urandom(16)))
        await node.stub.DeleteAll(
            mailbox_pb2.DeleteAllRequest(mailbox=owner.mailbox(policy), authorization=authorization)
        )
        claim = mailbox_pb2.ClaimPrekeyRequest(mailbox=owner.mailbox(policy), slot=SLOT, claim_id=os.urandom(16))
        assert (await node.stub.ClaimPrekey(claim)).prekey == b""
