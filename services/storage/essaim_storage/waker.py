"""Which member of a swarm wakes a device, and when.

Every member that has an envelope for a registered slot owes a wake. The members stand in line, in an order that follows
from the mailbox; links say who of them is alive. After some jitter the first tells the push host, and when the host has
it, the others (`Woken`). Each waits one turn for every live member before it; so the next one tells it when the first
died, or cannot reach the host.

Nothing of this is on disk but a number: what arrived later than that, is still there and belongs to a registered slot,
is owed after a start. So no death between an acknowledgement and a wake loses it, and a wake may come twice; the same
wake id makes that one at the host. What its device has confirmed meanwhile is owed no more.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox.record import EnvelopeRecord, RegistrationRecord
from essaim.protocol.mailbox.rule import CLOCK_SKEW_MS, SILENT_ENTRIES, is_device
from essaim.protocol.push.registration import Registration
from essaim.protocol.push.wake import MAX_WAKES, WakeBatch
from essaim_storage.duty import MOST_OWED, Duties, Duty, Place, name_of
from essaim_storage.effects import CancelTimer, Effect, Send, SetTimer, SetWoken, Wake
from essaim_storage.events import WakesTaken
from essaim_storage.journal import Journal, Settled, Verdict
from essaim_storage.message import Woken
from essaim_storage.registered import registration_of, wake_for
from essaim_storage.store import Store
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning

LOOKED_AT = 512
"""Duties that a tick looks at; the others wait for the next one, and nothing else of the node for them."""


@dataclass(frozen=True, slots=True)
class WakeTimer:
    """Another tick."""


@dataclass(frozen=True, slots=True)
class AnswerTimer:
    """A node of a push host owes an answer."""

    node_id: bytes
    batch: int


class Waker:
    """What this node owes push hosts. `random(n)` gives n bytes."""

    def __init__(
        self, swarm: Swarm, store: Store, journal: Journal, tuning: Tuning, random: Callable[[int], bytes]
    ) -> None:
        self._swarm = swarm
        self._store = store
        self._journal = journal
        self._tuning = tuning
        self._random = random
        self._duties = Duties()
        self._queue: list[tuple[int, int, Place]] = []
        self._queued = self._tick = 0
        self._ticking = False
        self._up: set[bytes] = set()
        self._flights: dict[tuple[bytes, int], list[tuple[Place, tuple[bytes, ...]]]] = {}
        self._batch = int.from_bytes(random(7))
        self._seen = self._written = store.woken()
        self._derived = False
        self._given_up = 0

    @property
    def owed(self) -> int:
        """Devices that are to be woken."""
        return len(self._duties)

    def forget_given_up(self) -> int:
        """Devices that no host woke in time, since this was asked last."""
        given_up, self._given_up = self._given_up, 0
        return given_up

    # ---- what is owed

    def arrived(self, settled: Iterable[Settled], now_ms: int) -> list[Effect]:
        """A batch was committed. In a group its last word stands for those before it, for it wakes hundreds."""
        in_groups: dict[bytes, tuple[EnvelopeRecord, int]] = {}
        for each in settled:
            self._seen = max(self._seen, each.number)
            if each.verdict is not Verdict.KEPT:
                continue
            match each.record:
                case EnvelopeRecord() as record if self._store.has_registered(record.mailbox_id):
                    if is_device(record.slot):
                        self._owe_recent((record.mailbox_id, record.slot), record, each.number, now_ms)
                    elif record.slot not in SILENT_ENTRIES and self._is_recent(record, now_ms):
                        in_groups[record.mailbox_id] = record, each.number
                case RegistrationRecord() as record if record.wakes(now_ms):
                    self._owe_before(record, now_ms)
        for record, number in in_groups.values():
            for place in self._whom(record.mailbox_id, record.slot):
                self._owe(place, record.envelope_id, number, now_ms)
        return self._arm()

    def _whom(self, mailbox_id: bytes, slot: bytes) -> list[Place]:
        """Who is woken for an envelope there: the device whose slot it is, in a group every place."""
        if is_device(slot):
            return [(mailbox_id, slot)]
        return [(mailbox_id, each) for each in dict.fromkeys(place for place, _ in self._store.registered(mailbox_id))]

    def _owe_recent(self, place: Place, record: EnvelopeRecord, number: int, now_ms: int) -> None:
        if self._is_recent(record, now_ms):
            self._owe(place, record.envelope_id, number, now_ms)

    def _is_recent(self, record: EnvelopeRecord, now_ms: int) -> bool:
        return not record.stored_ms or record.stored_ms > now_ms - self._tuning.wake_recent_ms

    def _owe_before(self, registration: RegistrationRecord, now_ms: int) -> None:
        """A registration that came late: what was stored under it is here already."""
        from_ms = registration.authorization.time_ms - 2 * CLOCK_SKEW_MS
        place = registration.mailbox_id, registration.slot
        slot = place[1] if is_device(place[1]) else b""
        for entry in self._store.latest_entries(place[0], slot, MOST_OWED):
            record = self._store.record(entry.envelope_id)
            if not isinstance(record, EnvelopeRecord) or record.slot in SILENT_ENTRIES:
                continue
            if from_ms < record.stored_ms:
                self._owe_recent(place, record, entry.number, now_ms)
        duty = self._duties.get(place)
        if duty is not None and not duty.due and not duty.told:  # it waits for a host, which may be another one now
            self._schedule(place, duty, self._jitter(place, now_ms))

    def view_changed(self, now_ms: int) -> list[Effect]:
        """With the first view: what was owed before this start."""
        if self._derived or not self._swarm.serial:
            return []
        self._derived = True
        for number, mailbox_id, slot, envelope_id in self._store.registered_after(self._store.woken()):
            for place in self._whom(mailbox_id, slot):
                self._owe(place, envelope_id, number, now_ms, self._tuning.wake_start_ms)
        self._seen = max(self._seen, self._store.last_number())
        return self._arm()

    def _owe(self, place: Place, envelope_id: bytes, number: int, now_ms: int, after_ms: int = 0) -> None:
        duty = self._duties.get(place)
        if duty is None:
            duty = self._duties.begin(place)
            self._schedule(place, duty, after_ms + self._jitter(place, now_ms))
        self._duties.owe(place, envelope_id, number)

    def woken(self, message: Woken) -> None:
        """Another member told a host."""
        for name in message.names:
            place = self._duties.place_of(name)
            duty = self._duties.get(place) if place is not None else None
            if place is None or duty is None:
                continue
            self._duties.forget(place, duty, next(each for each in duty.owed if name_of(place, each) == name))
            if not duty.owed and not duty.told:
                self._duties.end(place)

    def tidy(self) -> None:
        """From time to time: give up what is too old, and note on disk up to where nothing is owed."""
        for place, duty in tuple(self._duties.items()):
            duty.age += 1  # no clock: those jump
            if duty.age * self._tuning.purge_every_ms > self._tuning.wake_life_ms:
                self._given_up += 1
                self._duties.end(place)
        numbers = (number for _, duty in self._duties.items() for number in duty.owed.values())
        lowest = min(numbers, default=self._seen + 1)
        if self._derived and lowest - 1 > self._written:
            self._written = lowest - 1
            self._journal.change(SetWoken(self._written))

    # ---- when

    def _jitter(self, place: Place, now_ms: int) -> int:
        registration = registration_of(self._store, place, now_ms) if is_device(place[1]) else None
        prompt = registration is not None and registration.prompt  # of a group hundreds, who are not told at one moment
        most = self._tuning.wake_prompt_ms if prompt else self._tuning.wake_jitter_ms
        return int.from_bytes(self._random(4)) % (most + 1)

    def _schedule(self, place: Place, duty: Duty, after_ms: int) -> None:
        duty.due = self._tick + 1 + after_ms // self._tuning.wake_tick_ms
        self._queued += 1
        heapq.heappush(self._queue, (duty.due, self._queued, place))

    def _arm(self) -> list[Effect]:
        if self._ticking or not self._queue:
            return []
        self._ticking = True
        return [SetTimer(WakeTimer(), self._tuning.wake_tick_ms)]

    def tick(self, now_ms: int) -> list[Effect]:
        """The wake timer fired."""
        self._ticking = False
        self._tick += 1
        ready: dict[bytes, list[tuple[Place, Registration]]] = {}
        for _ in range(LOOKED_AT):
            if not self._queue or self._queue[0][0] > self._tick:
                break
            due, _, place = heapq.heappop(self._queue)
            duty = self._duties.get(place)
            if duty is not None and duty.due == due and not duty.told:
                self._look_at(place, duty, now_ms, ready)
        sent = [effect for node_id, wakes in ready.items() for effect in self._tell(node_id, wakes)]
        return [*sent, *self._arm()]

    def _look_at(
        self, place: Place, duty: Duty, now_ms: int, ready: dict[bytes, list[tuple[Place, Registration]]]
    ) -> None:
        """Into `ready` under the node that is told, if this is the time and this member the one."""
        for envelope_id in tuple(duty.owed):
            if not self._store.has(envelope_id):
                self._duties.forget(place, duty, envelope_id)
        registration = registration_of(self._store, place, now_ms) if duty.owed else None
        if registration is None:
            self._duties.end(place)
        elif self._before(place[0]) > duty.turn:
            duty.turn += 1
            self._schedule(place, duty, self._tuning.wake_turn_ms)
        else:
            node_ids = [each for each in registration.node_ids if each in self._up]
            duty.due = 0
            if node_ids:
                ready.setdefault(node_ids[duty.attempts % len(node_ids)], []).append((place, registration))

    def _before(self, mailbox_id: bytes) -> int:
        """How many live members are before this one in line."""
        where, own_id = self._swarm.range_of(mailbox_id), self._swarm.own_id
        if where is None or own_id not in where.members:
            return 0
        live = [each for each in where.members if each == own_id or self._swarm.reaches(each)]
        return sorted(live, key=lambda each: (each not in where.now, blake2b256(mailbox_id, each))).index(own_id)

    # ---- hosts

    def _tell(self, node_id: bytes, wakes: list[tuple[Place, Registration]]) -> list[Effect]:
        effects: list[Effect] = []
        for at in range(0, len(wakes), MAX_WAKES):
            part = wakes[at : at + MAX_WAKES]
            self._batch += 1
            for place, _ in part:
                self._duties[place].told = True
            made = tuple(
                wake_for(self._store, place, self._duties[place].owed, registration, self._random)
                for place, registration in part
            )
            self._flights[node_id, self._batch] = [(place, tuple(self._duties[place].owed)) for place, _ in part]
            effects.append(Wake(node_id, WakeBatch(self._batch, made)))
            effects.append(SetTimer(AnswerTimer(node_id, self._batch), self._tuning.wake_answer_ms))
        return effects

    def host_up(self, node_id: bytes) -> list[Effect]:
        self._up.add(node_id)
        for place, duty in self._duties.items():
            if not duty.due and not duty.told:
                duty.turn = 0
                self._schedule(place, duty, 0)
        return self._arm()

    def host_down(self, node_id: bytes) -> list[Effect]:
        self._up.discard(node_id)
        lost = [key for key in self._flights if key[0] == node_id]
        effects = [effect for key in lost for effect in self._again(key, 0)]
        return [*effects, *self._arm()]

    def answer_missing(self, node_id: bytes, batch: int) -> list[Effect]:
        """The answer timer fired."""
        for place, _ in self._flights.get((node_id, batch), ()):
            duty = self._duties.get(place)
            if duty is not None:
                duty.attempts += 1
        return [*self._again((node_id, batch)), *self._arm()]

    def _again(self, key: tuple[bytes, int], after_ms: int | None = None) -> list[Effect]:
        """A batch that nothing is known of; `after_ms` None: later and later."""
        for place, _ in self._flights.pop(key, ()):
            self._retry(place, after_ms)
        return [CancelTimer(AnswerTimer(*key))]

    def _retry(self, place: Place, after_ms: int | None) -> None:
        duty = self._duties.get(place)
        if duty is None:
            return
        duty.told = False
        if not duty.owed:
            self._duties.end(place)
            return
        later = min(self._tuning.wake_answer_ms << min(duty.attempts, 8), self._tuning.wake_retry_most_ms)
        self._schedule(place, duty, later if after_ms is None else after_ms)

    def taken(self, event: WakesTaken, now_ms: int) -> list[Effect]:
        """A host has a batch, or all but some of it."""
        key = (event.node_id, event.batch)
        if key not in self._flights:
            return []
        names: dict[bytes, list[bytes]] = {}
        for index, (place, envelope_ids) in enumerate(self._flights.pop(key)):
            if index in event.again:
                self._retry(place, min(event.after_ms, self._tuning.wake_retry_most_ms))
                continue
            self._done(place, envelope_ids, now_ms)
            where = self._swarm.range_of(place[0])
            for member in (where.members if where is not None else frozenset()) - {self._swarm.own_id}:
                names.setdefault(member, []).extend(name_of(place, each) for each in envelope_ids)
        told = [Send(member, Woken(tuple(each))) for member, each in sorted(names.items())]
        return [CancelTimer(AnswerTimer(*key)), *told, *self._arm()]

    def _done(self, place: Place, envelope_ids: Iterable[bytes], now_ms: int) -> None:
        duty = self._duties.get(place)
        if duty is None:
            return
        duty.told, duty.turn, duty.attempts, duty.age = False, 0, 0, 0
        for envelope_id in envelope_ids:
            self._duties.forget(place, duty, envelope_id)
        if duty.owed:  # arrived meanwhile
            self._schedule(place, duty, self._jitter(place, now_ms))
        else:
            self._duties.end(place)
