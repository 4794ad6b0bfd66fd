"""What a replica keeps: envelopes and tombstones, each with all that is needed to check it, whoever brought it."""

from dataclasses import dataclass

from essaim.protocol.mailbox import envelope, rule
from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.content import Content
from essaim.protocol.mailbox.payload import read_hash, removal_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.refusal import (
    EnvelopeMalformedError,
    ExpiryRefusedError,
    MethodRefusedError,
    NotAuthorizedError,
    SlotRefusedError,
)


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

    @property
    def mailbox_id(self) -> bytes:
        return self.policy.mailbox_id

    @property
    def act(self) -> Act:
        """What the authorization signs."""
        return Act(self.policy, Method.STORE, self.slot, self.envelope_id, self.expires_ms, self.version)


@dataclass(frozen=True)
class Tombstone:
    """A signed removal of envelopes by id: of one slot (Confirm) or of any (Delete, slot b"")."""

    policy: Policy
    method: Method
    slot: bytes
    envelope_ids: tuple[bytes, ...]
    authorization: Authorization

    @property
    def mailbox_id(self) -> bytes:
        return self.policy.mailbox_id

    @property
    def act(self) -> Act:
        """What the authorization signs."""
        return Act(self.policy, self.method, self.slot, removal_hash(self.slot, self.envelope_ids))

    @property
    def expires_ms(self) -> int:
        """It outlives every envelope that it could meet: those accepted up to its own time by a skewed clock."""
        longest = rule.rule_of(self.policy.kind).longest_ttl_ms
        return self.authorization.time_ms + longest + 2 * rule.CLOCK_SKEW_MS

    def covers(self, record: EnvelopeRecord) -> bool:
        """Whether it removes this envelope (one of its mailbox, of its slot if it has one, that it names)."""
        same_place = record.mailbox_id == self.mailbox_id and self.slot in (b"", record.slot)
        return same_place and record.envelope_id in self.envelope_ids


Record = EnvelopeRecord | Tombstone


def verify_record(record: Record, now_ms: int) -> None:
    """What every member asks of a record before it keeps it, whoever brought it. Raises MailboxRefusedError."""
    if isinstance(record, Tombstone):
        verify_tombstone(record, now_ms)
    else:
        verify_envelope(record, now_ms)


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
    _check_write(record)


def _check_write(record: EnvelopeRecord) -> None:
    if rule.rule_of(record.policy.kind).open_write:
        if record.authorization is not None:
            raise NotAuthorizedError("this kind of mailbox is written without a signature")
    elif record.authorization is None:
        raise NotAuthorizedError("a signature is needed to write here")
    else:
        record.act.check(record.authorization)


def verify_tombstone(record: Tombstone, now_ms: int) -> None:
    """Method, slot, ids, age and signature."""
    envelope.check_ids(record.envelope_ids)
    check_removal(record.policy, record.method, record.slot)
    if not now_ms < record.expires_ms or record.authorization.time_ms > now_ms + 2 * rule.CLOCK_SKEW_MS:
        raise ExpiryRefusedError("a removal that is past, or to come")
    record.act.check(record.authorization)


def check_removal(policy: Policy, method: Method, slot: bytes) -> None:
    """Entries are deleted, never confirmed; a Confirm names one slot, a Delete none."""
    if method == Method.DELETE:
        if slot:
            raise SlotRefusedError("a Delete has no slot")
        return
    if method != Method.CONFIRM or not rule.rule_of(policy.kind).confirms:
        raise MethodRefusedError("this removes nothing here")
    rule.check_slot(policy.kind, slot)


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
