"""Which slot records still count: none below one that the owner had kept, or that was shown here since the start."""

from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.refusal import SlotRecordRefusedError
from essaim.protocol.mailbox.slot_record import certified
from essaim_storage.store import Store

MAX_SEEN = 1 << 16
"""Slots whose highest version is remembered; some 12 MB."""


class SlotVersions:
    """Slot marks are durable and every member's; what was only shown is this process's memory, for as many as fit."""

    def __init__(self, store: Store, max_seen: int = MAX_SEEN) -> None:
        self._store = store
        self._max_seen = max_seen
        self._seen: dict[tuple[bytes, int], int] = {}

    def check(self, policy: Policy, slot_record: bytes) -> None:
        """Of a request whose signature was checked under it. SlotRecordRefusedError."""
        record = certified(slot_record, policy)
        mark = self._store.mark(policy.mailbox_id, bytes((record.slot,)))
        if mark is not None and mark.rejects(slot_record):
            raise SlotRecordRefusedError("the owner has dropped this slot's key")
        key = (policy.mailbox_id, record.slot)
        seen = self._seen.pop(key, 0)
        self._seen[key] = max(seen, record.version)
        if len(self._seen) > self._max_seen:
            del self._seen[next(iter(self._seen))]
        if record.version < seen:
            raise SlotRecordRefusedError("a newer record of this slot was shown")
