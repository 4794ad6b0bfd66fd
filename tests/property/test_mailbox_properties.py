"""Foreign bytes are parsed back to themselves or refused with a reason; no bit of a signed record may change."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Authorization
from essaim.protocol.mailbox.cursor import Cursor, Position
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, verify_record
from essaim.protocol.mailbox.refusal import MailboxRefusedError
from essaim.protocol.mailbox.slot_record import SLOT_RECORD_SIZE, SlotRecord
from essaim.testing.effort import examples

NOW = 1_800_000_000_000
OWNER, WRITER, DEVICE = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
OUTBOX = Policy.outbox(WRITER.public)
SLOT_RECORD = SlotRecord.sign(WRITER, OUTBOX.mailbox_id, 2, DEVICE.public, 9)
POLICY = Policy.private_inbox(OWNER.public, WRITER.public)

positions = st.builds(
    Position, st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=16), st.integers(0, (1 << 63) - 1)
)


def near(good: bytes) -> st.SearchStrategy[bytes]:
    """Bytes of any kind, and good ones with one byte changed, added or missing."""
    index = st.integers(0, len(good) - 1)
    changed = st.builds(lambda at, byte: good[:at] + bytes([byte]) + good[at + 1 :], index, st.integers(0, 255))
    return st.binary(max_size=200) | changed | index.map(lambda at: good[:at]) | st.binary(max_size=3).map(good.__add__)


@given(near(POLICY.encoded))
@example(POLICY.encoded)
def test_policy_fuzz_parses_to_itself_or_is_refused(data: bytes) -> None:
    try:
        policy = Policy.parse(data)
    except MailboxRefusedError as error:
        assert error.reason == "POLICY_MALFORMED"
    else:
        assert policy.encoded == data


@given(near(Cursor((Position(b"r" * 8, b"i" * 16, 5),) * 1).encoded))
def test_cursor_fuzz_parses_to_itself_or_is_refused(data: bytes) -> None:
    try:
        cursor = Cursor.parse(data)
    except MailboxRefusedError as error:
        assert error.reason == "CURSOR_MALFORMED"
    else:
        assert cursor.encoded == data


@given(st.lists(positions, max_size=8, unique_by=lambda each: each.replica))
def test_cursor_round_trip(each: list[Position]) -> None:
    assert Cursor.parse(Cursor(tuple(each)).encoded) == Cursor(tuple(each))


@given(near(SLOT_RECORD.encoded))
def test_slot_record_fuzz_passes_unaltered_alone(data: bytes) -> None:
    try:
        SlotRecord.parse(data).check(OUTBOX)
    except MailboxRefusedError as error:
        assert error.reason == "SLOT_RECORD_REFUSED"
    else:
        assert data == SLOT_RECORD.encoded


def entry(signer: SigningKey, slot_record: bytes) -> EnvelopeRecord:
    data, slot, expires = b"d" * 4096, b"prekeys/2", NOW + 60_000
    record = EnvelopeRecord(OUTBOX, envelope_id(OUTBOX.mailbox_id, slot, expires, data, 3), slot, expires, data, 3)
    return replace(record, authorization=record.act.authorize(signer, NOW, b"n" * 16, slot_record))


RECORD = entry(DEVICE, SLOT_RECORD.encoded)
FIELDS = ("time_ms", "nonce", "signature", "slot_record")


@settings(max_examples=examples(300))
@given(st.sampled_from(FIELDS), st.integers(0, 8 * SLOT_RECORD_SIZE - 1))
def test_authorization_flip_is_refused(field: str, bit: int) -> None:
    authorization = RECORD.authorization
    assert authorization is not None
    verify_record(RECORD, NOW)
    fields = {name: getattr(authorization, name) for name in FIELDS}
    value = fields[field]
    fields[field] = value ^ (1 << bit % 60) if isinstance(value, int) else flipped(value, bit)
    with pytest.raises(MailboxRefusedError) as caught:
        verify_record(replace(RECORD, authorization=Authorization(**fields)), NOW)
    assert caught.value.reason in {"NOT_AUTHORIZED", "SLOT_RECORD_REFUSED"}


@settings(max_examples=examples(300))
@given(st.sampled_from(("envelope_id", "slot", "data", "expires_ms", "version")), st.integers(0, 8 * 4096 - 1))
def test_record_flip_is_refused(field: str, bit: int) -> None:
    value = getattr(RECORD, field)
    changed = value ^ (1 << bit % 63) if isinstance(value, int) else flipped(value, bit)
    with pytest.raises(MailboxRefusedError):
        verify_record(replace(RECORD, **{field: changed}), NOW)


def flipped(data: bytes, bit: int) -> bytes:
    at = bit // 8 % len(data)
    return data[:at] + bytes([data[at] ^ (1 << bit % 8)]) + data[at + 1 :]
