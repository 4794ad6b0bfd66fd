"""Sweeps, expiry records and slot marks: what beats what, in whatever order they come."""

from dataclasses import replace

import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.payload import read_hash, removal_hash, slot_hash, sweep_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, SlotMark, Tombstone
from essaim.protocol.mailbox.refusal import SlotRecordRefusedError
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim_storage import effects, events
from essaim_storage.message import Ack, Refusal, Write
from essaim_storage.record import record_id
from essaim_storage.slot_versions import SlotVersions
from simulated.stage import DAY_MS, INBOX, NOW_MS, OWNER, B, Stage, envelope, of, query, sent

NONCE = bytes(16)
DEVICE = SigningKey(bytes([9]) * 32)
HOUR_MS = 3_600_000


def received(name: str, at_ms: int) -> EnvelopeRecord:
    return replace(envelope(name), received_ms=at_ms)


def sweep(time_ms: int = NOW_MS, before_ms: int | None = None, policy: Policy = INBOX) -> Tombstone:
    method = Method.DELETE_ALL if before_ms is None else Method.DELETE_BEFORE
    hashed = read_hash(b"") if before_ms is None else sweep_hash(before_ms)
    authorization = Act(policy, method, b"", hashed).authorize(OWNER, time_ms, NONCE)
    return Tombstone(policy, method, b"", (), authorization, before_ms or 0)


def expiry(record: EnvelopeRecord, until_ms: int, time_ms: int = NOW_MS, slot: bytes = b"") -> ExpiryRecord:
    ids = (record.envelope_id,)
    act = Act(INBOX, Method.EXPIRE, slot, removal_hash(slot, ids), until_ms)
    return ExpiryRecord(INBOX, slot, ids, until_ms, act.authorize(OWNER, time_ms, NONCE))


def slot_record(version: int, key: SigningKey | None = DEVICE) -> bytes:
    return SlotRecord.sign(OWNER, INBOX.mailbox_id, 0, key.public if key else None, version).encoded


def mark(version: int, key: SigningKey | None = None, time_ms: int = NOW_MS) -> SlotMark:
    marked = slot_record(version, key)
    act = Act(INBOX, Method.DROP_SLOT, b"", slot_hash(marked))
    return SlotMark(INBOX, marked, act.authorize(OWNER, time_ms, NONCE))


def confirm(record: EnvelopeRecord, version: int, time_ms: int) -> Tombstone:
    ids = (record.envelope_id,)
    act = Act(INBOX, Method.CONFIRM, b"\0", removal_hash(b"\0", ids))
    return Tombstone(INBOX, Method.CONFIRM, b"\0", ids, act.authorize(DEVICE, time_ms, NONCE, slot_record(version)))


def told(stage: Stage, *records) -> Ack:
    """By another member."""
    stage.requests += 1
    stage.hear(B, Write(stage.requests, records))
    (ack,) = sent(Ack, stage.commit())
    return ack


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_sweep_removes_what_was_stored_up_to_its_time_and_nothing_later(order: tuple[int, ...]) -> None:
    stage = Stage()
    records = (received("old", NOW_MS - 5), sweep(NOW_MS), received("new", NOW_MS + 1))
    for each in order:
        assert told(stage, records[each]).refused == ()
    assert not stage.store.has(records[0].envelope_id)
    assert stage.store.has(records[2].envelope_id)


def test_sweep_before_a_time_leaves_what_came_after_it() -> None:
    stage = Stage()
    old, new = received("old", NOW_MS - 50), received("new", NOW_MS - 10)
    told(stage, old, new, sweep(NOW_MS, before_ms=NOW_MS - 20))
    assert (stage.store.has(old.envelope_id), stage.store.has(new.envelope_id)) == (False, True)


def test_sweep_of_another_mailbox_removes_nothing() -> None:
    stage = Stage()
    told(stage, received("mine", NOW_MS - 5), sweep(policy=Policy.outbox(OWNER.public)))
    assert stage.store.has(envelope("mine").envelope_id)


def test_sweep_of_a_blob_covers_its_bytes_for_good() -> None:
    blob = Policy.blob(OWNER.public, bytes(4096))
    later = EnvelopeRecord(blob, b"i" * 32, b"", NOW_MS, bytes(4096), NOW_MS, received_ms=NOW_MS + HOUR_MS)
    assert sweep(NOW_MS, policy=blob).covers(later)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_expiry_signed_last_wins_in_every_order(order: tuple[int, ...]) -> None:
    stage, record = Stage(), envelope("a")
    records = (record, expiry(record, NOW_MS + HOUR_MS, NOW_MS), expiry(record, NOW_MS + 3 * DAY_MS, NOW_MS + 1))
    for each in order:
        told(stage, records[each])
    entry = stage.store.entry(INBOX.mailbox_id, record.envelope_id)
    assert entry is not None and entry.until_ms == NOW_MS + 3 * DAY_MS and entry.expires_ms == record.expires_ms


def test_expiry_shortened_is_not_served_is_purged_and_stays_away() -> None:
    stage, record = Stage(), envelope("a")
    told(stage, record)
    told(stage, expiry(record, NOW_MS + HOUR_MS))
    stage.now_ms += HOUR_MS
    (reply,) = of(effects.Reply, stage.do(events.RetrieveAsked(7, query())))
    assert isinstance(reply.result, effects.Retrieved) and not reply.result.envelopes

    stage.now_ms += stage.tuning.purge_margin_ms
    stage.do(events.Fired("purge"))
    stage.commit()
    assert not stage.store.has(record.envelope_id)
    assert told(stage, record).refused == (Refusal(0, "EXPIRY_REFUSED"),), "a member that was away brings it"


def test_expiry_put_off_outlives_the_first_and_is_told() -> None:
    stage, record = Stage(), envelope("a")
    told(stage, record, expiry(record, NOW_MS + 5 * DAY_MS))
    stage.now_ms += 2 * DAY_MS
    (reply,) = of(effects.Reply, stage.do(events.RetrieveAsked(7, query())))
    assert isinstance(reply.result, effects.Retrieved)
    assert [each.until_ms for each in reply.result.envelopes] == [NOW_MS + 5 * DAY_MS]
    (reply,) = of(effects.Reply, stage.do(events.ExpiriesAsked(8, INBOX.mailbox_id, b"", (record.envelope_id,))))
    assert reply.result == effects.Expiries(((record.envelope_id, NOW_MS + 5 * DAY_MS),), incomplete=False)


def test_expiry_put_off_after_it_passed_is_new_to_whoever_read_meanwhile() -> None:
    stage, record = Stage(), envelope("a", expires_ms=NOW_MS + HOUR_MS)
    told(stage, record, envelope("b"))
    stage.now_ms += HOUR_MS
    (reply,) = of(effects.Reply, stage.do(events.RetrieveAsked(7, query())))
    assert isinstance(reply.result, effects.Retrieved)
    assert [each.envelope_id for each in reply.result.envelopes] == [envelope("b").envelope_id]
    stage.do(events.SubscribeAsked(8, query(reply.result.cursor)))
    stage.do(events.Taken(8))
    stage.requests += 1
    stage.hear(B, Write(stage.requests, (expiry(record, NOW_MS + 5 * DAY_MS),)))
    (note,) = of(effects.Notify, stage.commit())
    assert [each.envelope_id for each in note.envelopes] == [record.envelope_id]


def test_expiry_does_not_bring_back_what_was_deleted() -> None:
    stage, record = Stage(), envelope("a")
    told(stage, record)
    told(stage, confirm(record, 1, NOW_MS))
    told(stage, expiry(record, NOW_MS + 5 * DAY_MS, NOW_MS + 1))
    told(stage, record)
    assert not stage.store.has(record.envelope_id)


def test_expiry_of_another_slot_or_mailbox_changes_nothing() -> None:
    stage, record = Stage(), envelope("a")
    other = expiry(record, NOW_MS + HOUR_MS, slot=b"\1")
    told(stage, record, other)
    told(stage, envelope("b"))
    entry = stage.store.entry(INBOX.mailbox_id, record.envelope_id)
    assert entry is not None and entry.until_ms == record.expires_ms


def test_mark_of_a_lower_rank_is_superseded() -> None:
    stage = Stage()
    assert told(stage, mark(7)).refused == ()
    assert told(stage, mark(6, DEVICE, NOW_MS + 9)).refused == (Refusal(0, "VERSION_REFUSED"),)
    assert told(stage, mark(7, None, NOW_MS + 9)).refused == ()
    standing = stage.store.mark(INBOX.mailbox_id, b"\0")
    assert standing is not None and standing.authorization.time_ms == NOW_MS + 9
    assert not stage.store.has(record_id(mark(7)))


def test_mark_drops_what_the_slots_key_signs_after_it_and_keeps_what_it_signed_before() -> None:
    stage = Stage()
    first, second = envelope("a"), envelope("b")
    told(stage, first, second, mark(7, None, NOW_MS))
    assert told(stage, confirm(first, 7, NOW_MS + 1)).refused == (Refusal(0, "SLOT_RECORD_REFUSED"),)
    assert stage.store.has(first.envelope_id)
    assert told(stage, confirm(first, 8, NOW_MS + 1)).refused == ()
    assert told(stage, confirm(second, 7, NOW_MS - 1)).refused == ()
    assert not stage.store.has(first.envelope_id) and not stage.store.has(second.envelope_id)


def test_mark_takes_back_what_came_before_it_and_was_signed_after_it() -> None:
    stage = Stage()
    late, early = envelope("a"), envelope("b")
    told(stage, confirm(late, 7, NOW_MS + 1), confirm(early, 7, NOW_MS - 1))
    assert told(stage, mark(7, None, NOW_MS)).refused == ()
    told(stage, late, early)
    assert stage.store.has(late.envelope_id) and not stage.store.has(early.envelope_id)


def test_mark_ends_the_subscriptions_of_its_slots_key_alone() -> None:
    stage = Stage()
    stage.do(events.SubscribeAsked(1, query(slot_record=slot_record(7))))
    stage.do(events.SubscribeAsked(2, query(slot_record=slot_record(8))))
    stage.do(events.SubscribeAsked(3, query()))
    stage.hear(B, Write(1, (mark(7),)))
    replies = of(effects.Reply, stage.commit())
    assert [each.request for each in replies] == [1]
    assert isinstance(replies[0].result, effects.Refused)
    assert isinstance(replies[0].result.error, SlotRecordRefusedError)


def test_slot_versions_refuse_lower_ones_than_kept_or_shown() -> None:
    stage = Stage()
    told(stage, mark(7, DEVICE))
    versions = SlotVersions(stage.store, max_seen=2)
    versions.check(INBOX, slot_record(7))
    with pytest.raises(SlotRecordRefusedError):
        versions.check(INBOX, slot_record(6))
    versions.check(INBOX, slot_record(9))
    with pytest.raises(SlotRecordRefusedError):
        versions.check(INBOX, slot_record(8))
    told(stage, mark(9))
    with pytest.raises(SlotRecordRefusedError):
        versions.check(INBOX, slot_record(9))
