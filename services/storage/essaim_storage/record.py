"""The name of a record, for hints and reconciliation, and what it takes on the wire."""

from essaim.protocol.mailbox.record import EnvelopeRecord, Record, RegistrationRecord, SlotMark, record_id
from essaim.protocol.mailbox.registration import MAX_REGISTRATION
from essaim.protocol.mailbox.slot_record import SLOT_RECORD_SIZE

__all__ = ["record_id", "wire_size"]

OVERHEAD = 512
"""More than a record takes on the wire beside data and ids."""


def wire_size(record: Record) -> int:
    """Bytes that a record takes in a message, at most."""
    if isinstance(record, EnvelopeRecord):
        return OVERHEAD + len(record.data)
    if isinstance(record, SlotMark | RegistrationRecord):
        return OVERHEAD + max(SLOT_RECORD_SIZE, MAX_REGISTRATION)
    return OVERHEAD + 34 * len(record.envelope_ids)
