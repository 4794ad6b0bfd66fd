"""One reconciliation: everything that one member has and this node has not, is fetched from it.

Only the node that asks keeps state. A range whose fingerprints differ is answered with its ids if they are few, else
it is split in sixteen and asked again; of the ids, those missing here are fetched, checked like any record, and
committed.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from essaim.protocol.mailbox.record import EnvelopeRecord, Record
from essaim_storage.effects import Effect, Send
from essaim_storage.load import message_loads
from essaim_storage.message import Digest, Fetch, Message, Records
from essaim_storage.record import record_id
from essaim_storage.store import Store
from essaim_storage.tuning import Tuning

ID_SIZE = 32
FIRST_ID = bytes(ID_SIZE)
LAST_ID = b"\xff" * ID_SIZE
BRANCHES = 16

Range = tuple[bytes, bytes]


def split(whole: Range) -> list[Range]:
    """Sixteen ranges, or as many as there are ids, that are together the whole."""
    first, last = (int.from_bytes(end) for end in whole)
    step = max(1, (last - first + 1) // BRANCHES)
    starts = [first + step * branch for branch in range(BRANCHES) if first + step * branch <= last]
    ends = [start - 1 for start in starts[1:]] + [last]
    return [(start.to_bytes(ID_SIZE), end.to_bytes(ID_SIZE)) for start, end in zip(starts, ends, strict=True)]


def answer_digest(question: Digest, store: Store, most_ids: int) -> Digest:
    """What this node has in the range; with the ids if it differs and they are few."""
    here = store.fingerprint(question.from_id, question.to_id)
    ids: tuple[bytes, ...] = ()
    if (here.count, here.digest) != (question.count, question.fingerprint) and here.count <= most_ids:
        ids = tuple(store.record_ids(question.from_id, question.to_id, most_ids))
    return Digest(question.round, question.from_id, question.to_id, here.count, here.digest, ids)


def answer_fetch(fetch: Fetch, store: Store, tuning: Tuning, now_ms: int) -> Records:
    """The first of the wanted that are here, live, and fit a message."""
    found = (store.record(each) for each in fetch.record_ids[: tuning.fetch_ids])
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
    """With one member, from this side."""

    member: bytes
    number: int
    store: Store
    tuning: Tuning
    unwanted: set[bytes]
    ranges: deque[Range] = field(default_factory=lambda: deque([(FIRST_ID, LAST_ID)]))
    asked: set[Range] = field(default_factory=set)
    wanted: deque[bytes] = field(default_factory=deque)
    fetching: tuple[bytes, ...] = ()
    fetches: int = 0
    uncommitted: int = 0

    @property
    def over(self) -> bool:
        """Nothing left to ask, fetch or commit."""
        return not (self.ranges or self.asked or self.wanted or self.fetching or self.uncommitted)

    def go_on(self) -> list[Effect]:
        """Ask as much as may be under way."""
        effects: list[Effect] = []
        while self.ranges and len(self.asked) < self.tuning.digests:
            effects.append(self._send(self._question(self.ranges.pop())))
        if not self.fetching:
            missing = [self.wanted.popleft() for _ in range(min(len(self.wanted), self.tuning.fetch_ids))]
            self.fetching = tuple(each for each in missing if not self.store.has(each))
            if self.fetching:
                self.fetches += 1
                effects.append(self._send(Fetch(self.number + self.fetches, self.fetching)))
        return effects

    def digest(self, there: Digest) -> None:
        """The member's answer about a range."""
        whole = (there.from_id, there.to_id)
        if there.round != self.number or whole not in self.asked:
            return
        self.asked.discard(whole)
        here = self.store.fingerprint(*whole)
        if (here.count, here.digest) == (there.count, there.fingerprint):
            return
        if len(there.ids) == there.count:
            self._want(there.ids)
        elif there.from_id != there.to_id:
            self.ranges.extend(split(whole))

    def records(self, answer: Records) -> list[Record]:
        """The member's answer to a Fetch: those of its records that were wanted."""
        if not self.fetching or answer.number != self.number + self.fetches:
            return []
        wanted = set(self.fetching)
        got = {record_id(each): each for each in answer.records}
        useful = [record for of_id, record in got.items() if of_id in wanted]
        left = [each for each in self.fetching if each not in got] if useful else []
        self.wanted.extendleft(reversed(left))
        self.fetching = ()
        return useful

    def _want(self, ids: Iterable[bytes]) -> None:
        new = (each for each in ids if len(each) == ID_SIZE and each not in self.unwanted)
        self.wanted.extend(each for each in new if not self.store.has(each))

    def _question(self, whole: Range) -> Digest:
        self.asked.add(whole)
        here = self.store.fingerprint(*whole)
        return Digest(self.number, *whole, here.count, here.digest, reply_wanted=True)

    def _send(self, message: Message) -> Effect:
        return Send(self.member, message)
