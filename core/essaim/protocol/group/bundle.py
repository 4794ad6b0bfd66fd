"""Many records on the wire: each certificate once, and what is not genuine left out."""

from collections.abc import Iterable

from google.protobuf.message import DecodeError

from essaim.messaging.v1 import group_pb2
from essaim.protocol.group.record import NO_GROUP, Record, RecordRefusedError, certificate_hash, check_certificate
from essaim.protocol.layout import MalformedError
from essaim.protocol.manifest import Certificate


def pack(records: Iterable[Record]) -> group_pb2.GroupRecords:
    """Each certificate once."""
    message, known = group_pb2.GroupRecords(), set()
    for record in records:
        certificate = record.certificate.encode()
        if certificate not in known:
            known.add(certificate)
            message.certificates.append(certificate)
        message.records.add(statement=record.statement, signature=record.signature)
    return message


def unpack(message: group_pb2.GroupRecords) -> list[Record]:
    """Those that are genuine; what is not is left out."""
    certificates: dict[bytes, Certificate] = {}
    for encoded in message.certificates:
        try:
            certificates[certificate_hash(encoded)] = check_certificate(encoded)
        except RecordRefusedError:
            continue
    records = []
    for each in message.records:
        certificate = certificates.get(_named(each.statement))
        try:
            if certificate is not None:
                records.append(Record.parse(each.statement, each.signature, certificate))
        except RecordRefusedError:
            continue
    return records


def decode_records(data: bytes) -> list[Record]:
    """As `unpack`. Raises MalformedError where it is no list at all."""
    try:
        return unpack(group_pb2.GroupRecords.FromString(data))
    except DecodeError as error:
        raise MalformedError("not a list of records") from error


def _named(statement: bytes) -> bytes:
    """Where a statement names its certificate: behind its parents and its account."""
    above = 1 + len(NO_GROUP)
    at = above + 1 + len(NO_GROUP) * (statement[above] if len(statement) > above else 0) + len(NO_GROUP)
    return statement[at : at + len(NO_GROUP)]
