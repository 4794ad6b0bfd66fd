"""What a replica keeps: envelopes, tombstones, expiry records, slot marks, registrations; each with all that is needed
to check it, whoever brought it.
"""

from dataclasses import dataclass

from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox import envelope, rule
from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.content import Content
from essaim.protocol.mailbox.envelope import ENVELOPE_ID_SIZE
from essaim.protocol.mailbox.expiry_record import ExpiryRecord, verify_expiry
from essaim.protocol.mailbox.payload import read_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.refusal import EnvelopeMalformedError, ExpiryRefusedError, NotAuthorizedError
from essaim.protocol.mailbox.registration import RegistrationRecord, verify_registration
from essaim.protocol.mailbox.removal import Tombstone, check_removal, verify_tombstone
from essaim.protocol.mailbox.slot_mark import SlotMark, verify_mark

__all__ = [
    "EnvelopeRecord",
    "ExpiryRecord",
    "Notice",
    "Record",
    "RegistrationRecord",
    "SlotMark",
    "Tombstone",
    "check_read",
    "check_removal",
    "record_id",
    "verify_envelope",
    "verify_expiry",
    "verify_mark",
    "verify_record",
    "verify_registration",
    "verify_tombstone",
    "weight",
]


@dataclass(frozen=True)
class EnvelopeRecord:
    """An envelope in a mailbox. `authorization` as the client gave it, None where anyone may write."""

    policy: Policy
    envelope_id: bytes
    slot: bytes
    expires_ms: int
    data: bytes
    version: int = 0
    authorization: Authorization | None = None
    received_ms: int = 0
    """Where anyone writes, when the member that took it did: its word, kept with the envelope."""

    @property
    def stored_ms(self) -> int:
        """When it was signed, or received: what a sweep goes by."""
        return self.authorization.time_ms if self.authorization else self.received_ms

    @property
    def mailbox_id(self) -> bytes:
        return self.policy.mailbox_id

    @property
    def act(self) -> Act:
        """What the authorization signs."""
        return Act(self.policy, Method.STORE, self.slot, self.envelope_id, self.expires_ms, self.version)


Notice = Tombstone | ExpiryRecord | SlotMark | RegistrationRecord
"""Signed, and beside the envelopes: it weighs on nobody's quota of envelopes, and is never delivered."""
Record = EnvelopeRecord | Notice


NOTICE_LABELS = {
    Tombstone: b"essaim/tombstone/v1",
    ExpiryRecord: b"essaim/expiry/v1",
    SlotMark: b"essaim/slot-mark/v1",
    RegistrationRecord: b"essaim/registration/v1",
}


NOTICE_WEIGHT = 512
"""Bytes that a notice weighs beside its ids (or slot record, or registration)."""


def weight(record: Record) -> int:
    """Bytes that count against the quota of its mailbox: of envelopes, or of notices."""
    match record:
        case EnvelopeRecord():
            return len(record.data)
        case SlotMark():
            return NOTICE_WEIGHT + len(record.slot_record)
        case RegistrationRecord():
            return NOTICE_WEIGHT + len(record.registration)
    return NOTICE_WEIGHT + ENVELOPE_ID_SIZE * len(record.envelope_ids)


def record_id(record: Record) -> bytes:
    """32 bytes: an envelope's own id; of a notice BLAKE2b-256(its label || signed text), which has time and nonce."""
    if isinstance(record, EnvelopeRecord):
        return record.envelope_id
    authorization = record.authorization
    return blake2b256(NOTICE_LABELS[type(record)], record.act.signed_text(authorization.time_ms, authorization.nonce))


def verify_record(record: Record, now_ms: int) -> None:
    """What every member asks of a record before it keeps it, whoever brought it. Raises MailboxRefusedError."""
    match record:
        case EnvelopeRecord():
            verify_envelope(record, now_ms)
        case Tombstone():
            verify_tombstone(record, now_ms)
        case ExpiryRecord():
            verify_expiry(record, now_ms)
        case SlotMark():
            verify_mark(record, now_ms)
        case RegistrationRecord():
            verify_registration(record, now_ms)


def verify_envelope(record: EnvelopeRecord, now_ms: int) -> None:
    """Slot, size, version, expiry, id and, where the policy asks for it, signature."""
    kind = record.policy.kind
    rule.check_slot(kind, record.slot)
    envelope.check_size(record.data)
    rule.check_version(kind, record.version, record.expires_ms)
    rule.check_kept_expiry(kind, record.expires_ms, now_ms)
    hashed = envelope.envelope_id(record.mailbox_id, record.slot, record.expires_ms, record.data, record.version)
    if hashed != record.envelope_id:
        raise EnvelopeMalformedError("the id is not the hash of the envelope")
    if record.policy.content is not None and record.policy.content != Content.of(record.data):
        raise EnvelopeMalformedError("not the bytes that the blob's mailbox is named for")
    _check_write(record, now_ms)


def _check_write(record: EnvelopeRecord, now_ms: int) -> None:
    if rule.rule_of(record.policy.kind).open_write:
        if record.authorization is not None:
            raise NotAuthorizedError("this kind of mailbox is written without a signature")
        if not 0 <= record.received_ms <= now_ms + 2 * rule.CLOCK_SKEW_MS:
            raise ExpiryRefusedError("received in time to come")
    elif record.authorization is None:
        raise NotAuthorizedError("a signature is needed to write here")
    else:
        record.act.check(record.authorization)


def check_read(policy: Policy, method: Method, slot: bytes, authorization: Authorization | None) -> Act | None:
    """A Retrieve or Subscribe of `slot` (b"": all). The act that was signed, None where anyone reads."""
    if slot:
        rule.check_slot(policy.kind, slot)
    if rule.rule_of(policy.kind).open_read:
        return None
    if authorization is None:
        raise NotAuthorizedError("a signature is needed to read here")
    act = Act(policy, method, slot, read_hash(slot))
    act.check(authorization)
    return act
