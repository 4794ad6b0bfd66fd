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
from essaim.protocol.mailbox.record import EnvelopeRecord, Record, Tombstone

SUM_SIZE = 16
ENVELOPE = 0
REMOVALS = {1: Method.CONFIRM, 2: Method.DELETE}
_KIND_OF = {method: kind for kind, method in REMOVALS.items()}
_NUMBERS = struct.Struct(">6q")
_SIGNATURE_AT = 8 + NONCE_SIZE
_SLOT_RECORD_AT = _SIGNATURE_AT + SIGNATURE_SIZE


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

    def computed_sum(self) -> bytes:
        numbers = _NUMBERS.pack(self.number, self.kind, self.expires_ms, self.version, self.size, self.coordinated)
        return checksum(numbers, self.record_id, self.policy, self.slot, self.proof, self.data_sum)

    def check(self) -> None:
        """The columns are what was written, or BadRowError. (A flipped bit can change a column's type, too.)"""
        try:
            good = self.computed_sum() == self.sum
        except (TypeError, struct.error):
            good = False
        if not good:
            raise BadRowError


COLUMNS = "number, record_id, policy, kind, slot, expires_ms, version, size, coordinated, proof, sum, data_sum"


def head_of(number: int, record_id: bytes, record: Record, data: bytes, *, coordinated: bool) -> Head:
    """The row of a record whose `data` column is `data_of(record)`."""
    removal = isinstance(record, Tombstone)
    kind = _KIND_OF[record.method] if isinstance(record, Tombstone) else ENVELOPE
    version = 0 if isinstance(record, Tombstone) else record.version
    columns = (number, record_id, record.policy.encoded, kind, record.slot, record.expires_ms, version)
    size = 0 if removal else len(data)
    bare = Head(*columns, size, int(coordinated), _proof(record.authorization), b"", checksum(data))
    return Head(*columns, size, int(coordinated), bare.proof, bare.computed_sum(), bare.data_sum)


def data_of(record: Record) -> bytes:
    """The data column: an envelope's bytes, a tombstone's ids."""
    return b"".join(record.envelope_ids) if isinstance(record, Tombstone) else record.data


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
        return EnvelopeRecord(policy, *columns, authorization)
    if authorization is None:
        raise BadRowError
    return Tombstone(policy, REMOVALS[head.kind], head.slot, tuple(_ids(data)), authorization)


def _ids(data: bytes) -> Iterable[bytes]:
    return (data[at : at + ENVELOPE_ID_SIZE] for at in range(0, len(data), ENVELOPE_ID_SIZE))


def _proof(authorization: Authorization | None) -> bytes:
    if authorization is None:
        return b""
    signed = authorization.time_ms.to_bytes(8) + authorization.nonce + authorization.signature
    return signed + authorization.slot_record


def _authorization(proof: bytes) -> Authorization | None:
    if not proof:
        return None
    time_ms = int.from_bytes(proof[:8])
    nonce, signature = proof[8:_SIGNATURE_AT], proof[_SIGNATURE_AT:_SLOT_RECORD_AT]
    return Authorization(time_ms, nonce, signature, proof[_SLOT_RECORD_AT:])
