"""The name of a record, for hints and reconciliation: an envelope's own id, and one for tombstones."""

from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox.record import EnvelopeRecord, Record, Tombstone

LABEL = b"essaim/tombstone/v1"
OVERHEAD = 512
"""More than a record takes on the wire beside data and ids."""


def record_id(record: Record) -> bytes:
    """32 bytes. Of a tombstone: BLAKE2b-256("essaim/tombstone/v1" || what it signs), which holds time and nonce."""
    if isinstance(record, EnvelopeRecord):
        return record.envelope_id
    return tombstone_id(record)


def tombstone_id(tombstone: Tombstone) -> bytes:
    """32 bytes: BLAKE2b-256("essaim/tombstone/v1" || signed text)."""
    authorization = tombstone.authorization
    return blake2b256(LABEL, tombstone.act.signed_text(authorization.time_ms, authorization.nonce))


def wire_size(record: Record) -> int:
    """Bytes that a record takes in a message, at most."""
    if isinstance(record, EnvelopeRecord):
        return OVERHEAD + len(record.data)
    return OVERHEAD + 34 * len(record.envelope_ids)
