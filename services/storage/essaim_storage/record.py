"""The name of a record, for hints and reconciliation: an envelope's own id, and one for what else is kept."""

from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, Notice, Record, SlotMark, Tombstone
from essaim.protocol.mailbox.slot_record import SLOT_RECORD_SIZE

LABELS = {
    Tombstone: b"essaim/tombstone/v1",
    ExpiryRecord: b"essaim/expiry/v1",
    SlotMark: b"essaim/slot-mark/v1",
}
OVERHEAD = 512
"""More than a record takes on the wire beside data and ids."""


def record_id(record: Record) -> bytes:
    """32 bytes. Of a notice: BLAKE2b-256(its label || what it signs), which holds time and nonce."""
    if isinstance(record, EnvelopeRecord):
        return record.envelope_id
    return notice_id(record)


def notice_id(notice: Notice) -> bytes:
    """32 bytes: BLAKE2b-256(label || signed text)."""
    authorization = notice.authorization
    return blake2b256(LABELS[type(notice)], notice.act.signed_text(authorization.time_ms, authorization.nonce))


def wire_size(record: Record) -> int:
    """Bytes that a record takes in a message, at most."""
    if isinstance(record, EnvelopeRecord):
        return OVERHEAD + len(record.data)
    return OVERHEAD + (SLOT_RECORD_SIZE if isinstance(record, SlotMark) else 34 * len(record.envelope_ids))
