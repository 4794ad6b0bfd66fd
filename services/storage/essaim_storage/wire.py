"""Between plain values and protos/essaim/storage/v1: records, and what members say to each other.

Foreign bytes that are no message, or name a policy that is not the mailbox's, are a ProtocolError.
"""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from essaim.protocol.kdf import HASH_SIZE
from essaim.protocol.mailbox.authorization import Authorization
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, Record, SlotMark, Tombstone
from essaim.protocol.mailbox.refusal import MethodRefusedError
from essaim.protocol.mailbox.removal import REMOVALS
from essaim.storage.v1 import replica_pb2
from essaim_storage.message import Ack, Digest, Fetch, Hello, Message, Records, Refusal, Write
from essaim_storage.refusal import MessageMalformedError

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


def record_from_proto(proto: replica_pb2.Record) -> Record:
    """Raises MailboxRefusedError or MessageMalformedError. Whether it may be kept, `verify_record` says."""
    policy = Policy.check(proto.policy, proto.mailbox_id)
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


def decode_message(data: bytes) -> Message:
    """Raises ProtocolError: MessageMalformedError, or what makes a record in it malformed."""
    try:
        proto = replica_pb2.ReplicaMessage.FromString(data)
    except DecodeError:
        raise MessageMalformedError("not a message between members") from None
    field = proto.WhichOneof("body")
    if field is None:
        raise MessageMalformedError("a message without content")
    return _DECODERS[field](getattr(proto, field))


def _signed(authorization: Authorization) -> dict[str, Any]:
    return {
        "time_ms": authorization.time_ms,
        "nonce": authorization.nonce,
        "signature": authorization.signature,
        "slot_record": authorization.slot_record,
    }


def _authorization(
    proto: replica_pb2.EnvelopeRecord | replica_pb2.Tombstone | replica_pb2.ExpiryRecord | replica_pb2.SlotMark,
) -> Authorization:
    return Authorization(proto.time_ms, proto.nonce, proto.signature, proto.slot_record)


def _digest(proto: replica_pb2.ReplicaDigest) -> Digest:
    """The range comes back in the answer, so its ends have the length of ids: no answer outgrows a message."""
    if len(proto.from_id) != HASH_SIZE or len(proto.to_id) != HASH_SIZE:
        raise MessageMalformedError("a range of ids has an id at each end")
    ends = proto.from_id, proto.to_id
    return Digest(proto.round, *ends, proto.count, proto.fingerprint, tuple(proto.ids), proto.reply_wanted)


_ENCODERS: Mapping[type, Callable[[Any], tuple[str, Any]]] = {
    Hello: lambda m: (
        "hello",
        replica_pb2.ReplicaHello(incarnation=m.incarnation, incomplete=m.incomplete, fresh=m.fresh),
    ),
    Write: lambda m: (
        "write",
        replica_pb2.ReplicaWrite(batch=m.batch, records=map(record_to_proto, m.records), late=m.late),
    ),
    Ack: lambda m: (
        "ack",
        replica_pb2.ReplicaAck(
            batch=m.batch, refused=[replica_pb2.Refusal(index=each.index, reason=each.reason) for each in m.refused]
        ),
    ),
    Fetch: lambda m: ("fetch", replica_pb2.ReplicaFetch(record_ids=m.record_ids, number=m.number)),
    Records: lambda m: (
        "records",
        replica_pb2.ReplicaRecords(records=map(record_to_proto, m.records), number=m.number),
    ),
    Digest: lambda m: (
        "digest",
        replica_pb2.ReplicaDigest(
            round=m.round,
            from_id=m.from_id,
            to_id=m.to_id,
            count=m.count,
            fingerprint=m.fingerprint,
            ids=m.ids,
            reply_wanted=m.reply_wanted,
        ),
    ),
}

_DECODERS: Mapping[str, Callable[[Any], Message]] = {
    "hello": lambda p: Hello(p.incarnation, p.incomplete, p.fresh),
    "write": lambda p: Write(p.batch, tuple(map(record_from_proto, p.records)), p.late),
    "ack": lambda p: Ack(p.batch, tuple(Refusal(each.index, each.reason) for each in p.refused)),
    "fetch": lambda p: Fetch(p.number, tuple(p.record_ids)),
    "records": lambda p: Records(p.number, tuple(map(record_from_proto, p.records))),
    "digest": _digest,
}
