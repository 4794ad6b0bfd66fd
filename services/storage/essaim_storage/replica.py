"""The member that another writes to: each record is checked by itself, committed, and the Write answered by one Ack.

Nothing is taken on trust: whoever sends, the mailbox's rules certify the record (policy, id, signatures, expiry).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.receipt import Leaf, Outcome, sign_batch
from essaim.protocol.mailbox.record import Record
from essaim.protocol.mailbox.refusal import ExpiryRefusedError, QuotaError, SlotRecordRefusedError, VersionRefusedError
from essaim_storage.effects import Effect, Send
from essaim_storage.journal import Journal, Settled, Verdict
from essaim_storage.message import Ack, AckSignature, Refusal, Write
from essaim_storage.record import record_id
from essaim_storage.refusal import DiskFullError, StaleViewError, WrongSwarmError
from essaim_storage.swarm import Swarm

Sign = Callable[[bytes], bytes]
Verify = Callable[[Record, int], None]
"""`verify(record, now_ms)` raises a ProtocolError for a record that no member may keep."""


NOT_HERE = {
    Verdict.FULL: DiskFullError.reason,
    Verdict.EXPIRED: ExpiryRefusedError.reason,
    Verdict.SUPERSEDED: VersionRefusedError.reason,
    Verdict.DROPPED: SlotRecordRefusedError.reason,
    Verdict.OVER: QuotaError.reason,
}
"""What a member is told of a record that this disk has not, and no tombstone for it."""


@dataclass(frozen=True, slots=True)
class PeerWaits:
    """A member waits for the record at `index` of a Write."""

    member: bytes
    batch: int
    index: int


@dataclass
class _Duty:
    left: int
    record_ids: tuple[bytes, ...]
    receipt: bool
    refused: list[Refusal] = field(default_factory=list)
    removed: set[int] = field(default_factory=set)

    def leaves(self) -> list[Leaf]:
        refused = {each.index for each in self.refused}
        outcomes = (Outcome.REMOVED if at in self.removed else Outcome.KEPT for at in range(len(self.record_ids)))
        named = enumerate(zip(self.record_ids, outcomes, strict=True))
        return [leaf for index, leaf in named if index not in refused]


class Replica:
    """Writes that are not answered yet."""

    sign: Sign | None = None
    """Signs for this node; without, no Ack has a signature."""

    def __init__(self, swarm: Swarm, journal: Journal, verify: Verify) -> None:
        self._swarm = swarm
        self._journal = journal
        self._verify = verify
        self._duties: dict[tuple[bytes, int], _Duty] = {}

    def write(self, member: bytes, write: Write, now_ms: int, view_serial: int) -> list[Effect]:
        """Records from a member, sent under a view; from anybody else they are dropped."""
        if member not in self._swarm.members or (member, write.batch) in self._duties:
            return []
        record_ids = tuple(record_id(each) for each in write.records) if write.receipt else ()
        duty = _Duty(len(write.records), record_ids, write.receipt)
        self._duties[member, write.batch] = duty
        stale = self._is_stale(view_serial)
        for index, record in enumerate(write.records):
            reason = StaleViewError.reason if stale else self.refusal(record, now_ms)
            if reason:
                duty.left -= 1
                duty.refused.append(Refusal(index, reason))
            else:
                self._journal.submit(record, PeerWaits(member, write.batch, index))
        return self._answer(member, write.batch, now_ms)

    def _is_stale(self, view_serial: int) -> bool:
        """Whether the writer may not know of a move that this node has adopted, and count for too few."""
        return view_serial < self._swarm.floor

    def settled(self, settled: Settled, now_ms: int) -> list[Effect]:
        """One record of a Write is durable, or is not kept."""
        waiter = settled.waiter
        assert isinstance(waiter, PeerWaits)
        duty = self._duties[waiter.member, waiter.batch]
        duty.left -= 1
        reason = NOT_HERE.get(settled.verdict)
        if reason:
            duty.refused.append(Refusal(waiter.index, reason))
        elif settled.verdict is Verdict.REMOVED:
            duty.removed.add(waiter.index)
        return self._answer(waiter.member, waiter.batch, now_ms)

    def refusal(self, record: Record, now_ms: int) -> str:
        """Why this node does not keep the record; "" if it does."""
        if not self._swarm.keeps(record.mailbox_id):
            return WrongSwarmError.reason
        try:
            self._verify(record, now_ms)
        except ProtocolError as error:
            return error.reason
        return ""

    def _answer(self, member: bytes, batch: int, now_ms: int) -> list[Effect]:
        duty = self._duties[member, batch]
        if duty.left:
            return []
        del self._duties[member, batch]
        return [Send(member, Ack(batch, tuple(duty.refused), self._signature(duty, now_ms)))]

    def _signature(self, duty: _Duty, now_ms: int) -> AckSignature | None:
        leaves = duty.leaves() if duty.receipt and self.sign is not None else []
        if not leaves or self.sign is None:
            return None
        signed = sign_batch(self.sign, self._swarm.own_id, now_ms, leaves)
        return AckSignature(now_ms, signed.signature, tuple(sorted(duty.removed)))
