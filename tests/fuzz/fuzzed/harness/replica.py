"""What a member of a swarm says to another: read, written again, and heard by a node with a disk in memory."""

from collections.abc import Iterator
from dataclasses import replace

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, Record, SlotMark, Tombstone, verify_record
from essaim.protocol.mailbox.refusal import MailboxRefusedError
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim_storage.message import (
    Ack,
    AckSignature,
    Challenge,
    Digest,
    Fetch,
    Hello,
    Message,
    Proofs,
    Question,
    Records,
    Refusal,
    Write,
)
from essaim_storage.record import record_id
from essaim_storage.refusal import MessageMalformedError
from essaim_storage.tally import EMPTY, Fingerprint, Part
from essaim_storage.wire import decode_message, encode_message
from fuzzed.parser import Parser, chosen
from simulated.stage import INBOX, NOW_MS, OWNER, B, Stage, entry, envelope, tombstone

SIGN = SigningKey(b"\7" * 32).sign
PRIVATE = Policy.private_inbox(OWNER.public, SigningKey(b"\1" * 32).public)
NONCE = bytes(16)


class Known:
    """One stage for many inputs: a new one now and then, so that none depends on too many others."""

    inputs = 0
    stage = Stage(sign=SIGN)


def message(data: bytes) -> object:
    """The first byte: whether the records in it are signed by their owner."""
    signed, rest = chosen(data, 2)
    found, serial = decode_message(rest)
    again, _ = decode_message(encode_message(found, serial))
    assert again == found, "what was written is not what was read"
    if isinstance(found, Write | Records):
        records = tuple(_signed(each) if signed else each for each in found.records)
        found = replace(found, records=records)
        for record in records:
            _judged(record)
    Known.inputs += 1
    if Known.inputs % 200 == 0:
        Known.stage = Stage(sign=SIGN)
    stage = Known.stage
    stage.hear(B, found, serial % 4)
    while stage.commits:
        stage.commit()
    return found


def _judged(record: Record) -> None:
    """A record that a member keeps has an id and an end."""
    try:
        verify_record(record, NOW_MS)
    except ProtocolError:
        return
    assert len(record_id(record)) == 32
    assert record.expires_ms > 0


def _signed(record: Record) -> Record:
    if record.authorization is None or record.policy.owner != OWNER.public:
        return record
    try:
        text = record.act.signed_text(record.authorization.time_ms, record.authorization.nonce)
    except (ProtocolError, ValueError):
        return record
    return replace(record, authorization=replace(record.authorization, signature=OWNER.sign(text)))


def messages() -> Iterator[bytes]:
    sweep = Act(INBOX, Method.DELETE_ALL, b"", b"").authorize(OWNER, NOW_MS, NONCE)
    expiry = ExpiryRecord(INBOX, b"\0", (envelope("a").envelope_id,), NOW_MS + 99_999, sweep)
    marked = SlotRecord.sign(OWNER, INBOX.mailbox_id, 2, None, 7).encoded
    closed = EnvelopeRecord(
        PRIVATE, b"j" * 32, b"\1", NOW_MS + 9_999, bytes(4096), 0, Authorization(NOW_MS, NONCE, bytes(64))
    )
    told: tuple[Message, ...] = (
        Hello(b"n" * 16, True, False, 12),
        Write(7, (envelope("a"),), late=True),
        Write(8, (tombstone(envelope("a")), Tombstone(INBOX, Method.DELETE_ALL, b"", (), sweep)), receipt=True),
        Write(9, (expiry, SlotMark(INBOX, marked, sweep)), receipt=True),
        Write(10, (entry("x", 3),)),
        Write(11, (closed,)),
        Ack(7, (Refusal(1, "DISK_FULL"),)),
        Ack(8, (), AckSignature(NOW_MS, b"s" * 64, (0, 3))),
        Fetch(9, (b"i" * 12,)),
        Records(9, (tombstone(envelope("b")),)),
        Question(3, Part((7, 1 << 63), (5, 1 << 260))),
        Digest(3, (b"i" * 12, b"j" * 12)),
        Digest(5, None, (EMPTY, Fingerprint(9, b"f" * 16))),
        Challenge(6, b"n" * 32, (b"i" * 32, b"j" * 32)),
        Proofs(6, (b"p" * 32, b"")),
    )  # fmt: skip
    for signed in (b"\0", b"\1"):
        yield from (signed + encode_message(each, 1) for each in told)


PARSERS = (Parser("replica.message", message, (MessageMalformedError, MailboxRefusedError), messages, longest=5_000),)
