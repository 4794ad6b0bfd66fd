"""What a client of a swarm may rely on, over real disks and links: acknowledged is kept, who returns catches up."""

import asyncio
import os
from dataclasses import replace

import grpc
import pytest

from essaim.protocol.mailbox import puzzle
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.runtime.errors import reason_of
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.mailbox import HOUR_MS, SLOT, MailboxOwner, to_proto
from essaim_storage.assembly import TUNING
from storage_nodes import CLOCK, swarm_of

OK = 0


def ids(response) -> set[bytes]:
    return {each.envelope_id for each in response.envelopes}


async def refused(call) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return reason_of(caught.value).reason


async def stored(node, owner: MailboxOwner, *letters) -> list[bytes]:
    response = await node.stub.Store(owner.store(*letters))
    assert [each.status.code for each in response.results] == [OK] * len(letters)
    return [each.envelope_id for each in response.results]


async def test_swarm_keeps_what_it_acknowledged_with_a_node_down_and_feeds_it_when_it_returns(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path) as swarm:
        first, second, third = swarm.nodes
        await swarm.settled(*swarm.nodes)
        await third.kill()

        letters = [owner.letter(CLOCK.now_ms()) for _ in range(20)]
        acknowledged = set()
        for letter in letters:
            acknowledged |= set(await stored(first, owner, letter))

        page = await second.stub.Retrieve(owner.retrieve(CLOCK.now_ms(), max_bytes=1 << 18))
        assert ids(page) == acknowledged and not page.incomplete
        assert {each.data for each in page.envelopes} == {each.data for each in letters}

        await third.start()
        swarm.show_view()
        await swarm.settled(*swarm.nodes)
        page = await third.stub.Retrieve(owner.retrieve(CLOCK.now_ms(), max_bytes=1 << 18))
        assert ids(page) == acknowledged and not page.incomplete


async def test_store_without_a_quorum_is_not_acknowledged(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path, tuning=replace(TUNING, quorum_ms=300)) as swarm:
        await swarm.settled(*swarm.nodes)
        for node in swarm.nodes[1:]:
            await node.kill()

        response = await swarm.nodes[0].stub.Store(owner.store(owner.letter(CLOCK.now_ms())))

        assert response.results[0].status.code == grpc.StatusCode.UNAVAILABLE.value[0]


async def test_confirm_removes_from_every_node_and_subscribe_is_live(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path) as swarm:
        await swarm.settled(*swarm.nodes)
        first, second, third = swarm.nodes
        (early,) = await stored(first, owner, owner.letter(CLOCK.now_ms()))
        live = second.stub.Subscribe(owner.subscribe(CLOCK.now_ms()))
        while not (seen := ids(await live.read())):  # the member that was not among the W hears of it after
            pass
        assert seen == {early}

        late = await stored(third, owner, owner.letter(CLOCK.now_ms()), owner.letter(CLOCK.now_ms(), 10240))
        seen = set()
        while len(seen) < 2:
            update = await live.read()
            seen |= ids(update)
        assert seen == set(late)
        live.cancel()

        again = second.stub.Subscribe(owner.subscribe(CLOCK.now_ms(), update.cursor))
        assert not ids(await again.read())
        again.cancel()

        await first.stub.Confirm(owner.confirm([early, *late], CLOCK.now_ms()))
        for node in swarm.nodes:
            while ids(await node.stub.Retrieve(owner.retrieve(CLOCK.now_ms()))):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await stored(first, owner, owner.letter(CLOCK.now_ms()))


async def test_retrieve_pages_by_cursor_and_names_what_is_too_large(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path, r=1) as swarm:
        (node,) = swarm.nodes
        sizes = [4096, 57344, 4096, 10240, 4096]
        kept = [(await stored(node, owner, owner.letter(CLOCK.now_ms(), size)))[0] for size in sizes]
        cursor, found, more = b"", [], True
        while more:
            page = await node.stub.Retrieve(owner.retrieve(CLOCK.now_ms(), cursor, max_bytes=12288))
            found += page.envelopes
            cursor, more = page.cursor, page.more
        assert [each.envelope_id for each in found] == kept
        assert [len(each.data) for each in found] == [4096, 0, 4096, 10240, 4096]
        assert [each.size for each in found] == sizes

        request = owner.retrieve(CLOCK.now_ms(), cursor)
        request.envelope_ids.append(kept[1])
        (large,) = (await node.stub.Retrieve(request)).envelopes
        assert len(large.data) == 57344


async def test_outbox_is_versioned_read_by_anyone_and_serves_prekeys_once(tmp_path) -> None:
    owner = MailboxOwner()
    now = CLOCK.now_ms()
    async with swarm_of(tmp_path) as swarm:
        await swarm.settled(*swarm.nodes)
        first, second, _ = swarm.nodes
        for version in (1, 2):
            assert (await first.stub.Store(entry(owner, now, version))).results[0].status.code == OK
        old = (await first.stub.Store(entry(owner, now, 1))).results[0].status
        assert old.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        read = mailbox_pb2.RetrieveRequest(mailbox=owner.mailbox(owner.outbox, known=True), slot=b"manifest")
        (found,) = (await first.stub.Retrieve(read)).envelopes
        assert found.version == 2

        prekeys = [b"one", b"two"]
        published = await second.stub.PublishPrekeys(owner.publish(second.node_id, prekeys, 1, now))
        assert published.kept == 2
        assert (
            await refused(first.stub.PublishPrekeys(owner.publish(second.node_id, prekeys, 1, now)))
            == "PREKEYS_REFUSED"
        )
        claims = [
            await second.stub.ClaimPrekey(claim(owner, claim_id)) for claim_id in (b"a" * 16, b"a" * 16, b"b" * 16)
        ]
        assert [each.prekey for each in claims] == [b"one", b"one", b"two"]
        assert (await second.stub.ClaimPrekey(claim(owner, b"c" * 16))).prekey == b""


def entry(owner: MailboxOwner, now: int, version: int) -> mailbox_pb2.StoreRequest:
    from essaim.protocol.mailbox.envelope import envelope_id

    data, expires = os.urandom(4096), now + HOUR_MS
    of_id = envelope_id(owner.outbox.mailbox_id, b"manifest", expires, data, version)
    signed = Act(owner.outbox, Method.STORE, b"manifest", of_id, expires).authorize(owner.writer, now, os.urandom(16))
    new = mailbox_pb2.NewEnvelope(
        slot=b"manifest", expires_ms=expires, data=data, version=version, authorization=to_proto(signed)
    )
    return mailbox_pb2.StoreRequest(mailbox=owner.mailbox(owner.outbox), envelopes=[new])


def claim(owner: MailboxOwner, claim_id: bytes) -> mailbox_pb2.ClaimPrekeyRequest:
    return mailbox_pb2.ClaimPrekeyRequest(mailbox=owner.mailbox(owner.outbox), slot=SLOT, claim_id=claim_id)


async def test_every_malformed_request_has_its_reason_and_none_harms_the_node(tmp_path) -> None:
    owner, stranger = MailboxOwner(), MailboxOwner()
    now = CLOCK.now_ms()
    async with swarm_of(tmp_path, r=1) as swarm:
        (node,) = swarm.nodes
        stub = node.stub
        short = mailbox_pb2.Mailbox(id=owner.inbox.mailbox_id, policy=owner.inbox.encoded[:-1])
        other = mailbox_pb2.Mailbox(id=owner.inbox.mailbox_id, policy=stranger.inbox.encoded)
        unknown = owner.mailbox(owner.inbox, known=True)
        for mailbox, reason in ((short, "POLICY_MALFORMED"), (other, "POLICY_MISMATCH"), (unknown, "UNKNOWN_POLICY")):
            letter = owner.letter(now)
            request = mailbox_pb2.StoreRequest(mailbox=mailbox, envelopes=[letter])
            assert await refused(stub.Store(request)) == reason
        assert await refused(stub.Store(owner.store())) == "IDS_REFUSED"

        bad_slot, bad_size, bad_expiry = owner.letter(now, slot=b"\x05"), owner.letter(now, 4095), owner.letter(now)
        bad_expiry.expires_ms = now + 15 * 24 * HOUR_MS
        good = owner.letter(now)
        results = (await stub.Store(owner.store(bad_size, good, bad_expiry, bad_slot))).results
        assert [each.status.code for each in results] == [3, OK, 3, 3]

        stale = owner.retrieve(now - 301_000)
        assert await refused(stub.Retrieve(stale)) == "CLOCK"
        unsigned = owner.retrieve(now)
        unsigned.ClearField("authorization")
        assert await refused(stub.Retrieve(unsigned)) == "NOT_AUTHORIZED"
        bad_cursor = owner.retrieve(now, b"\x07")
        assert await refused(stub.Retrieve(bad_cursor)) == "CURSOR_MALFORMED"
        bad_have = owner.retrieve(now)
        bad_have.have.append(b"1234567")
        assert await refused(stub.Retrieve(bad_have)) == "HAVE_REFUSED"
        assert await refused(stub.Confirm(owner.confirm([], now))) == "IDS_REFUSED"
        assert await refused(stub.Confirm(owner.confirm([b"short"], now))) == "IDS_REFUSED"
        assert await refused(stub.ClaimPrekey(claim(owner, b"short"))) == "PREKEYS_REFUSED"
        assert len(ids(await stub.Retrieve(owner.retrieve(now)))) == 1


async def test_price_is_asked_for_and_paid(tmp_path) -> None:
    owner = MailboxOwner()
    async with swarm_of(tmp_path, r=1) as swarm:
        (node,) = swarm.nodes
        for _ in range(128):
            await stored(node, owner, *[owner.letter(CLOCK.now_ms()) for _ in range(16)])
        request = owner.store(owner.letter(CLOCK.now_ms()))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await node.stub.Store(request)
        refusal = reason_of(caught.value)
        assert refusal.reason == "PUZZLE_REQUIRED"
        bits = int(refusal.metadata["puzzleBits"])
        new = request.envelopes[0]
        from essaim.protocol.mailbox.envelope import envelope_id

        subject = puzzle.store_subject([envelope_id(owner.inbox.mailbox_id, SLOT, new.expires_ms, new.data)])
        request.puzzle.solution = puzzle.solve(owner.inbox.mailbox_id, subject, bits, CLOCK.now_ms())
        assert (await node.stub.Store(request)).results[0].status.code == OK
