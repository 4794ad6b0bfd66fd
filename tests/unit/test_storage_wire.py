"""What members say to each other survives the wire, and foreign bytes are a reason, never a crash."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Authorization, Method
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, SlotMark, Tombstone
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.storage.v1 import replica_pb2
from essaim_storage.message import (
    Ack,
    AckSignature,
    Challenge,
    Digest,
    Fetch,
    Hello,
    Proofs,
    Question,
    Records,
    Refusal,
    Write,
)
from essaim_storage.refusal import MessageMalformedError
from essaim_storage.tally import EMPTY, Fingerprint, Part
from essaim_storage.wire import decode_message, encode_message

A, B = (SigningKey(bytes([n]) * 32).public for n in (1, 2))
PUBLIC, PRIVATE = Policy.public_inbox(A), Policy.private_inbox(A, B)
SIGNED = Authorization(1_800_000_000_000, bytes(16), bytes(64), bytes(137))
OPEN = EnvelopeRecord(PUBLIC, b"i" * 32, b"\0", 1_800_000_000_001, b"d" * 4096)
CLOSED = EnvelopeRecord(PRIVATE, b"j" * 32, b"\1", 1_800_000_000_001, b"e" * 4096, 0, SIGNED)
REMOVAL = Tombstone(PRIVATE, Method.DELETE, b"", (b"i" * 32, b"j" * 32), SIGNED)
SWEEP = Tombstone(PRIVATE, Method.DELETE_BEFORE, b"", (), SIGNED, 1_700_000_000_000)
EXPIRY = ExpiryRecord(PRIVATE, b"\1", (b"i" * 32,), 1_800_000_000_009, SIGNED)
MARKED = SlotRecord.sign(SigningKey(bytes([1]) * 32), PRIVATE.mailbox_id, 2, None, 7).encoded
MARK = SlotMark(PRIVATE, MARKED, replace(SIGNED, slot_record=b""))
MESSAGES = (
    Hello(b"n" * 16, True, False, 12),
    Write(7, (OPEN, CLOSED, REMOVAL), late=True),
    Write(8, (replace(OPEN, received_ms=1_799_999_999_999), SWEEP, EXPIRY, MARK)),
    Ack(7, (Refusal(1, "DISK_FULL"),)),
    Ack(8, (), AckSignature(1_800_000_000_000, b"s" * 64, (0, 3))),
    Fetch(9, (b"i" * 12,)),
    Records(9, (REMOVAL, OPEN)),
    Question(3, Part((7, 1 << 63), (5, 1 << 260))),
    Digest(3, (b"i" * 12, b"j" * 12)),
    Digest(4, ()),
    Digest(5, None, (EMPTY, Fingerprint(9, b"f" * 16))),
    Challenge(6, b"n" * 32, (b"i" * 32, b"j" * 32)),
    Proofs(6, (b"p" * 32, b"")),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: type(each).__name__)
def test_message_survives_the_wire(message) -> None:
    data = encode_message(message, 5)
    assert decode_message(data) == (message, 5)


def proto_of(record) -> replica_pb2.ReplicaMessage:
    return replica_pb2.ReplicaMessage.FromString(encode_message(Records(1, (record,)), 1))


def reason(proto: replica_pb2.ReplicaMessage) -> str:
    with pytest.raises(ProtocolError) as caught:
        decode_message(proto.SerializeToString())
    return caught.value.reason


def test_malformed_message_has_its_reason() -> None:
    assert reason(replica_pb2.ReplicaMessage()) == "MALFORMED"
    bare = proto_of(OPEN)
    bare.records.records[0].ClearField("envelope")
    assert reason(bare) == "MALFORMED"
    elsewhere = proto_of(OPEN)
    elsewhere.records.records[0].mailbox_id = bytes(32)
    assert reason(elsewhere) == "POLICY_MISMATCH"
    question = replica_pb2.ReplicaQuestion(from_key=b"", to_key=b"\x01")
    for wrong in (
        {"from_key": bytes(200_000)},
        {"to_key": b"\xff" * 2},
        {"first_position": 1},
        {"from_key": b"\x02"},
    ):
        broken = replica_pb2.ReplicaQuestion(**{"from_key": question.from_key, "to_key": question.to_key, **wrong})
        assert reason(replica_pb2.ReplicaMessage(question=broken)) == "MALFORMED"
    assert reason(replica_pb2.ReplicaMessage(fetch=replica_pb2.ReplicaFetch(record_ids=[b""]))) == "MALFORMED"
    for uneven in ({"names": b"n", "listed": True}, {"fingerprints": bytes(16)}):
        assert reason(replica_pb2.ReplicaMessage(digest=replica_pb2.ReplicaDigest(**uneven))) == "MALFORMED"
    method = proto_of(REMOVAL)
    method.records.records[0].tombstone.method = "Store"
    assert reason(method) == "METHOD_REFUSED"
    unsigned = proto_of(REMOVAL)
    unsigned.records.records[0].tombstone.signature = b""
    assert reason(unsigned) == "NOT_AUTHORIZED"
    unmarked = proto_of(MARK)
    unmarked.records.records[0].mark.marked = MARKED[:-1]
    assert reason(unmarked) == "SLOT_RECORD_REFUSED"


@given(st.integers(0, 1 << 32))
def test_message_fuzz_is_read_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(encode_message(rng.choice(MESSAGES), 1))
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(min(len(data), 400))] = rng.randrange(256)
    try:
        decode_message(bytes(data[: rng.randint(0, len(data))]))
    except ProtocolError as error:
        assert error.reason.isupper()


@pytest.mark.parametrize(
    "challenge",
    [
        replica_pb2.ReplicaChallenge(number=1, nonce=b"n" * 31, envelope_ids=[b"i" * 32]),
        replica_pb2.ReplicaChallenge(number=1, nonce=b"n" * 32, envelope_ids=[b"i" * 33]),
        replica_pb2.ReplicaChallenge(number=1, nonce=b"n" * 32),
        replica_pb2.ReplicaChallenge(number=1, nonce=b"n" * 32, envelope_ids=[b"i" * 32] * 17),
    ],
)
def test_challenge_of_a_wrong_size_is_refused(challenge) -> None:
    assert reason(replica_pb2.ReplicaMessage(challenge=challenge)) == MessageMalformedError.reason
