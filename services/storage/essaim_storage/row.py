"""A record as a row of the database, with its checksums.

`sum` covers every column but the data and is verified by every listing; `data_sum` covers the data and is verified by
whatever reads it. A row that does not match is as good as gone: `BadRowError`.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SIGNATURE_SIZE
from essaim.protocol.mailbox.authorization import NONCE_SIZE, Authorization, Method
from essaim.protocol.mailbox.envelope import ENVELOPE_ID_SIZE
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, Record, RegistrationRecord, SlotMark, Tombstone
from essaim.protocol.mailbox.rule import SLOT_AT
from essaim.protocol.mailbox.slot_record import SLOT_RECORD_SIZE

SUM_SIZE = 16
ENVELOPE, EXPIRY, MARK, REGISTRATION = 0, 5, 6, 7
REMOVALS = {1: Method.CONFIRM, 2: Method.DELETE, 3: Method.DELETE_BEFORE, 4: Method.DELETE_ALL}
_KIND_OF = {method: kind for kind, method in REMOVALS.items()}
_NUMBERS = struct.Struct(">6q")
_UNTIL = struct.Struct(">q")
_TIME_SIZE = 8
_SIGNATURE_AT = _TIME_SIZE + NONCE_SIZE
_SLOT_RECORD_AT = _SIGNATURE_AT + SIGNATURE_SIZE
SLOT_PROOF_SIZE = _SLOT_RECORD_AT + SLOT_RECORD_SIZE
SLOT_IN_PROOF = _SLOT_RECORD_AT + SLOT_AT + 1
"""The byte of a proof, counted from 1, that names the slot whose key signed."""


class BadRowError(Exception):
    """What was read is not what was written."""


def checksum(*parts: bytes) -> bytes:
    """BLAKE2b-128 of the parts, each with its length in front."""
    framed = b"".join([piece for part in parts for piece in (len(part).to_bytes(4), part)])
    return hashlib.blake2b(framed, digest_size=SUM_SIZE).digest()


@dataclass(frozen=True, slots=True)
class Head:
    """The columns of a record but its data, in the order of `COLUMNS`; made by `head_of` or read from the database."""

    number: int
    record_id: bytes
    policy: bytes
    kind: int
    slot: bytes
    expires_ms: int
    version: int
    size: int
    coordinated: int
    proof: bytes
    sum: bytes
    data_sum: bytes
    until_ms: int

    def computed_sum(self) -> bytes:
        numbers = _NUMBERS.pack(self.number, self.kind, self.expires_ms, self.version, self.size, self.coordinated)
        if self.until_ms != self.expires_ms:
            numbers += _UNTIL.pack(self.until_ms)
        return checksum(numbers, self.record_id, self.policy, self.slot, self.proof, self.data_sum)

    def is_good(self) -> bool:
        """Whether the columns are what was written. (A flipped bit can change a column's type, too.)"""
        try:
            return self.computed_sum() == self.sum
        except (TypeError, struct.error):
            return False

    def check(self) -> None:
        """The same, or BadRowError."""
        if not self.is_good():
            raise BadRowError


COLUMNS = (
    "number, record_id, policy, kind, slot, expires_ms, version, size, coordinated, proof, sum, data_sum, until_ms"
)


def head_of(
    number: int, record_id: bytes, record: Record, data: bytes, *, coordinated: bool, until_ms: int = 0
) -> Head:
    """The row of a record whose `data` column is `data_of(record)`; `until_ms` 0: it goes when it says itself."""
    kind, version = _kind_and_version(record)
    columns = (number, record_id, record.policy.encoded, kind, record.slot, record.expires_ms, version)
    size, until_ms = len(data) if kind == ENVELOPE else 0, until_ms or record.expires_ms
    bare = Head(*columns, size, int(coordinated), _proof(record), b"", checksum(data), until_ms)
    return Head(*columns, size, int(coordinated), bare.proof, bare.computed_sum(), bare.data_sum, until_ms)


def _kind_and_version(record: Record) -> tuple[int, int]:
    match record:
        case Tombstone():
            return _KIND_OF[record.method], record.before_ms
        case ExpiryRecord():
            return EXPIRY, record.until_ms
        case SlotMark():
            return MARK, record.content.version
        case RegistrationRecord():
            return REGISTRATION, record.day
    return ENVELOPE, record.version


def data_of(record: Record) -> bytes:
    """The data column: an envelope's bytes, a slot mark's slot record, a registration, the ids of what names some."""
    match record:
        case EnvelopeRecord():
            return record.data
        case SlotMark():
            return record.slot_record
        case RegistrationRecord():
            return record.registration
    return b"".join(record.envelope_ids)


def checked_data(head: Head, data: object) -> bytes:
    """The data, or BadRowError."""
    if not isinstance(data, bytes) or checksum(data) != head.data_sum:
        raise BadRowError
    return data


def record_of(head: Head, data: bytes) -> Record:
    """The record of a row, every column verified, or BadRowError."""
    head.check()
    checked_data(head, data)
    try:
        policy, authorization = Policy.parse(head.policy), _authorization(head.proof)
    except ProtocolError as error:
        raise BadRowError from error
    if head.kind == ENVELOPE:
        columns = (head.record_id, head.slot, head.expires_ms, data, head.version)
        received_ms = 0 if authorization else int.from_bytes(head.proof)
        return EnvelopeRecord(policy, *columns, authorization, received_ms)
    if authorization is None:
        raise BadRowError
    return _notice_of(head, data, policy, authorization)


def _notice_of(head: Head, data: bytes, policy: Policy, authorization: Authorization) -> Record:
    if head.kind == EXPIRY:
        return ExpiryRecord(policy, head.slot, tuple(_ids(data)), head.version, authorization)
    if head.kind == MARK:
        return SlotMark(policy, data, authorization)
    if head.kind == REGISTRATION:
        return RegistrationRecord(policy, head.slot, head.version, data, authorization)
    return Tombstone(policy, REMOVALS[head.kind], head.slot, tuple(_ids(data)), authorization, head.version)


def _ids(data: bytes) -> Iterable[bytes]:
    return (data[at : at + ENVELOPE_ID_SIZE] for at in range(0, len(data), ENVELOPE_ID_SIZE))


def _proof(record: Record) -> bytes:
    authorization = record.authorization
    if authorization is None:
        received_ms = record.received_ms if isinstance(record, EnvelopeRecord) else 0
        return received_ms.to_bytes(_TIME_SIZE) if received_ms else b""
    signed = authorization.time_ms.to_bytes(_TIME_SIZE) + authorization.nonce + authorization.signature
    return signed + authorization.slot_record


def _authorization(proof: bytes) -> Authorization | None:
    if len(proof) <= _TIME_SIZE:
        return None
    time_ms = int.from_bytes(proof[:_TIME_SIZE])
    nonce, signature = proof[_TIME_SIZE:_SIGNATURE_AT], proof[_SIGNATURE_AT:_SLOT_RECORD_AT]
    return Authorization(time_ms, nonce, signature, proof[_SLOT_RECORD_AT:])
