"""Group commit, and what beats what.

A batch is committed at once when none was begun for `commit_ms`; what is submitted meanwhile is the next batch. For a
commit costs its fsync and its turn of the writer's thread however small it is: a busy node pays that rarely, an idle
one does not wait. What happens to a record is decided when its batch is put together, against the committed data and
the batch so far:

- it is there already, or twice in the batch: HAD
- it expired: EXPIRED
- a tombstone covers it: REMOVED
- it is an entry of an outbox, and the one there has a higher version (or the same and a higher id): SUPERSEDED
- else it is KEPT, under the next arrival number
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto

from essaim.protocol.mailbox.record import EnvelopeRecord, Record, Tombstone
from essaim_storage.effects import Change, Commit, Effect, Forget, PutEnvelope, PutTombstone, SetTimer
from essaim_storage.record import record_id
from essaim_storage.store import Newest, Store
from essaim_storage.tuning import Tuning


@dataclass(frozen=True, slots=True)
class CommitTimer:
    """The next batch may begin."""


class Verdict(Enum):
    """What became of a submitted record, once its batch is durable (but FULL: it was not)."""

    KEPT = auto()
    HAD = auto()
    EXPIRED = auto()
    REMOVED = auto()
    SUPERSEDED = auto()
    FULL = auto()


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of a submission. `number` is 0 unless KEPT."""

    waiter: Hashable
    record_id: bytes
    record: Record | None
    verdict: Verdict
    number: int = 0
    coordinated: bool = False


@dataclass(frozen=True, slots=True)
class _Submission:
    waiter: Hashable
    record: Record | None
    coordinated: bool
    change: Change | None


class Journal:
    """One node's way to its disk."""

    def __init__(self, store: Store, tuning: Tuning) -> None:
        self._store = store
        self._limit = tuning.batch_records
        self._pause_ms = tuning.commit_ms
        self._paused = False
        self._waiting: list[_Submission] = []
        self._notes: dict[Hashable, Change] = {}
        self._under_way: tuple[Settled, ...] | None = None
        self._notes_under_way: dict[Hashable, Change] = {}
        self._batch = 0
        self._number = store.last_number()

    def submit(self, record: Record, waiter: Hashable, *, coordinated: bool = False) -> None:
        """Commit a verified record; its end comes with a batch's under `waiter`."""
        self._waiting.append(_Submission(waiter, record, coordinated, None))

    def change(self, change: Change, waiter: Hashable = None) -> None:
        """Commit something that is not a record (prekeys, purge, flags)."""
        self._waiting.append(_Submission(waiter, None, False, change))

    def change_first(self, change: Change, waiter: Hashable = None) -> None:
        """Commit this before whatever waits."""
        self._waiting.insert(0, _Submission(waiter, None, False, change))

    def note(self, key: Hashable, change: Change) -> None:
        """Write this with the next batch, whenever that comes; a later note of the same key takes its place."""
        self._notes[key] = change

    def flush(self, now_ms: int) -> list[Effect]:
        """The next batch, if the disk is idle, its pause over and anything waits."""
        if self._under_way is not None or self._paused or not self._waiting:
            return []
        taken, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
        draft = _Draft(self._store, self._number, now_ms)
        self._under_way = tuple(draft.add(each) for each in taken)
        self._number = draft.number
        self._notes_under_way, self._notes = self._notes, {}
        self._batch += 1
        self._paused = bool(self._pause_ms)
        pause = [SetTimer(CommitTimer(), self._pause_ms)] if self._paused else []
        return [Commit(self._batch, (*draft.changes, *self._notes_under_way.values())), *pause]

    def go_on(self) -> list[Effect]:
        """The commit timer fired."""
        self._paused = False
        return []

    def committed(self, batch: int) -> tuple[Settled, ...]:
        """The batch is durable: how each of its submissions ended, in order."""
        settled = self._finish(batch)
        self._notes_under_way = {}
        return settled

    def refused(self, batch: int) -> tuple[Settled, ...]:
        """The disk is full: nothing of the batch is there. Its notes wait for the next."""
        settled = self._finish(batch)
        self._notes = self._notes_under_way | self._notes
        self._notes_under_way = {}
        return tuple(Settled(each.waiter, each.record_id, each.record, Verdict.FULL) for each in settled)

    def _finish(self, batch: int) -> tuple[Settled, ...]:
        if batch != self._batch or self._under_way is None:
            raise AssertionError("the end of a batch that is not under way")
        settled, self._under_way = self._under_way, None
        return settled


class _Draft:
    """A batch being put together."""

    def __init__(self, store: Store, number: int, now_ms: int) -> None:
        self._store = store
        self._now_ms = now_ms
        self._ids: set[bytes] = set()
        self._forgotten: set[bytes] = set()
        self._tombstones: list[Tombstone] = []
        self._newest: dict[tuple[bytes, bytes], Newest] = {}
        self.changes: list[Change] = []
        self.number = number

    def add(self, submission: _Submission) -> Settled:
        if submission.record is None:
            self._change(submission.change)
            return Settled(submission.waiter, b"", None, Verdict.KEPT)
        record, of_id = submission.record, record_id(submission.record)
        verdict = self._judge(of_id, record)
        if verdict is Verdict.KEPT:
            self._put(of_id, record, submission.coordinated)
            return Settled(submission.waiter, of_id, record, verdict, self.number, submission.coordinated)
        return Settled(submission.waiter, of_id, record, verdict)

    def _change(self, change: Change | None) -> None:
        if isinstance(change, Forget):
            self._forgotten.add(change.record_id)
        if change is not None:
            self.changes.append(change)

    def _has(self, of_id: bytes) -> bool:
        return of_id not in self._forgotten and self._store.has(of_id)

    def _judge(self, of_id: bytes, record: Record) -> Verdict:
        if record.expires_ms <= self._now_ms:
            return Verdict.EXPIRED
        if of_id in self._ids:
            return Verdict.HAD
        if isinstance(record, Tombstone):
            return Verdict.HAD if self._has(of_id) else Verdict.KEPT
        if any(each.covers(record) for each in (*self._tombstones, *self._store.tombstones(of_id))):
            return Verdict.REMOVED
        if self._has(of_id):
            return Verdict.HAD
        return Verdict.SUPERSEDED if self._is_superseded(record) else Verdict.KEPT

    def _is_superseded(self, record: EnvelopeRecord) -> bool:
        if not record.version:
            return False
        place = (record.mailbox_id, record.slot)
        newest = self._newest.get(place) or self._store.newest(*place)
        return newest is not None and (newest.version, newest.envelope_id) > (record.version, record.envelope_id)

    def _put(self, of_id: bytes, record: Record, coordinated: bool) -> None:
        self.number += 1
        self._ids.add(of_id)
        if isinstance(record, Tombstone):
            self._tombstones.append(record)
            self.changes.append(PutTombstone(self.number, of_id, record, coordinated))
            return
        if record.version:
            self._newest[record.mailbox_id, record.slot] = Newest(record.version, of_id)
        self.changes.append(PutEnvelope(self.number, record, coordinated))
