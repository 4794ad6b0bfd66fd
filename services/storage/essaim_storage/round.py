"""One reconciliation: everything that one member has and this node has not, is fetched from it.

Only the node that asks keeps state. A part of the ring is answered by the names of its records if they are few, else by
the fingerprints of its sixteen parts, and those that differ are asked for again; of the names, those missing here are
fetched, checked like any record, and committed. What is said is in proportion to the difference (tally.py).

An envelope that its owner put off may come before the expiry record that says so, and has expired here as long as that
is missing. Nobody sends what has expired where he is, so such envelopes are fetched again when all else is here.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from essaim.protocol.mailbox.record import EnvelopeRecord, Record
from essaim_storage.arc import Arcs
from essaim_storage.effects import Effect, Send
from essaim_storage.load import message_loads
from essaim_storage.message import Digest, Fetch, Message, Question, Records
from essaim_storage.record import record_id
from essaim_storage.store import Store
from essaim_storage.tally import NAME_SIZE, Part
from essaim_storage.tuning import Tuning


def name_of(record: Record) -> bytes:
    """What a record is called between members."""
    return record_id(record)[:NAME_SIZE]


def answer_question(question: Question, store: Store, most_names: int) -> Digest:
    """What this node has of the part."""
    found = tuple(store.fingerprints(question.part.split()))
    if sum(each.count for each in found) > most_names:
        return Digest(question.number, None, found)
    ids = store.record_ids(question.part, most_names)
    return Digest(question.number, tuple(each[:NAME_SIZE] for each in ids))


def answer_fetch(fetch: Fetch, store: Store, tuning: Tuning, now_ms: int) -> Records:
    """The first of the wanted that are here, live, and fit a message."""
    found = (store.named(each) for each in fetch.names[: tuning.fetch_ids])
    return Records(
        fetch.number,
        next(message_loads((each for each in found if each is not None and lives(each, store, now_ms)), tuning), ()),
    )


def lives(record: Record, store: Store, now_ms: int) -> bool:
    """An envelope may have been put off, or cut short, by an expiry record."""
    if not isinstance(record, EnvelopeRecord):
        return record.expires_ms > now_ms
    entry = store.entry(record.mailbox_id, record.envelope_id)
    return entry is not None and entry.until_ms > now_ms


@dataclass
class Round:
    """With one member, from this side. `scope`: what is compared; `adopted`: what the member had when it began."""

    member: bytes
    number: int
    scope: Arcs
    adopted: int
    store: Store
    tuning: Tuning
    unwanted: set[bytes]
    whole: bool = True
    """All that the two share, not some mailbox alone."""
    parts: deque[Part] = field(default_factory=deque)
    asked: dict[int, Part] = field(default_factory=dict)
    wanted: deque[bytes] = field(default_factory=deque)
    fetching: tuple[bytes, ...] = ()
    last: int = 0
    """Number of what was asked last."""
    fetch: int = 0
    uncommitted: int = 0
    kept_back: bool = False
    """Something was refused here that may be good: by this node's clock it is too early for it."""
    late: deque[bytes] = field(default_factory=deque)
    """Names of envelopes that had expired here when they came, though they live there."""
    last_look: bool = False
    """They are being fetched the second time."""

    def __post_init__(self) -> None:
        self.last = self.number
        self.parts.extend(Part.whole(arc) for arc in self.scope.parts)

    @property
    def over(self) -> bool:
        """Nothing left to ask, fetch or commit."""
        return not self.late and self._is_idle

    @property
    def _is_idle(self) -> bool:
        return not (self.parts or self.asked or self.wanted or self.fetching or self.uncommitted)

    def go_on(self) -> list[Effect]:
        """Ask as much as may be under way."""
        effects: list[Effect] = []
        while self.parts and len(self.asked) < self.tuning.digests:
            part = self.parts.pop()
            self.asked[self._next()] = part
            effects.append(self._send(Question(self.last, part)))
        if self.late and self._is_idle:
            self.last_look, self.wanted, self.late = True, self.late, deque()
        while self.wanted and not self.fetching:
            missing = [self.wanted.popleft() for _ in range(min(len(self.wanted), self.tuning.fetch_ids))]
            self.fetching = tuple(each for each in missing if not self.store.has_named(each))
            if self.fetching:
                self.fetch = self._next()
                effects.append(self._send(Fetch(self.fetch, self.fetching)))
        return effects

    def digest(self, there: Digest) -> None:
        """The member's answer about a part."""
        part = self.asked.get(there.number)
        parts = part.split() if part is not None else ()
        if part is None or (there.names is None and len(there.fingerprints) != len(parts)):
            return
        del self.asked[there.number]
        if there.names is not None:
            self._want(part, there.names)
            return
        for smaller, their, own in zip(parts, there.fingerprints, self.store.fingerprints(parts), strict=True):
            if their.count and their != own and not part.is_one:
                self.parts.append(smaller)

    def records(self, answer: Records) -> list[Record]:
        """The member's answer to a Fetch: those of its records that were wanted."""
        if not self.fetching or answer.number != self.fetch:
            return []
        wanted = set(self.fetching)
        got = {name_of(each): each for each in answer.records}
        useful = [record for name, record in got.items() if name in wanted]
        left = [each for each in self.fetching if each not in got] if useful else []
        self.wanted.extendleft(reversed(left))
        self.fetching = ()
        return useful

    def expired(self, record: Record) -> None:
        """It came, and had expired by what was here."""
        if isinstance(record, EnvelopeRecord) and not self.last_look:
            self.late.append(name_of(record))

    def _want(self, part: Part, names: Iterable[bytes]) -> None:
        new = [each for each in names if each not in self.unwanted]
        if new:
            here = {each[:NAME_SIZE] for each in self.store.record_ids(part, self.tuning.listed_ids)}
            self.wanted.extend(each for each in new if each not in here)

    def _next(self) -> int:
        self.last += 1
        return self.last

    def _send(self, message: Message) -> Effect:
        return Send(self.member, message)
