"""Between plain values and protos/essaim/storage/v1: records, and what members say to each other.

Foreign bytes that are no message, or name a policy that is not the mailbox's, are a ProtocolError.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from essaim.protocol.kdf import HASH_SIZE
from essaim.protocol.mailbox.authorization import Authorization
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, Record, RegistrationRecord, SlotMark, Tombstone
from essaim.protocol.mailbox.refusal import MethodRefusedError, SlotRefusedError
from essaim.protocol.mailbox.removal import REMOVALS
from essaim.protocol.mailbox.rule import MAX_ENTRY
from essaim.storage.v1 import replica_pb2
from essaim_storage.message import (
    CHALLENGE_IDS,
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
    Woken,
    Write,
)
from essaim_storage.refusal import MessageMalformedError
from essaim_storage.tally import EMPTY, FINGERPRINT_SIZE, KEY_SIZE, KEYS, NAME_SIZE, Fingerprint, Part

REMOVAL_OF = {method.value: method for method in REMOVALS}


def record_to_proto(record: Record) -> replica_pb2.Record:
    """Whole, with policy and signature."""
    named: dict[str, Any] = {"mailbox_id": record.mailbox_id, "policy": record.policy.encoded}
    match record:
        case EnvelopeRecord():
            return replica_pb2.Record(**named, envelope=_envelope_to_proto(record))
        case Tombstone():
            return replica_pb2.Record(**named, tombstone=_tombstone_to_proto(record))
        case ExpiryRecord():
            fields: dict[str, Any] = {
                "slot": record.slot,
                "envelope_ids": record.envelope_ids,
                "until_ms": record.until_ms,
            }
            expiry = replica_pb2.ExpiryRecord(**fields, **_signed(record.authorization))
            return replica_pb2.Record(**named, expiry=expiry)
        case SlotMark():
            mark = replica_pb2.SlotMark(marked=record.slot_record, **_signed(record.authorization))
            return replica_pb2.Record(**named, mark=mark)
        case RegistrationRecord():
            return replica_pb2.Record(**named, registration=_registration_to_proto(record))


def _envelope_to_proto(record: EnvelopeRecord) -> replica_pb2.EnvelopeRecord:
    signed = _signed(record.authorization) if record.authorization else {"time_ms": record.received_ms}
    return replica_pb2.EnvelopeRecord(
        envelope_id=record.envelope_id,
        slot=record.slot,
        expires_ms=record.expires_ms,
        data=record.data,
        version=record.version,
        **signed,
    )


def _tombstone_to_proto(record: Tombstone) -> replica_pb2.Tombstone:
    fields: dict[str, Any] = {"method": record.method, "slot": record.slot, "envelope_ids": record.envelope_ids}
    return replica_pb2.Tombstone(**fields, before_ms=record.before_ms, **_signed(record.authorization))


def _expiry_to_proto(record: ExpiryRecord) -> replica_pb2.ExpiryRecord:
    fields: dict[str, Any] = {"slot": record.slot, "envelope_ids": record.envelope_ids}
    return replica_pb2.ExpiryRecord(**fields, until_ms=record.until_ms, **_signed(record.authorization))


def _registration_to_proto(record: RegistrationRecord) -> replica_pb2.RegistrationRecord:
    fields: dict[str, Any] = {"slot": record.slot, "day": record.day, "registration": record.registration}
    return replica_pb2.RegistrationRecord(**fields, **_signed(record.authorization))


def record_from_proto(proto: replica_pb2.Record) -> Record:
    """Raises MailboxRefusedError or MessageMalformedError. Whether it may be kept, `verify_record` says."""
    record = _record(Policy.check(proto.policy, proto.mailbox_id), proto)
    if len(record.slot) > MAX_ENTRY:  # it has no id: its text begins with the slot behind its length, one byte
        raise SlotRefusedError("a slot or entry name has at most 32 bytes")
    return record


def _record(policy: Policy, proto: replica_pb2.Record) -> Record:
    match proto.WhichOneof("kind"):
        case "envelope":
            return _envelope_from_proto(policy, proto.envelope)
        case "tombstone":
            return _tombstone_from_proto(policy, proto.tombstone)
        case "expiry":
            expiry, ids = proto.expiry, tuple(proto.expiry.envelope_ids)
            return ExpiryRecord(policy, expiry.slot, ids, expiry.until_ms, _authorization(expiry))
        case "mark":
            mark = SlotMark(policy, proto.mark.marked, _authorization(proto.mark))
            mark.content.check(policy)
            return mark
        case "registration":
            new = proto.registration
            return RegistrationRecord(policy, new.slot, new.day, new.registration, _authorization(new))
    raise MessageMalformedError("a record without content")


def _envelope_from_proto(policy: Policy, each: replica_pb2.EnvelopeRecord) -> EnvelopeRecord:
    columns = (each.envelope_id, each.slot, each.expires_ms, each.data, each.version)
    if each.signature or each.nonce:
        return EnvelopeRecord(policy, *columns, _authorization(each))
    return EnvelopeRecord(policy, *columns, None, each.time_ms)


def _tombstone_from_proto(policy: Policy, removal: replica_pb2.Tombstone) -> Tombstone:
    method = REMOVAL_OF.get(removal.method)
    if method is None:
        raise MethodRefusedError("this method removes nothing")
    ids = tuple(removal.envelope_ids)
    return Tombstone(policy, method, removal.slot, ids, _authorization(removal), removal.before_ms)


def encode_message(message: Message, view_serial: int) -> bytes:
    """For a MESSAGE frame."""
    field, body = _ENCODERS[type(message)](message)
    return replica_pb2.ReplicaMessage(view_serial=view_serial, **{field: body}).SerializeToString()


def decode_message(data: bytes) -> tuple[Message, int]:
    """The message, and the view that its sender had.

    Raises ProtocolError: MessageMalformedError, or what makes a record in it malformed.
    """
    try:
        proto = replica_pb2.ReplicaMessage.FromString(data)
    except DecodeError:
        raise MessageMalformedError("not a message between members") from None
    field = proto.WhichOneof("body")
    if field is None:
        raise MessageMalformedError("a message without content")
    return _DECODERS[field](getattr(proto, field)), proto.view_serial


def _signed(authorization: Authorization) -> dict[str, Any]:
    return {
        "time_ms": authorization.time_ms,
        "nonce": authorization.nonce,
        "signature": authorization.signature,
        "slot_record": authorization.slot_record,
    }


def _authorization(
    proto: replica_pb2.EnvelopeRecord
    | replica_pb2.Tombstone
    | replica_pb2.ExpiryRecord
    | replica_pb2.SlotMark
    | replica_pb2.RegistrationRecord,
) -> Authorization:
    return Authorization(proto.time_ms, proto.nonce, proto.signature, proto.slot_record)


def _fetch(proto: replica_pb2.ReplicaFetch) -> Fetch:
    if any(len(each) != NAME_SIZE for each in proto.record_ids):
        raise MessageMalformedError("a name has 12 bytes")
    return Fetch(proto.number, tuple(proto.record_ids))


def _question(proto: replica_pb2.ReplicaQuestion) -> Question:
    """A part that has a beginning before its end, and an answer of no more than a message."""
    arc = proto.first_position, proto.last_position
    if len(proto.from_key) > KEY_SIZE or len(proto.to_key) > KEY_SIZE:
        raise MessageMalformedError("a key has 34 bytes")
    keys = proto.from_key.ljust(KEY_SIZE, b"\x00"), proto.to_key.ljust(KEY_SIZE, b"\xff")
    span = int.from_bytes(keys[0]), int.from_bytes(keys[1])
    if arc[0] > arc[1] or span[0] > span[1]:
        raise MessageMalformedError("a part has two ends")
    if span[1] >= KEYS:
        raise MessageMalformedError("a part beyond the last key")
    return Question(proto.number, Part(arc, span))


def _digest(proto: replica_pb2.ReplicaDigest) -> Digest:
    counted = sum(each > 0 for each in proto.counts)
    if len(proto.names) % NAME_SIZE or len(proto.fingerprints) != FINGERPRINT_SIZE * counted:
        raise MessageMalformedError("names have 12 bytes each, fingerprints 16")
    names = tuple(_cut(proto.names, NAME_SIZE)) if proto.listed else None
    digests = iter(_cut(proto.fingerprints, FINGERPRINT_SIZE))
    found = tuple(Fingerprint(count, next(digests)) if count else EMPTY for count in proto.counts)
    return Digest(proto.number, names, found)


def _challenge(proto: replica_pb2.ReplicaChallenge) -> Challenge:
    if any(len(each) != HASH_SIZE for each in (proto.nonce, *proto.envelope_ids)):
        raise MessageMalformedError("a nonce and an id have 32 bytes")
    if not 0 < len(proto.envelope_ids) <= CHALLENGE_IDS:
        raise MessageMalformedError("a challenge asks for 1 to 16 envelopes")
    return Challenge(proto.number, proto.nonce, tuple(proto.envelope_ids))


def _woken(proto: replica_pb2.ReplicaWoken) -> Woken:
    if len(proto.names) % NAME_SIZE:
        raise MessageMalformedError("names have 12 bytes each")
    return Woken(tuple(_cut(proto.names, NAME_SIZE)))


def _cut(joined: bytes, size: int) -> Iterator[bytes]:
    return (joined[at : at + size] for at in range(0, len(joined), size))


def _ack_signature(signed: AckSignature | None) -> replica_pb2.AckSignature | None:
    if signed is None:
        return None
    return replica_pb2.AckSignature(time_ms=signed.time_ms, signature=signed.signature, removed=signed.removed)


_ENCODERS: Mapping[type, Callable[[Any], tuple[str, Any]]] = {
    Hello: lambda m: (
        "hello",
        replica_pb2.ReplicaHello(incarnation=m.incarnation, incomplete=m.incomplete, fresh=m.fresh, adopted=m.adopted),
    ),
    Write: lambda m: (
        "write",
        replica_pb2.ReplicaWrite(
            batch=m.batch, records=map(record_to_proto, m.records), late=m.late, receipt=m.receipt
        ),
    ),
    Ack: lambda m: (
        "ack",
        replica_pb2.ReplicaAck(
            batch=m.batch,
            refused=[replica_pb2.Refusal(index=each.index, reason=each.reason) for each in m.refused],
            signed=_ack_signature(m.signed),
        ),
    ),
    Fetch: lambda m: ("fetch", replica_pb2.ReplicaFetch(record_ids=m.names, number=m.number)),
    Records: lambda m: (
        "records",
        replica_pb2.ReplicaRecords(records=map(record_to_proto, m.records), number=m.number),
    ),
    Question: lambda m: (
        "question",
        replica_pb2.ReplicaQuestion(
            number=m.number,
            first_position=m.part.arc[0],
            last_position=m.part.arc[1],
            from_key=m.part.span[0].to_bytes(KEY_SIZE).rstrip(b"\x00"),
            to_key=m.part.span[1].to_bytes(KEY_SIZE).rstrip(b"\xff"),
        ),
    ),
    Digest: lambda m: (
        "digest",
        replica_pb2.ReplicaDigest(
            number=m.number,
            listed=m.names is not None,
            names=b"".join(m.names or ()),
            fingerprints=b"".join(each.digest for each in m.fingerprints if each.count),
            counts=[each.count for each in m.fingerprints],
        ),
    ),
    Challenge: lambda m: (
        "challenge",
        replica_pb2.ReplicaChallenge(number=m.number, nonce=m.nonce, envelope_ids=m.envelope_ids),
    ),
    Proofs: lambda m: ("proofs", replica_pb2.ReplicaProofs(number=m.number, proofs=m.proofs)),
    Woken: lambda m: ("woken", replica_pb2.ReplicaWoken(names=b"".join(m.names))),
}

_DECODERS: Mapping[str, Callable[[Any], Message]] = {
    "hello": lambda p: Hello(p.incarnation, p.incomplete, p.fresh, p.adopted),
    "write": lambda p: Write(p.batch, tuple(map(record_from_proto, p.records)), p.late, p.receipt),
    "ack": lambda p: Ack(
        p.batch,
        tuple(Refusal(each.index, each.reason) for each in p.refused),
        AckSignature(p.signed.time_ms, p.signed.signature, tuple(p.signed.removed)) if p.HasField("signed") else None,
    ),
    "fetch": _fetch,
    "records": lambda p: Records(p.number, tuple(map(record_from_proto, p.records))),
    "question": _question,
    "digest": _digest,
    "challenge": _challenge,
    "proofs": lambda p: Proofs(p.number, tuple(p.proofs)),
    "woken": _woken,
}
