"""Between plain values and protos/essaim/storage/v1: records, and what members say to each other.

Foreign bytes that are no message, or name a policy that is not the mailbox's, are a ProtocolError.
"""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from essaim.protocol.kdf import HASH_SIZE
from essaim.protocol.mailbox.authorization import Authorization, Method
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, Record, Tombstone
from essaim.protocol.mailbox.refusal import MethodRefusedError
from essaim.storage.v1 import replica_pb2
from essaim_storage.message import Ack, Digest, Fetch, Hello, Message, Records, Refusal, Write
from essaim_storage.refusal import MessageMalformedError

REMOVALS = {method.value: method for method in (Method.CONFIRM, Method.DELETE)}


def record_to_proto(record: Record) -> replica_pb2.Record:
    """Whole, with policy and signature."""
    if isinstance(record, Tombstone):
        return _tombstone_to_proto(record)
    envelope = replica_pb2.EnvelopeRecord(
        envelope_id=record.envelope_id,
        slot=record.slot,
        expires_ms=record.expires_ms,
        data=record.data,
        version=record.version,
        **_signed(record.authorization),
    )
    return replica_pb2.Record(mailbox_id=record.mailbox_id, policy=record.policy.encoded, envelope=envelope)


def _tombstone_to_proto(record: Tombstone) -> replica_pb2.Record:
    tombstone = replica_pb2.Tombstone(
        method=record.method, slot=record.slot, envelope_ids=record.envelope_ids, **_signed(record.authorization)
    )
    return replica_pb2.Record(mailbox_id=record.mailbox_id, policy=record.policy.encoded, tombstone=tombstone)


def record_from_proto(proto: replica_pb2.Record) -> Record:
    """Raises MailboxRefusedError or MessageMalformedError. Whether it may be kept, `verify_record` says."""
    policy = Policy.check(proto.policy, proto.mailbox_id)
    kind = proto.WhichOneof("kind")
    if kind == "envelope":
        each = proto.envelope
        authorization = _authorization(each) if each.signature or each.nonce else None
        columns = (each.envelope_id, each.slot, each.expires_ms, each.data, each.version)
        return EnvelopeRecord(policy, *columns, authorization)
    if kind != "tombstone":
        raise MessageMalformedError("a record without content")
    removal = proto.tombstone
    if removal.method not in REMOVALS:
        raise MethodRefusedError("this method removes nothing")
    ids = tuple(removal.envelope_ids)
    return Tombstone(policy, REMOVALS[removal.method], removal.slot, ids, _authorization(removal))


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


def _signed(authorization: Authorization | None) -> dict[str, Any]:
    if authorization is None:
        return {}
    return {
        "time_ms": authorization.time_ms,
        "nonce": authorization.nonce,
        "signature": authorization.signature,
        "slot_record": authorization.slot_record,
    }


def _authorization(proto: replica_pb2.EnvelopeRecord | replica_pb2.Tombstone) -> Authorization:
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
