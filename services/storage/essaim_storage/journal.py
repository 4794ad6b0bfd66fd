"""Group commit, and what beats what.

A batch is committed at once when none was begun for `commit_ms`; what is submitted meanwhile is the next batch. For a
commit costs its fsync and its turn of the writer's thread however small it is: a busy node pays that rarely, an idle
one does not wait. What happens to a record is decided when its batch is put together, against the committed data and
the batch so far:

- it is there already, or twice in the batch: HAD
- it expired (an envelope: by the newest expiry record that covers it, if there is one): EXPIRED
- a tombstone covers it: REMOVED
- the one of its place has a higher version (or the same and a higher id); or a slot mark a higher rank: SUPERSEDED
- its mailbox holds twice its quota: OVER; it is a blob, and the blobs' budget is used up: FULL
- it was signed under a slot record that no longer counted: DROPPED
- else it is KEPT, under the next arrival number

draft.py decides.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from essaim.protocol.mailbox.record import Record
from essaim_storage.draft import Draft, Verdict
from essaim_storage.effects import Change, Commit, Effect, SetTimer
from essaim_storage.record import record_id
from essaim_storage.store import Store
from essaim_storage.tuning import Tuning

__all__ = ["CommitTimer", "Journal", "Settled", "Verdict"]


@dataclass(frozen=True, slots=True)
class CommitTimer:
    """The next batch may begin."""


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
        self._blob_bytes = tuning.blob_bytes
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
        draft = Draft(self._store, self._number, now_ms, self._blob_bytes)
        self._under_way = tuple(_settle(draft, each) for each in taken)
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


def _settle(draft: Draft, submission: _Submission) -> Settled:
    """Into the batch, if it is to be kept."""
    record = submission.record
    if record is None:
        draft.change(submission.change)
        return Settled(submission.waiter, b"", None, Verdict.KEPT)
    of_id = record_id(record)
    verdict = draft.add(of_id, record, coordinated=submission.coordinated)
    number = (draft.kept, submission.coordinated) if verdict is Verdict.KEPT else (0, False)
    return Settled(submission.waiter, of_id, record, verdict, *number)
