"""What was promised to clients, and what they saw: the checker's memory."""

from dataclasses import dataclass, field

from essaim.protocol.mailbox.record import EnvelopeRecord

NEAR_EXPIRY_MS = 20 * 60_000
"""What expires so soon may be hidden by a clock that is wrong: nothing is promised about it."""


class BrokenPromiseError(AssertionError):
    """The swarm did what it must not."""


@dataclass
class History:
    """Filled by the clients, asked by the checks."""

    stored: dict[bytes, EnvelopeRecord] = field(default_factory=dict)
    acknowledged: set[bytes] = field(default_factory=set)
    removing: set[bytes] = field(default_factory=set)
    """A Confirm or Delete of it was sent, whatever came of it."""
    removed: set[bytes] = field(default_factory=set)
    """A Confirm or Delete of it was acknowledged."""
    claims: dict[bytes, bytes] = field(default_factory=dict)
    """Which claim was given a one-time prekey."""
    quorum_reads: int = 0
    notes: int = 0

    def due(self, mailbox_id: bytes, now_ms: int) -> set[bytes]:
        """What a reader of the mailbox must get, if it begins now."""
        return {
            each for each in self.acknowledged - self.removing if self._is_due(self.stored[each], mailbox_id, now_ms)
        }

    def must_be_gone(self, record: EnvelopeRecord, now_ms: int) -> bool:
        """Whether no reader may get it any more, once the swarm is at rest."""
        return record.envelope_id in self.removed or record.expires_ms <= now_ms

    def _is_due(self, record: EnvelopeRecord, mailbox_id: bytes, now_ms: int) -> bool:
        if record.mailbox_id != mailbox_id or record.expires_ms < now_ms + NEAR_EXPIRY_MS:
            return False
        return not record.version or not any(self._replaces(other, record) for other in self.stored.values())

    @staticmethod
    def _replaces(other: EnvelopeRecord, record: EnvelopeRecord) -> bool:
        same = (other.mailbox_id, other.slot) == (record.mailbox_id, record.slot)
        return same and (other.version, other.envelope_id) > (record.version, record.envelope_id)
