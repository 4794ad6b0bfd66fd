"""Registration records: a device, or the owner for it, asks to be woken when something arrives in its slot on a day; or
a member's device, when anything arrives in a group's mailbox.

What a storage node learns is a push host and a push id, which mean nothing to anybody but that host; push ids of two
mailboxes or days have nothing in common (docs/protocol/push.md, where the bytes of a registration are). Of one slot and
day the newest signed time stands; one without bytes takes the one before back.
"""

from dataclasses import dataclass

from essaim.protocol.mailbox import rule
from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.payload import registration_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.refusal import ExpiryRefusedError, RegistrationRefusedError
from essaim.protocol.mailbox.slot_mark import SlotMark

MAX_REGISTRATION = 256
DAYS_AHEAD = 61
"""Sixty days, and one for who is in the next day already."""
DAYS_BEFORE = 1
DAYS_AFTER = 2
"""A registration of day d wakes from day d - 1 to the end of day d + 2: clocks differ, and mail comes late."""


@dataclass(frozen=True)
class RegistrationRecord:
    """On mailbox day `day` (whole days since 1970, UTC), wake for envelopes of `slot` whom `registration` names.

    In a group `slot` is a place, which tells the devices that are woken for all of it apart.
    """

    policy: Policy
    slot: bytes
    day: int
    registration: bytes
    authorization: Authorization

    @property
    def mailbox_id(self) -> bytes:
        return self.policy.mailbox_id

    @property
    def place(self) -> tuple[bytes, bytes, int]:
        """There is one at a time."""
        return self.mailbox_id, self.slot, self.day

    @property
    def act(self) -> Act:
        """What the authorization signs."""
        hashed = registration_hash(self.slot, self.day, self.registration)
        return Act(self.policy, Method.REGISTER_PUSH, self.slot, hashed)

    @property
    def rank(self) -> tuple[int, bytes]:
        """The higher one stands."""
        return self.authorization.time_ms, self.registration + self.authorization.signature

    @property
    def expires_ms(self) -> int:
        return (self.day + DAYS_AFTER + 1) * rule.DAY_MS

    def wakes(self, now_ms: int) -> bool:
        """Whether anybody is to be woken by it."""
        return bool(self.registration) and (self.day - DAYS_BEFORE) * rule.DAY_MS <= now_ms < self.expires_ms

    def is_ended_by(self, mark: SlotMark) -> bool:
        """Whether a slot mark of its mailbox takes it away: the device is gone, or the key that signed for it."""
        if mark.slot != self.slot:
            return False
        if mark.content.slot_key is None and self.authorization.time_ms <= mark.authorization.time_ms:
            return True
        return bool(self.authorization.slot_record) and mark.rejects(self.authorization.slot_record)


def verify_registration(record: RegistrationRecord, now_ms: int) -> None:
    """Kind, slot, size, day, time and signature."""
    kind, time_ms = record.policy.kind, record.authorization.time_ms
    rule.check_registered(kind, record.slot)
    if len(record.registration) > MAX_REGISTRATION:
        raise RegistrationRefusedError("a registration has 256 bytes at most")
    if not 0 <= record.day <= time_ms // rule.DAY_MS + DAYS_AHEAD:
        raise ExpiryRefusedError("a day more than 60 ahead")
    rule.check_notice_time(time_ms, record.expires_ms, now_ms)
    record.act.check(record.authorization)
