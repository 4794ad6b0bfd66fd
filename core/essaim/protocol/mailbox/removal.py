"""Tombstones: signed removals, kept for as long as what they remove could come back.

Confirm, Delete            name envelopes: of one slot, or of any
DeleteBefore, DeleteAll    a *sweep*: whatever of the mailbox was stored up to a time; DeleteAll up to its own
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from essaim.protocol.mailbox import envelope, rule
from essaim.protocol.mailbox.authorization import MAX_TIME_MS, Act, Authorization, Method
from essaim.protocol.mailbox.payload import read_hash, removal_hash, sweep_hash
from essaim.protocol.mailbox.policy import Kind, Policy
from essaim.protocol.mailbox.refusal import ExpiryRefusedError, MethodRefusedError, SlotRefusedError

if TYPE_CHECKING:
    from essaim.protocol.mailbox.record import EnvelopeRecord
    from essaim.protocol.mailbox.registration import RegistrationRecord

SWEEPS = frozenset((Method.DELETE_BEFORE, Method.DELETE_ALL))
REMOVALS = frozenset((Method.CONFIRM, Method.DELETE)) | SWEEPS


@dataclass(frozen=True)
class Tombstone:
    """A signed removal of envelopes: by id of one slot (Confirm) or of any (Delete, slot b""), or a sweep (no ids)."""

    policy: Policy
    method: Method
    slot: bytes
    envelope_ids: tuple[bytes, ...]
    authorization: Authorization
    before_ms: int = 0
    """Of a DeleteBefore alone."""

    @property
    def mailbox_id(self) -> bytes:
        return self.policy.mailbox_id

    @property
    def act(self) -> Act:
        """What the authorization signs."""
        match self.method:
            case Method.DELETE_BEFORE:
                hashed = sweep_hash(self.before_ms)
            case Method.DELETE_ALL:
                hashed = read_hash(b"")
            case _:
                hashed = removal_hash(self.slot, self.envelope_ids)
        return Act(self.policy, self.method, self.slot, hashed)

    @property
    def swept_ms(self) -> int:
        """Up to when a sweep removes; -1: it is none."""
        if self.method not in SWEEPS:
            return -1
        return self.before_ms if self.method == Method.DELETE_BEFORE else self.authorization.time_ms

    @property
    def expires_ms(self) -> int:
        """It outlives every envelope that it could meet: those accepted up to its own time by a skewed clock."""
        return rule.notice_expiry(self.policy.kind, self.authorization.time_ms)

    def ends(self, record: "RegistrationRecord") -> bool:
        """Whether a registration of this mailbox goes with all that was stored in it."""
        return self.method == Method.DELETE_ALL and record.authorization.time_ms <= self.swept_ms

    def covers(self, record: "EnvelopeRecord") -> bool:
        """Whether it removes this envelope of its mailbox.

        By name: one that it names, of its slot if it has one. A sweep: one stored up to its time; of a blob any, for it
        is the same bytes each time.
        """
        if record.mailbox_id != self.mailbox_id:
            return False
        if self.method in SWEEPS:
            return self.policy.kind == Kind.BLOB or record.stored_ms <= self.swept_ms
        return self.slot in (b"", record.slot) and record.envelope_id in self.envelope_ids


def verify_tombstone(record: Tombstone, now_ms: int) -> None:
    """Method, slot, ids, age and signature."""
    check_removal(record.policy, record.method, record.slot)
    if record.method in SWEEPS:
        _check_sweep(record)
    else:
        envelope.check_ids(record.envelope_ids)
    rule.check_notice_time(record.authorization.time_ms, record.expires_ms, now_ms)
    record.act.check(record.authorization)


def check_removal(policy: Policy, method: Method, slot: bytes) -> None:
    """Entries are deleted, never confirmed; a Confirm names one slot, anything else none."""
    if method not in REMOVALS or (method == Method.CONFIRM and not rule.rule_of(policy.kind).confirms):
        raise MethodRefusedError("this removes nothing here")
    if method == Method.CONFIRM:
        rule.check_slot(policy.kind, slot)
    elif slot:
        raise SlotRefusedError("a deletion has no slot")


def _check_sweep(record: Tombstone) -> None:
    timed = record.method == Method.DELETE_BEFORE
    if record.envelope_ids or (not timed and record.before_ms):
        raise MethodRefusedError("a sweep names a time, and no envelopes")
    if timed and not 0 <= record.before_ms <= min(record.authorization.time_ms, MAX_TIME_MS):
        raise ExpiryRefusedError("a sweep reaches up to its own time at most")
