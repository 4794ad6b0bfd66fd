"""Expiry records: an owner's later word on how long envelopes stay. The newest signed time wins."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from essaim.protocol.mailbox import envelope, rule
from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.payload import removal_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.refusal import ExpiryRefusedError, MethodRefusedError
from essaim.protocol.mailbox.rule import Naming, Versions

if TYPE_CHECKING:
    from essaim.protocol.mailbox.record import EnvelopeRecord


@dataclass(frozen=True)
class ExpiryRecord:
    """From its time on, these envelopes (of one slot, or of any with slot b"") expire at `until_ms`."""

    policy: Policy
    slot: bytes
    envelope_ids: tuple[bytes, ...]
    until_ms: int
    authorization: Authorization

    @property
    def mailbox_id(self) -> bytes:
        return self.policy.mailbox_id

    @property
    def act(self) -> Act:
        """What the authorization signs."""
        hashed = removal_hash(self.slot, self.envelope_ids)
        return Act(self.policy, Method.EXPIRE, self.slot, hashed, self.until_ms)

    @property
    def expires_ms(self) -> int:
        """When the record itself goes: as late as a tombstone, for what it shortened could come back."""
        return rule.notice_expiry(self.policy.kind, self.authorization.time_ms)

    def covers(self, record: "EnvelopeRecord") -> bool:
        """Whether it speaks of this envelope."""
        return record.mailbox_id == self.mailbox_id and self.speaks_of(record.slot, record.envelope_id)

    def speaks_of(self, slot: bytes, envelope_id: bytes) -> bool:
        """The same of an envelope of its mailbox."""
        return self.slot in (b"", slot) and envelope_id in self.envelope_ids


def verify_expiry(record: ExpiryRecord, now_ms: int) -> None:
    """Kind, slot, ids, times and signature."""
    kind, time_ms = record.policy.kind, record.authorization.time_ms
    row = rule.rule_of(kind)
    if row.versions is Versions.EXPIRY:
        raise MethodRefusedError("a blob stays longer by being stored again")
    if record.slot:
        rule.check_slot(kind, record.slot)
        if row.naming is not Naming.DEVICE:
            raise MethodRefusedError("an entry's expiry is the owner's to change, by its id")
    envelope.check_ids(record.envelope_ids)
    if not 0 < record.until_ms <= time_ms + row.longest_ttl_ms + rule.CLOCK_SKEW_MS:
        raise ExpiryRefusedError("expires too late for its kind")
    rule.check_notice_time(time_ms, record.expires_ms, now_ms)
    record.act.check(record.authorization)
