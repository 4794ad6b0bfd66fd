"""Who may sign what, and what a record must show to be kept."""

from dataclasses import replace

import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Authorization, Method, NonceMemory
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.payload import prekeys_hash, read_hash, removal_hash, slot_hash, sweep_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import (
    EnvelopeRecord,
    ExpiryRecord,
    SlotMark,
    Tombstone,
    check_read,
    verify_record,
)
from essaim.protocol.mailbox.refusal import MailboxRefusedError
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.mailbox.slot_record import SlotRecord, certified

NOW = 1_800_000_000_000
OWNER, WRITER, DEVICE, STRANGER = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3, 4))
NONCE = b"n" * 16
PUBLIC = Policy.public_inbox(OWNER.public)
PRIVATE = Policy.private_inbox(OWNER.public, WRITER.public)
OUTBOX = Policy.outbox(WRITER.public)
GROUP = Policy.group(OWNER.public, WRITER.public, DEVICE.public)
BLOB = Policy.blob(OWNER.public, b"e" * 4096)


def refused(call, *arguments) -> str:
    with pytest.raises(MailboxRefusedError) as caught:
        call(*arguments)
    return caught.value.reason


def slot_record(policy: Policy, owner: SigningKey, slot: int = 0) -> bytes:
    return SlotRecord.sign(owner, policy.mailbox_id, slot, DEVICE.public, 1).encoded


def envelope(
    policy: Policy, slot: bytes = b"\0", *, version: int = 0, expires_ms: int = NOW + DAY_MS
) -> EnvelopeRecord:
    data = b"e" * 4096
    return EnvelopeRecord(
        policy, envelope_id(policy.mailbox_id, slot, expires_ms, data, version), slot, expires_ms, data, version
    )


def signed(record: EnvelopeRecord, signer: SigningKey, record_of_slot: bytes = b"") -> EnvelopeRecord:
    return replace(record, authorization=record.act.authorize(signer, NOW, NONCE, record_of_slot))


def tombstone(
    policy: Policy, method: Method, slot: bytes, ids: tuple[bytes, ...], signer, record_of_slot=b"", time_ms=NOW
):
    act = Act(policy, method, slot, removal_hash(slot, ids))
    return Tombstone(policy, method, slot, ids, act.authorize(signer, time_ms, NONCE, record_of_slot))


def test_envelope_in_a_public_inbox_needs_no_signature_and_takes_none() -> None:
    verify_record(envelope(PUBLIC), NOW)
    junk = Authorization(NOW, NONCE, bytes(64))
    assert refused(verify_record, replace(envelope(PUBLIC), authorization=junk), NOW) == "NOT_AUTHORIZED"


@pytest.mark.parametrize("signer", [OWNER, DEVICE, STRANGER])
def test_envelope_in_a_private_inbox_is_signed_by_the_write_key(signer: SigningKey) -> None:
    verify_record(signed(envelope(PRIVATE), WRITER), NOW)
    assert refused(verify_record, signed(envelope(PRIVATE), signer), NOW) == "NOT_AUTHORIZED"
    assert refused(verify_record, envelope(PRIVATE), NOW) == "NOT_AUTHORIZED"


def test_envelope_in_a_private_inbox_is_not_written_by_a_slot_key() -> None:
    record = signed(envelope(PRIVATE), DEVICE, slot_record(PRIVATE, OWNER))
    assert refused(verify_record, record, NOW) == "SLOT_RECORD_REFUSED"


def test_entry_is_written_by_the_owner_or_by_the_slot_that_its_name_ends_with() -> None:
    mine = slot_record(OUTBOX, WRITER, 1)
    verify_record(signed(envelope(OUTBOX, b"manifest", version=1), WRITER), NOW)
    verify_record(signed(envelope(OUTBOX, b"prekeys/1", version=1), WRITER), NOW)
    verify_record(signed(envelope(OUTBOX, b"prekeys/1", version=1), DEVICE, mine), NOW)
    for entry in (b"prekeys/0", b"manifest"):
        record = signed(envelope(OUTBOX, entry, version=1), DEVICE, mine)
        assert refused(verify_record, record, NOW) == "SLOT_RECORD_REFUSED"


def test_group_is_written_by_the_write_key_and_its_versioned_entries_by_the_admins() -> None:
    verify_record(signed(envelope(GROUP, b"m0"), WRITER), NOW)
    verify_record(signed(envelope(GROUP, b"log", version=1), DEVICE), NOW)
    for record, signer in ((envelope(GROUP, b"m0"), DEVICE), (envelope(GROUP, b"log", version=1), WRITER)):
        assert refused(verify_record, signed(record, signer), NOW) == "NOT_AUTHORIZED"
    assert refused(verify_record, envelope(GROUP, b"m0"), NOW) == "NOT_AUTHORIZED"


def test_group_is_read_by_the_read_key_and_emptied_by_the_admins() -> None:
    act = Act(GROUP, Method.RETRIEVE, b"", read_hash(b""))
    assert check_read(GROUP, Method.RETRIEVE, b"", act.authorize(OWNER, NOW, NONCE)) == act
    for signer in (WRITER, DEVICE):
        assert refused(check_read, GROUP, Method.RETRIEVE, b"", act.authorize(signer, NOW, NONCE)) == "NOT_AUTHORIZED"
    verify_record(tombstone(GROUP, Method.DELETE, b"", (bytes(32),), DEVICE), NOW)
    assert refused(verify_record, tombstone(GROUP, Method.DELETE, b"", (bytes(32),), OWNER), NOW) == "NOT_AUTHORIZED"
    assert refused(verify_record, tombstone(GROUP, Method.CONFIRM, b"m0", (bytes(32),), OWNER), NOW) == "METHOD_REFUSED"


def test_blob_is_stored_and_read_by_anyone_and_deleted_by_its_key() -> None:
    record = envelope(BLOB, b"", version=NOW + DAY_MS)
    verify_record(record, NOW)
    assert check_read(BLOB, Method.RETRIEVE, b"", None) is None
    verify_record(tombstone(BLOB, Method.DELETE, b"", (record.envelope_id,), OWNER), NOW)
    stranger = tombstone(BLOB, Method.DELETE, b"", (record.envelope_id,), STRANGER)
    assert refused(verify_record, stranger, NOW) == "NOT_AUTHORIZED"
    assert refused(verify_record, signed(record, OWNER), NOW) == "NOT_AUTHORIZED"


def test_blob_of_other_bytes_than_its_name_says_is_refused() -> None:
    expires, data = NOW + DAY_MS, b"f" * 4096
    of_id = envelope_id(BLOB.mailbox_id, b"", expires, data, expires)
    record = EnvelopeRecord(BLOB, of_id, b"", expires, data, expires)
    assert refused(verify_record, record, NOW) == "ENVELOPE_MALFORMED"


def sweep(policy: Policy, signer, before_ms: int | None = None, **changed) -> Tombstone:
    method = Method.DELETE_ALL if before_ms is None else Method.DELETE_BEFORE
    hashed = read_hash(b"") if before_ms is None else sweep_hash(before_ms)
    authorization = Act(policy, method, b"", hashed).authorize(signer, NOW, NONCE)
    return replace(Tombstone(policy, method, b"", (), authorization, before_ms or 0), **changed)


def test_sweep_is_signed_by_the_owner_and_reaches_up_to_its_own_time() -> None:
    for policy, owner in ((PUBLIC, OWNER), (OUTBOX, WRITER), (GROUP, DEVICE), (BLOB, OWNER)):
        verify_record(sweep(policy, owner), NOW)
        verify_record(sweep(policy, owner, NOW - 5), NOW)
        assert refused(verify_record, sweep(policy, STRANGER), NOW) == "NOT_AUTHORIZED"
    assert refused(verify_record, sweep(PUBLIC, OWNER, NOW + 1), NOW) == "EXPIRY_REFUSED"
    assert refused(verify_record, sweep(PUBLIC, OWNER, before_ms=NOW - 5, slot=b"\0"), NOW) == "SLOT_REFUSED"
    assert refused(verify_record, sweep(PUBLIC, OWNER, envelope_ids=(bytes(32),)), NOW) == "METHOD_REFUSED"
    assert refused(verify_record, replace(sweep(PUBLIC, OWNER, NOW - 5), before_ms=NOW - 4), NOW) == "NOT_AUTHORIZED"


def expiry(policy: Policy, signer, slot: bytes = b"", until_ms: int = NOW + DAY_MS, record: bytes = b""):
    act = Act(policy, Method.EXPIRE, slot, removal_hash(slot, (bytes(32),)), until_ms)
    return ExpiryRecord(policy, slot, (bytes(32),), until_ms, act.authorize(signer, NOW, NONCE, record))


def test_expiry_is_changed_by_the_owner_or_by_the_slot_for_itself() -> None:
    verify_record(expiry(PRIVATE, OWNER), NOW)
    verify_record(expiry(OUTBOX, WRITER, until_ms=NOW + 400 * DAY_MS), NOW)
    verify_record(expiry(PRIVATE, DEVICE, b"\0", record=slot_record(PRIVATE, OWNER)), NOW)
    for slot in (b"", b"\1"):
        by_slot = expiry(PRIVATE, DEVICE, slot, record=slot_record(PRIVATE, OWNER))
        assert refused(verify_record, by_slot, NOW) == "SLOT_RECORD_REFUSED"
    assert refused(verify_record, expiry(PRIVATE, WRITER), NOW) == "NOT_AUTHORIZED"
    assert refused(verify_record, expiry(PRIVATE, OWNER, until_ms=NOW + 15 * DAY_MS), NOW) == "EXPIRY_REFUSED"
    assert refused(verify_record, expiry(BLOB, OWNER), NOW) == "METHOD_REFUSED"
    assert refused(verify_record, expiry(OUTBOX, WRITER, b"manifest"), NOW) == "METHOD_REFUSED"
    assert refused(verify_record, replace(expiry(PRIVATE, OWNER), until_ms=NOW + 1), NOW) == "NOT_AUTHORIZED"


def test_mark_needs_the_owner_twice() -> None:
    def mark(policy: Policy, namer, signer, version: int = 7, slot: int = 0) -> SlotMark:
        marked = SlotRecord.sign(namer, policy.mailbox_id, slot, None, version).encoded
        act = Act(policy, Method.DROP_SLOT, b"", slot_hash(marked))
        return SlotMark(policy, marked, act.authorize(signer, NOW, NONCE))

    for policy, owner in ((PUBLIC, OWNER), (PRIVATE, OWNER), (OUTBOX, WRITER)):
        verify_record(mark(policy, owner, owner), NOW)
        assert refused(verify_record, mark(policy, STRANGER, owner), NOW) == "SLOT_RECORD_REFUSED"
        assert refused(verify_record, mark(policy, owner, STRANGER), NOW) == "NOT_AUTHORIZED"
    assert refused(verify_record, mark(PUBLIC, OWNER, OWNER, 1 << 63), NOW) == "SLOT_RECORD_REFUSED"
    assert refused(verify_record, mark(GROUP, DEVICE, DEVICE), NOW) == "METHOD_REFUSED"


def test_slot_without_a_key_signs_nothing() -> None:
    nobody = SlotRecord.sign(OWNER, PUBLIC.mailbox_id, 0, None, 1).encoded
    by_nobody = tombstone(PUBLIC, Method.CONFIRM, b"\0", (bytes(32),), DEVICE, nobody)
    assert refused(verify_record, by_nobody, NOW) == "SLOT_RECORD_REFUSED"


def test_signature_of_another_envelope_is_refused() -> None:
    first = signed(envelope(PRIVATE), WRITER)
    second = replace(envelope(PRIVATE, expires_ms=NOW + DAY_MS + 1), authorization=first.authorization)
    assert refused(verify_record, second, NOW) == "NOT_AUTHORIZED"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"slot": b"\x05"}, "SLOT_REFUSED"),
        ({"data": b"e" * 4095}, "ENVELOPE_MALFORMED"),
        ({"data": b"f" * 4096}, "ENVELOPE_MALFORMED"),
        ({"slot": b"\x01"}, "ENVELOPE_MALFORMED"),
        ({"expires_ms": NOW + DAY_MS - 1}, "ENVELOPE_MALFORMED"),
        ({"policy": Policy.public_inbox(STRANGER.public)}, "ENVELOPE_MALFORMED"),
        ({"version": 1}, "VERSION_REFUSED"),
        ({"expires_ms": 0}, "EXPIRY_REFUSED"),
        ({"received_ms": NOW + 600_001}, "EXPIRY_REFUSED"),
        ({"expires_ms": NOW + 15 * DAY_MS}, "EXPIRY_REFUSED"),
    ],
)
def test_envelope_altered_is_refused(changed: dict, reason: str) -> None:
    assert refused(verify_record, replace(envelope(PUBLIC), **changed), NOW) == reason


def test_confirm_is_signed_by_the_slot_or_the_owner() -> None:
    ids = (envelope(PUBLIC).envelope_id,)
    verify_record(tombstone(PUBLIC, Method.CONFIRM, b"\0", ids, OWNER), NOW)
    verify_record(tombstone(PUBLIC, Method.CONFIRM, b"\0", ids, DEVICE, slot_record(PUBLIC, OWNER)), NOW)
    other_slot = tombstone(PUBLIC, Method.CONFIRM, b"\1", ids, DEVICE, slot_record(PUBLIC, OWNER))
    assert refused(verify_record, other_slot, NOW) == "SLOT_RECORD_REFUSED"
    assert refused(verify_record, tombstone(PUBLIC, Method.CONFIRM, b"\0", ids, STRANGER), NOW) == "NOT_AUTHORIZED"


def test_delete_is_signed_by_the_owner_alone() -> None:
    ids = (envelope(PRIVATE).envelope_id,)
    verify_record(tombstone(PRIVATE, Method.DELETE, b"", ids, OWNER), NOW)
    by_slot = tombstone(PRIVATE, Method.DELETE, b"", ids, DEVICE, slot_record(PRIVATE, OWNER))
    assert refused(verify_record, by_slot, NOW) == "SLOT_RECORD_REFUSED"
    assert refused(verify_record, tombstone(PRIVATE, Method.DELETE, b"", ids, WRITER), NOW) == "NOT_AUTHORIZED"


@pytest.mark.parametrize(
    ("policy", "method", "slot", "ids", "time_ms", "reason"),
    [
        (PUBLIC, Method.STORE, b"\0", (bytes(32),), NOW, "METHOD_REFUSED"),
        (OUTBOX, Method.CONFIRM, b"\0", (bytes(32),), NOW, "METHOD_REFUSED"),
        (PUBLIC, Method.CONFIRM, b"", (bytes(32),), NOW, "SLOT_REFUSED"),
        (PUBLIC, Method.DELETE, b"\0", (bytes(32),), NOW, "SLOT_REFUSED"),
        (PUBLIC, Method.DELETE, b"", (), NOW, "IDS_REFUSED"),
        (PUBLIC, Method.DELETE, b"", (bytes(32),), NOW - 15 * DAY_MS, "EXPIRY_REFUSED"),
        (PUBLIC, Method.DELETE, b"", (bytes(32),), NOW + 601_000, "EXPIRY_REFUSED"),
    ],
)
def test_tombstone_malformed_is_refused(policy, method, slot, ids, time_ms, reason) -> None:
    assert refused(verify_record, tombstone(policy, method, slot, ids, OWNER, time_ms=time_ms), NOW) == reason


def test_tombstone_covers_its_slot_and_mailbox_alone() -> None:
    record = envelope(PUBLIC)
    ids = (record.envelope_id,)
    assert tombstone(PUBLIC, Method.CONFIRM, b"\0", ids, OWNER).covers(record)
    assert tombstone(PUBLIC, Method.DELETE, b"", ids, OWNER).covers(record)
    assert not tombstone(PUBLIC, Method.CONFIRM, b"\1", ids, OWNER).covers(record)
    assert not tombstone(PRIVATE, Method.DELETE, b"", ids, OWNER).covers(record)
    assert not tombstone(PUBLIC, Method.DELETE, b"", (bytes(32),), OWNER).covers(record)


def test_reading_is_signed_by_slot_or_owner_and_open_in_an_outbox() -> None:
    mine = slot_record(PUBLIC, OWNER)
    act = Act(PUBLIC, Method.RETRIEVE, b"\0", read_hash(b"\0"))
    assert check_read(PUBLIC, Method.RETRIEVE, b"\0", act.authorize(DEVICE, NOW, NONCE, mine)) == act
    assert check_read(OUTBOX, Method.SUBSCRIBE, b"", None) is None
    everything = Act(PUBLIC, Method.RETRIEVE, b"", read_hash(b""))
    assert check_read(PUBLIC, Method.RETRIEVE, b"", everything.authorize(OWNER, NOW, NONCE)) == everything
    for slot, method, authorization, reason in (
        (b"\0", Method.RETRIEVE, None, "NOT_AUTHORIZED"),
        (b"\0", Method.SUBSCRIBE, act.authorize(DEVICE, NOW, NONCE, mine), "NOT_AUTHORIZED"),
        (b"\1", Method.RETRIEVE, act.authorize(DEVICE, NOW, NONCE, mine), "SLOT_RECORD_REFUSED"),
        (b"", Method.RETRIEVE, everything.authorize(DEVICE, NOW, NONCE, mine), "SLOT_RECORD_REFUSED"),
        (b"\x07", Method.RETRIEVE, act.authorize(DEVICE, NOW, NONCE, mine), "SLOT_REFUSED"),
    ):
        assert refused(check_read, PUBLIC, method, slot, authorization) == reason


def test_prekeys_are_published_by_the_slot() -> None:
    act = Act(OUTBOX, Method.PUBLISH_PREKEYS, b"\0", prekeys_hash(b"\0", bytes(32), 1, [b"one"]))
    act.check(act.authorize(DEVICE, NOW, NONCE, slot_record(OUTBOX, WRITER)))
    assert refused(act.check, act.authorize(DEVICE, NOW, NONCE)) == "NOT_AUTHORIZED"


@pytest.mark.parametrize(
    ("at", "reason"), [(0, "SLOT_RECORD_REFUSED"), (32, "SLOT_RECORD_REFUSED"), (136, "SLOT_RECORD_REFUSED")]
)
def test_slot_record_altered_is_refused(at: int, reason: str) -> None:
    encoded = bytearray(slot_record(PUBLIC, OWNER))
    encoded[at] ^= 1
    act = Act(PUBLIC, Method.RETRIEVE, b"\0", read_hash(b"\0"))
    assert refused(act.check, act.authorize(DEVICE, NOW, NONCE, bytes(encoded))) == reason


def test_slot_record_malformed_or_of_a_stranger_is_refused() -> None:
    good = slot_record(PUBLIC, OWNER)
    bad_key = good[:33] + b"\x02" + bytes(31) + good[65:]
    bad_slot = good[:32] + b"\x05" + good[33:]
    act = Act(PUBLIC, Method.RETRIEVE, b"\0", read_hash(b"\0"))
    for encoded in (
        good[:-1],
        good + b"\0",
        bad_key,
        bad_slot,
        slot_record(PUBLIC, STRANGER),
        slot_record(PRIVATE, OWNER),
    ):
        assert refused(act.check, act.authorize(DEVICE, NOW, NONCE, encoded)) == "SLOT_RECORD_REFUSED"


@pytest.mark.parametrize(
    ("nonce", "signature", "time_ms"), [(b"", bytes(64), NOW), (NONCE, bytes(63), NOW), (NONCE, bytes(64), 1 << 63)]
)
def test_authorization_malformed_is_refused(nonce: bytes, signature: bytes, time_ms: int) -> None:
    assert refused(Authorization, time_ms, nonce, signature) == "NOT_AUTHORIZED"


def test_full_nonce_memory_refuses_and_forgets_none_within_ten_minutes() -> None:
    memory = NonceMemory(max_nonces=2)
    act = Act(PUBLIC, Method.RETRIEVE, b"\0", read_hash(b"\0"))
    signed = [act.authorize(OWNER, NOW, bytes((number,)) * 16) for number in range(3)]
    for each in signed[:2]:
        memory.check_fresh(act, each, NOW)
    assert refused(memory.check_fresh, act, signed[2], NOW) == "BUSY"
    memory.check_fresh(act, signed[0], NOW)  # a repeat is known still
    later = NOW + 600_000
    memory.check_fresh(act, act.authorize(OWNER, later, bytes((2,)) * 16), later)


def test_nonce_repeats_for_the_same_payload_alone_and_is_forgotten_after_ten_minutes() -> None:
    memory = NonceMemory()
    first, other = (Act(PUBLIC, Method.RETRIEVE, slot, read_hash(slot)) for slot in (b"\0", b"\1"))
    authorization = first.authorize(OWNER, NOW, NONCE)
    memory.check_fresh(first, authorization, NOW)
    memory.check_fresh(first, authorization, NOW + 1)
    assert refused(memory.check_fresh, other, other.authorize(OWNER, NOW, NONCE), NOW) == "NONCE_REUSED"
    later = NOW + 600_000
    memory.check_fresh(other, other.authorize(OWNER, later, NONCE), later)
    assert len(memory) == 1


@pytest.mark.parametrize("off", [-300_001, 300_001])
def test_time_more_than_five_minutes_off_is_refused(off: int) -> None:
    act = Act(PUBLIC, Method.RETRIEVE, b"\0", read_hash(b"\0"))
    assert refused(NonceMemory().check_fresh, act, act.authorize(OWNER, NOW + off, NONCE), NOW) == "CLOCK"


def test_certified_remembers_a_record_for_its_own_mailbox_alone() -> None:
    mine = slot_record(PUBLIC, OWNER)
    assert certified(mine, PUBLIC) == certified(mine, PUBLIC) == SlotRecord.parse(mine)
    for _ in range(2):
        assert refused(certified, mine, PRIVATE) == "SLOT_RECORD_REFUSED"
        assert refused(certified, mine[:-1] + bytes((mine[-1] ^ 1,)), PUBLIC) == "SLOT_RECORD_REFUSED"
