"""Slot marks: a slot record that the owner had every member keep, so that lower versions count no more.

One with a key names it; one without (DropSlot) leaves the slot to nobody.
"""

from dataclasses import dataclass
from functools import cached_property

from essaim.protocol.mailbox import rule
from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.payload import slot_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.refusal import MethodRefusedError, SlotRecordRefusedError
from essaim.protocol.mailbox.slot_record import SlotRecord


@dataclass(frozen=True)
class SlotMark:
    """`slot_record` is 137 bytes; the authorization is the owner's, and tells when."""

    policy: Policy
    slot_record: bytes
    authorization: Authorization

    @property
    def mailbox_id(self) -> bytes:
        return self.policy.mailbox_id

    @cached_property
    def content(self) -> SlotRecord:
        """Raises SlotRecordRefusedError."""
        return SlotRecord.parse(self.slot_record)

    @property
    def slot(self) -> bytes:
        """One byte."""
        return bytes((self.content.slot,))

    @property
    def act(self) -> Act:
        """What the authorization signs."""
        return Act(self.policy, Method.DROP_SLOT, b"", slot_hash(self.slot_record))

    @property
    def rank(self) -> tuple[int, int, bytes]:
        """The higher one stands: by version, then by time, then by bytes."""
        return self.content.version, self.authorization.time_ms, self.slot_record + self.authorization.signature

    @property
    def expires_ms(self) -> int:
        """As long as the mailbox can live without a word of its owner."""
        return self.authorization.time_ms + rule.rule_of(self.policy.kind).mark_life_ms + 2 * rule.CLOCK_SKEW_MS

    def rejects(self, slot_record: bytes) -> bool:
        """Whether a (well formed) slot record of this mailbox counts no more: one below it, or another beside it."""
        if slot_record[rule.SLOT_AT] != self.slot_record[rule.SLOT_AT]:
            return False
        version = int.from_bytes(slot_record[rule.SLOT_VERSION_AT : rule.SLOT_VERSION_AT + 8])
        same = slot_record == self.slot_record and self.content.slot_key is not None
        return version <= self.content.version and not same


def verify_mark(record: SlotMark, now_ms: int) -> None:
    """Kind, slot record, times and both signatures."""
    if not rule.rule_of(record.policy.kind).mark_life_ms:
        raise MethodRefusedError("this kind of mailbox has no device slots")
    record.content.check(record.policy)
    if record.content.version > rule.MAX_VERSION:
        raise SlotRecordRefusedError("a version is below 2^63")
    rule.check_notice_time(record.authorization.time_ms, record.expires_ms, now_ms)
    record.act.check(record.authorization)
