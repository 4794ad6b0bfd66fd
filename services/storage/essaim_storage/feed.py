"""One member's feed: what it has not acknowledged of the records that this node coordinates.

There is no queue of hints on disk. The log is the queue: every coordinated record has an arrival number, and
`position` says up to which one the member has them all. So a hint costs no write, survives a crash with its record,
and goes when that does.

- *current*: new records are sent at once, a window of Writes at a time; what is committed here, not
  acknowledged there, is `open`, and the position is just below the oldest of that.
- *behind* (after a start, a broken link, a missing Ack, a refusal for want of room): the log is read from the
  position on and sent late, a message at a time, until it is through. New records are sent at once all
  the same, for the client's sake.
"""

from collections import deque
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from essaim.protocol.mailbox.record import Record
from essaim_storage.effects import CancelTimer, Effect, Send, SetPosition, SetTimer
from essaim_storage.journal import Journal, Settled, Verdict
from essaim_storage.load import message_loads
from essaim_storage.message import Ack, Write
from essaim_storage.receipts import Heard, receipts_of
from essaim_storage.record import record_id
from essaim_storage.refusal import DiskFullError, StaleViewError, WrongSwarmError
from essaim_storage.store import Store
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning

PASSING = frozenset((DiskFullError.reason, WrongSwarmError.reason, StaleViewError.reason))
"""Reasons that may be gone later: the record is sent again. Any other is final for this member."""


@dataclass(frozen=True, slots=True)
class AckTimer:
    """The member owes an Ack."""

    member: bytes


@dataclass(frozen=True, slots=True)
class RetryTimer:
    """What the member misses is to be sent again."""

    member: bytes


@dataclass(frozen=True, slots=True)
class _Flight:
    record_ids: tuple[bytes, ...]
    late_up_to: int
    """The number that the position takes with its Ack; 0 for new records."""


class Feed:
    """See above. Effects are returned; positions go through the journal."""

    def __init__(
        self, member: bytes, swarm: Swarm, store: Store, journal: Journal, tuning: Tuning, batch: int, position: int
    ) -> None:
        self._member = member
        self._swarm = swarm
        self._store = store
        self._journal = journal
        self._tuning = tuning
        self._batch = batch
        self._written = store.position(member)
        self._position = max(self._written, position)
        self._top = self._position
        self._behind = True
        self._scanning = False
        self._paused = False
        self._pause_ms = tuning.retry_ms
        self._queue: deque[Record] = deque()
        self._flights: dict[int, _Flight] = {}
        self._sent: set[bytes] = set()
        self._unsettled: set[bytes] = set()
        self._early: set[bytes] = set()
        self._open: dict[bytes, int] = {}
        self.receipted: Set[bytes] = frozenset()
        """Records that a client wants receipts for."""

    @property
    def behind(self) -> bool:
        """Whether the member may miss something that was coordinated here."""
        return self._behind or bool(self._open)

    @property
    def position(self) -> int:
        """The member has all that was coordinated here up to this arrival number."""
        return self._position

    def offer(self, records: Sequence[Record]) -> list[Effect]:
        """New records from a client, on their way to the disk here too."""
        if not self._swarm.reaches(self._member) or len(self._queue) >= self._tuning.queue_records:
            return []
        self._queue.extend(records)
        ids = [record_id(each) for each in records]
        self._sent.update(ids)
        self._unsettled.update(ids)
        return self._pump()

    def offer_again(self, records: Sequence[Record]) -> list[Effect]:
        """Records that are on the disk here already; no hint leads to them, so their Ack alone matters."""
        new = [each for each in records if record_id(each) not in self._sent]
        if not new or not self._swarm.reaches(self._member) or len(self._queue) >= self._tuning.queue_records:
            return []
        self._queue.extend(new)
        self._sent.update(record_id(each) for each in new)
        return self._pump()

    def settled(self, settled: Settled) -> list[Effect]:
        """A record that was offered is committed here, or will not be."""
        of_id, early = settled.record_id, settled.record_id in self._early
        self._early.discard(of_id)
        self._unsettled.discard(of_id)
        if self._behind or settled.verdict is not Verdict.KEPT:
            return []
        if not early and of_id not in self._sent:
            self._fall_behind()
            return self._pump()
        self._top = settled.number
        if not early:
            self._open[of_id] = settled.number
        self._advance()
        return []

    def passed(self, number: int) -> None:
        """Something was coordinated here that this member does not keep."""
        if not self._behind:
            self._top = number
            self._advance()

    def acked(self, ack: Ack) -> tuple[list[Heard], list[Effect]]:
        """The member answered a Write: what it says of each of its records, and what follows."""
        flight = self._flights.pop(ack.batch, None)
        if flight is None:
            return [], []
        reasons = {each.index: each.reason for each in ack.refused}
        passing = not PASSING.isdisjoint(reasons.values())
        self._land(flight, taken=not passing)
        effects = self._pause() if passing else self._pump()
        receipts = receipts_of(self._member, flight.record_ids, ack)
        heard = [
            Heard(of_id, reasons.get(index, ""), receipts.get(of_id)) for index, of_id in enumerate(flight.record_ids)
        ]
        return heard, [*effects, self._ack_timer()]

    def link_up(self) -> list[Effect]:
        """Send what it misses, now."""
        self._paused = False
        return [*self._lose_flights(), *self._pump()]

    def link_down(self) -> list[Effect]:
        """Nothing under way will be acknowledged."""
        self._pause_ms = self._tuning.retry_ms
        return [*self._lose_flights(), CancelTimer(RetryTimer(self._member))]

    def view_changed(self) -> list[Effect]:
        """What was refused under the view before may be taken now."""
        self._pause_ms = self._tuning.retry_ms
        return self.retry() if self._paused else []

    def ack_missing(self) -> list[Effect]:
        """The Ack timer fired."""
        return [*self._lose_flights(), *self._pause()]

    def retry(self) -> list[Effect]:
        """The retry timer fired."""
        self._paused = False
        return self._pump()

    def _land(self, flight: _Flight, *, taken: bool) -> None:
        if flight.late_up_to:
            self._scanning = False
            if taken:
                self._pause_ms = self._tuning.retry_ms
                self._position = max(self._position, flight.late_up_to)
        else:
            self._forget_sent(flight.record_ids, taken=taken)
        self._advance()
        if not taken:
            self._fall_behind()

    def _forget_sent(self, record_ids: Iterable[bytes], *, taken: bool) -> None:
        for of_id in record_ids:
            self._sent.discard(of_id)
            if not taken or self._behind:
                continue
            if self._open.pop(of_id, None) is None and of_id in self._unsettled:
                self._early.add(of_id)

    def _lose_flights(self) -> list[Effect]:
        self._fall_behind()
        self._flights.clear()
        self._queue.clear()
        self._sent.clear()
        self._scanning = False
        return [CancelTimer(AckTimer(self._member))]

    def _fall_behind(self) -> None:
        self._advance()
        self._behind = True
        self._open.clear()
        self._early.clear()

    def _advance(self) -> None:
        """Move the position as far as is acknowledged, and have it written some time."""
        if not self._behind:
            self._position = next(iter(self._open.values())) - 1 if self._open else self._top
        if self._position == self._written:
            return
        change = SetPosition(self._member, self._position)
        self._journal.note(self._member, change)
        if self._position - self._written >= self._tuning.positions_every:
            self._written = self._position
            self._journal.change(change)

    def _pump(self) -> list[Effect]:
        """Send what the window allows: new records first, then what is late."""
        if not self._swarm.reaches(self._member):
            return []
        effects: list[Effect] = []
        while self._queue and len(self._flights) < self._tuning.window:
            load = next(message_loads(self._queue, self._tuning))
            for _ in load:
                self._queue.popleft()
            effects.append(self._send(load, 0))
        if self._behind and not self._scanning and not self._paused:
            effects.extend(self._scan())
        return [*effects, self._ack_timer()] if effects else []

    def _scan(self) -> list[Effect]:
        """The next of the log that the member keeps with this node, now or next."""
        while missed := self._store.coordinated_after(self._position, self._tuning.late_records):
            owned = [(number, record) for number, record in missed if self._is_kept(record)]
            if owned:
                load = next(message_loads((record for _, record in owned), self._tuning))
                self._scanning = True
                return [self._send(load, owned[len(load) - 1][0])]
            self._position = missed[-1][0]
        self._behind = False
        self._top = self._position
        return []

    def _is_kept(self, record: Record) -> bool:
        where = self._swarm.range_of(record.mailbox_id)
        return where is not None and self._member in where.members

    def _send(self, records: tuple[Record, ...], late_up_to: int) -> Send:
        self._batch += 1
        record_ids = tuple(record_id(each) for each in records)
        self._flights[self._batch] = _Flight(record_ids, late_up_to)
        wanted = not self.receipted.isdisjoint(record_ids)
        return Send(self._member, Write(self._batch, records, late=bool(late_up_to), receipt=wanted))

    def _ack_timer(self) -> Effect:
        timer = AckTimer(self._member)
        return SetTimer(timer, self._tuning.ack_ms) if self._flights else CancelTimer(timer)

    def _pause(self) -> list[Effect]:
        """Wait before what is late is sent again, longer each time that it is in vain."""
        self._paused = True
        pause, self._pause_ms = self._pause_ms, min(self._pause_ms * 2, self._tuning.retry_most_ms)
        return [SetTimer(RetryTimer(self._member), pause)]
