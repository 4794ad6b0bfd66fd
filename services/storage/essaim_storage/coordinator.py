"""The member that takes a client's Store, Confirm or Delete: acknowledged when W of r have it on disk.

While the mailbox moves, W of the members of now and W of those of next, each by its own r; always by the view that
this node has when it answers. A view that comes meanwhile asks the members that it brings, too. Members that know a
newer view may refuse (STALE_VIEW): the request waits for it, as long as it may.

The record goes to the own disk and to every member at once. The own disk must have it, for the hints rest on it;
beside that whoever has it durably counts, late like early, and whoever is no member never does. A request ends when
each of its records is acknowledged or refused, or when time is up: then the missing are QUORUM_MISSING, and whatever
is kept of them stays (a repeat is idempotent).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.receipt import Outcome, Receipt, sign_batch
from essaim.protocol.mailbox.record import EnvelopeRecord, Record, RegistrationRecord, SlotMark, weight
from essaim.protocol.mailbox.refusal import (
    ExpiryRefusedError,
    QuotaError,
    SlotRecordRefusedError,
    VersionRefusedError,
)
from essaim_storage import quota
from essaim_storage.effects import CancelTimer, Effect, Refused, Removed, Reply, SetTimer, Stored, StoreOutcome
from essaim_storage.events import RemoveAsked, StoreAsked
from essaim_storage.hints import Hints
from essaim_storage.journal import Journal, Settled, Verdict
from essaim_storage.placement import Range
from essaim_storage.receipts import Heard
from essaim_storage.record import record_id
from essaim_storage.refusal import DiskFullError, QuorumMissingError, StaleViewError, WrongSwarmError
from essaim_storage.replica import Sign
from essaim_storage.store import Store
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning

HELD = frozenset((Verdict.KEPT, Verdict.HAD, Verdict.REMOVED))
"""The own disk has it, or the tombstone that covers it."""
OUTCOMES = {Verdict.KEPT: Outcome.KEPT, Verdict.HAD: Outcome.KEPT, Verdict.REMOVED: Outcome.REMOVED}

OTHER_VIEW = frozenset((StaleViewError.reason, WrongSwarmError.reason))
"""The member has a newer or an older view than this node: one of the two will learn, and it is asked again."""


@dataclass(frozen=True, slots=True)
class QuorumTimer:
    """The time of a request is up."""

    request: int


@dataclass(frozen=True, slots=True)
class ClientWaits:
    """A client waits for this record."""

    request: int


@dataclass
class _Item:
    record: Record
    holders: set[bytes] = field(default_factory=set)
    refusers: set[bytes] = field(default_factory=set)
    borrowed: bool = False
    """The own disk had it from another coordinator: no hint of this node's leads to it."""
    receipts: dict[bytes, Receipt] = field(default_factory=dict)
    """Of holders, where the client wants to see them."""
    outdated: bool = False
    """A member says that it has a higher version."""
    done: bool = False
    refusal: ProtocolError | None = None

    def finish(self, refusal: ProtocolError | None = None) -> None:
        if not self.done:
            self.done, self.refusal = True, refusal


@dataclass
class _Job:
    request: int
    order: tuple[bytes, ...]
    items: dict[bytes, _Item]
    where: Range
    removes: bool
    receipts: bool


class Coordinator:
    """Requests under way, by request and by record."""

    def __init__(self, swarm: Swarm, store: Store, journal: Journal, hints: Hints, tuning: Tuning) -> None:
        self._swarm = swarm
        self._store = store
        self._journal = journal
        self._hints = hints
        self._tuning = tuning
        self._jobs: dict[int, _Job] = {}
        self._by_record: dict[bytes, list[_Job]] = {}
        self._own_receipts: dict[bytes, Receipt] = {}

    def store(self, event: StoreAsked) -> list[Effect]:
        return self._begin(event.request, event.records, removes=False, receipts=event.receipts)

    def remove(self, event: RemoveAsked) -> list[Effect]:
        return self._begin(event.request, (event.notice,), removes=True, receipts=event.receipts)

    def sign(self, batch: Sequence[Settled], now_ms: int, sign: Sign) -> None:
        """Before the ends of a batch are told: this node's own receipts for what is wanted of it."""
        wanted = self._hints.receipted
        held = [each for each in batch if each.record_id in wanted and each.verdict in HELD]
        leaves = {each.record_id: OUTCOMES[each.verdict] for each in held}
        self._own_receipts = {}
        if leaves:
            signed = sign_batch(sign, self._swarm.own_id, now_ms, tuple(leaves.items()))
            self._own_receipts = signed.receipts()

    def settled(self, settled: Settled) -> list[Effect]:
        """One of a request's records came to the own disk, or did not."""
        effects = self._hints.settled(settled)
        waiter = settled.waiter
        job = self._jobs.get(waiter.request) if isinstance(waiter, ClientWaits) else None
        if job is None:
            return effects
        item = job.items[settled.record_id]
        if settled.verdict in HELD:
            item.borrowed = settled.verdict is not Verdict.KEPT
            self._hold(job, item, self._swarm.own_id, self._own_receipts.get(settled.record_id))
            if item.borrowed and not item.done:
                effects = [*effects, *self._hints.offer_again([item.record], job.where.members)]
        else:
            item.finish(_refusal(settled.verdict))
        return [*effects, *self._end(job)]

    def heard(self, member: bytes, heard: Heard) -> list[Effect]:
        """A member has a record on disk, or refused it."""
        effects: list[Effect] = []
        for job in tuple(self._by_record.get(heard.record_id, ())):
            item = job.items[heard.record_id]
            if not heard.reason:
                self._hold(job, item, member, heard.receipt)
            else:
                self._refuse(job, item, member, heard.reason)
            effects += self._end(job)
        return effects

    def link_up(self, member: bytes) -> list[Effect]:
        """What a client waits for and no hint brings, to a member that could not be asked before."""
        jobs = (job for job in self._jobs.values() if member in job.where.members)
        items = (item for job in jobs for item in job.items.values())
        records = [each.record for each in items if each.borrowed and not each.done and member not in each.holders]
        return self._hints.offer_again(records, (member,)) if records else []

    def view_changed(self) -> list[Effect]:
        """Every request under way is one of the new view."""
        return [effect for job in tuple(self._jobs.values()) for effect in self._turn(job)]

    def _turn(self, job: _Job) -> list[Effect]:
        before = job.where
        where = self._where(next(iter(job.items.values())).record)
        if where is None:
            for item in job.items.values():
                item.finish(WrongSwarmError("the mailbox moved to another swarm"))
            return self._end(job)
        job.where = where
        for item in job.items.values():
            item.refusers &= where.members
            self._judge(job, item)
        waiting = [item.record for item in job.items.values() if not item.done]
        return [*self._hints.offer_again(waiting, where.members - before.members), *self._end(job)]

    def lost(self, member: bytes, of_id: bytes | None = None) -> None:
        """A disk lost this record, or all (None): what is not answered yet must not count on it any more."""
        for job in self._jobs.values():
            for each, item in job.items.items():
                if of_id in (None, each):
                    item.holders.discard(member)

    def time_is_up(self, request: int) -> list[Effect]:
        """The quorum timer fired."""
        job = self._jobs.get(request)
        if job is None:
            return []
        for item in job.items.values():
            item.finish(QuorumMissingError("fewer than W members have it on disk yet"))
        return self._end(job)

    def cancelled(self, request: int) -> list[Effect]:
        """Nobody waits any more; the members get it all the same."""
        job = self._jobs.get(request)
        if job is None:
            return []
        self._forget(job)
        return [CancelTimer(QuorumTimer(request))]

    def _begin(self, request: int, records: Sequence[Record], *, removes: bool, receipts: bool) -> list[Effect]:
        where = self._where(records[0])
        if where is None:
            return [Reply(request, Refused(WrongSwarmError("the mailbox lives in another swarm")))]
        order = tuple(record_id(each) for each in records)
        items = {of_id: _Item(each) for of_id, each in zip(order, records, strict=True)}
        job = _Job(request, order, items, where, removes, receipts)
        self._refuse_taken_versions(job)
        self._refuse_over_quota(job)
        self._jobs[request] = job
        for of_id in items:
            self._by_record.setdefault(of_id, []).append(job)
        if receipts:
            self._hints.receipted.update(items)
        under_way = [item.record for item in items.values() if not item.done]
        sends = self._submit(job, under_way)
        return [*sends, SetTimer(QuorumTimer(request), self._tuning.quorum_ms), *self._end(job)]

    def _submit(self, job: _Job, records: Sequence[Record]) -> list[Effect]:
        """To the own disk and to every member, at once."""
        for record in records:
            self._journal.submit(record, ClientWaits(job.request), coordinated=True)
        return self._hints.offer(records, job.where.members) if records else []

    def _where(self, record: Record) -> Range | None:
        """The range of the mailbox of a request, if its clients are answered here."""
        where = self._swarm.range_of(record.mailbox_id)
        return where if where is not None and self._swarm.own_id in where.now else None

    def _refuse_taken_versions(self, job: _Job) -> None:
        """A version is one envelope's. (Two that two members took, every journal settles in the same way.)"""
        for of_id, item in job.items.items():
            if isinstance(item.record, EnvelopeRecord) and item.record.version:
                newest = self._store.newest(item.record.mailbox_id, item.record.slot)
                if newest and newest.version == item.record.version and newest.envelope_id != of_id:
                    item.finish(VersionRefusedError("this version is another envelope's"))

    def _refuse_over_quota(self, job: _Job) -> None:
        """Judged where the client asks; what is there already passes. (Members judge more loosely: quota.py.)"""
        room: int | None = None
        for of_id, item in job.items.items():
            if not self._store.has(of_id):
                if quota.is_crowded(self._store, item.record):
                    item.finish(QuotaError("as many are woken for the group as may be"))
                    continue
                room = quota.room(self._store, item.record) if room is None else room
                room += self._replaced(item.record) - weight(item.record)
                if room < 0:
                    item.finish(QuotaError("the mailbox is full"))

    def _replaced(self, record: Record) -> int:
        """Bytes of the version that goes when this one comes."""
        if isinstance(record, SlotMark):
            mark = self._store.mark(record.mailbox_id, record.slot)
            return weight(mark) if mark else 0
        if isinstance(record, RegistrationRecord):
            standing = self._store.registration(*record.place)
            return weight(standing) if standing else 0
        if not isinstance(record, EnvelopeRecord) or not record.version:
            return 0
        newest = self._store.newest(record.mailbox_id, record.slot)
        entry = self._store.entry(record.mailbox_id, newest.envelope_id) if newest else None
        return entry.size if entry else 0

    def _hold(self, job: _Job, item: _Item, member: bytes, receipt: Receipt | None) -> None:
        """Where the client wants receipts, who gives none does not count."""
        if job.receipts and receipt is None:
            return
        if receipt is not None:
            item.receipts[member] = receipt
        item.holders.add(member)
        self._judge(job, item)

    def _judge(self, job: _Job, item: _Item) -> None:
        if self._swarm.own_id in item.holders and self._swarm.enough(job.where, item.holders):
            item.finish()

    def _refuse(self, job: _Job, item: _Item, member: bytes, reason: str) -> None:
        """One member's word ends nothing: it may lie. A version that W have leaves too few for a lower one."""
        if reason in OTHER_VIEW:
            return
        item.refusers.add(member)
        item.outdated = item.outdated or reason == VersionRefusedError.reason
        if not self._swarm.enough(job.where, job.where.members - item.refusers):
            why = "a member has a higher version" if item.outdated else "too many members refused it"
            item.finish((VersionRefusedError if item.outdated else QuorumMissingError)(why))

    def _end(self, job: _Job) -> list[Effect]:
        """The answer, once every record has its own."""
        if not all(item.done for item in job.items.values()):
            return []
        self._forget(job)
        return [CancelTimer(QuorumTimer(job.request)), Reply(job.request, _answer(job))]

    def _forget(self, job: _Job) -> None:
        del self._jobs[job.request]
        for of_id in job.items:
            jobs = self._by_record[of_id]
            jobs.remove(job)
            if not jobs:
                del self._by_record[of_id]
                self._hints.receipted.discard(of_id)


def _refusal(verdict: Verdict) -> ProtocolError:
    if verdict is Verdict.FULL:
        return DiskFullError("no room on this node's disk")
    if verdict is Verdict.EXPIRED:
        return ExpiryRefusedError("it expired")
    if verdict is Verdict.OVER:
        return QuotaError("the mailbox is full")
    if verdict is Verdict.DROPPED:
        return SlotRecordRefusedError("the owner has dropped this slot's key")
    return VersionRefusedError("this node has a higher version")


def _answer(job: _Job) -> Stored | Removed | Refused:
    if not job.removes:
        return Stored(tuple(_outcome(of_id, job.items[of_id]) for of_id in job.order))
    item = next(iter(job.items.values()))
    return Refused(item.refusal) if item.refusal else Removed(tuple(item.receipts.values()))


def _outcome(of_id: bytes, item: _Item) -> StoreOutcome:
    return StoreOutcome(of_id, item.refusal, () if item.refusal else tuple(item.receipts.values()))
