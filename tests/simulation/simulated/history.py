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
        newest = self._newest(mailbox_id)
        due = (self.stored[each] for each in self.acknowledged - self.removing)
        return {
            each.envelope_id
            for each in due
            if each.mailbox_id == mailbox_id
            and each.expires_ms >= now_ms + NEAR_EXPIRY_MS
            and (not each.version or newest[each.slot] == (each.version, each.envelope_id))
        }

    def must_be_gone(self, record: EnvelopeRecord, now_ms: int) -> bool:
        """Whether no reader may get it any more, once the swarm is at rest."""
        return record.envelope_id in self.removed or record.expires_ms <= now_ms

    def _newest(self, mailbox_id: bytes) -> dict[bytes, tuple[int, bytes]]:
        """Of each entry of an outbox: (version, id) that replaces all others."""
        newest: dict[bytes, tuple[int, bytes]] = {}
        for each in self.stored.values():
            if each.version and each.mailbox_id == mailbox_id:
                newest[each.slot] = max(newest.get(each.slot, (0, b"")), (each.version, each.envelope_id))
        return newest
