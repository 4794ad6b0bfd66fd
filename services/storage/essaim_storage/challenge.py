"""Storage tests of other members of the swarm: the tester's machine. docs/protocol/node-tests.md.

A member is asked for proofs of records that this node has itself. What it cannot show is asked for once more after a
while, so that what was merely on its way (or removed on its way to this node) is no failure. Silence is told apart from
failure: whether a node can be reached is tested elsewhere. But who is silent about a challenge alone has shown nothing.
A member answers in the order in which it hears: so the answer to a later question, without a new link in between, says
that the challenge was passed over.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from essaim.protocol.mailbox.record import EnvelopeRecord, Record
from essaim_storage.effects import CancelTimer, Effect, Examined, HoldingOutcome, Reply, Send, SetTimer
from essaim_storage.events import ExamineAsked
from essaim_storage.holding import answer_challenge, drawn, proof_of
from essaim_storage.message import CHALLENGE_IDS, Challenge, Fetch, Hello, Proofs
from essaim_storage.quota import is_over
from essaim_storage.store import Store
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning


@dataclass(frozen=True, slots=True)
class ExamineTimer:
    """A tested member has not answered, or it is time to ask it again."""

    member: bytes


@dataclass
class Examination:
    """One test under way. `waits`: a challenge that has no answer yet."""

    request: int
    member: bytes
    nonce: bytes
    left: Iterator[bytes]
    number: int
    """Of the last challenge: an answer to an earlier test fits none of this one."""
    waits: Challenge | None = None
    shown: int = 0
    missing: list[bytes] = field(default_factory=list)
    again: bool = False
    """The second look."""
    looked: bool = False
    """The challenge that waits had no answer in time: the member was asked for something else."""
    greeted: bool = False
    """The member made a new link since: the answer may have been lost with the old one."""


class Challenger:
    """At most one test of each member at a time."""

    def __init__(
        self,
        swarm: Swarm,
        store: Store,
        tuning: Tuning,
        incomplete: Callable[[], bool],
    ) -> None:
        """`incomplete()`: whether this node misses something itself, and can judge nobody."""
        self._swarm = swarm
        self._store = store
        self._tuning = tuning
        self._incomplete = incomplete
        self._under_way: dict[bytes, Examination] = {}
        self._says_incomplete: set[bytes] = set()
        self._excused_ms: dict[bytes, int] = {}
        """Since when a member has been found incomplete at its tests, and passed none."""

    # ---- tested

    def challenged(self, member: bytes, challenge: Challenge) -> list[Effect]:
        """Another member tests this node."""
        return [Send(member, answer_challenge(challenge, member, self._swarm.own_id, self._store))]

    # ---- testing

    def ask(self, event: ExamineAsked, now_ms: int) -> list[Effect]:
        """Begin; answered by `Examined` in the end."""
        member = event.member
        if member in self._under_way or not self._may_test(member, now_ms):
            return [Reply(event.request, Examined(self._unasked(member)))]
        ids = drawn(event.draw_seed, event.nonce, member, self._store, self._tuning.test_records)
        current = Examination(
            event.request,
            member,
            event.nonce,
            self._testable(ids, member, now_ms),
            number=int.from_bytes(event.nonce[:4]) << 20,
        )
        self._under_way[member] = current
        return self._go_on(current)

    def proofs(self, member: bytes, proofs: Proofs, now_ms: int) -> list[Effect]:
        """The member's answer."""
        current = self._under_way.get(member)
        if current is None or current.waits is None or current.waits.number != proofs.number:
            return []
        challenge, current.waits = current.waits, None
        said = dict(zip(challenge.envelope_ids, proofs.proofs, strict=False))
        for each in challenge.envelope_ids:
            own = self._own(each, member, now_ms)
            if own is not None:
                right = said.get(each) == proof_of(challenge, self._swarm.own_id, member, own)
                current.shown += right
                current.missing += [] if right else [each]
        return self._go_on(current)

    def time_is_up(self, member: bytes, now_ms: int) -> list[Effect]:
        """The test timer fired: silence, or time for the second look."""
        current = self._under_way.get(member)
        if current is None:
            return []
        if current.waits is not None:
            return self._look(current) if not current.looked else self._end(current, HoldingOutcome.SILENT)
        if not self._may_test(member, now_ms):
            return self._end(current, HoldingOutcome.UNTESTED)
        current.again = True
        current.left = iter([each for each in current.missing if self._own(each, member, now_ms) is not None])
        current.missing = []
        return self._go_on(current)

    def _look(self, current: Examination) -> list[Effect]:
        """Whether it answers at all: a Fetch of nothing always is."""
        current.looked = True
        timer = SetTimer(ExamineTimer(current.member), self._tuning.test_silent_ms)
        return [Send(current.member, Fetch(current.number, ())), timer]

    def fetched(self, member: bytes, number: int, now_ms: int) -> list[Effect]:
        """The member answered a Fetch. If that was asked behind a challenge, it has passed over the challenge."""
        current = self._under_way.get(member)
        if current is None or current.waits is None or not current.looked or current.greeted:
            return []
        if current.number != number:
            return []
        ids, current.waits = current.waits.envelope_ids, None
        current.missing += [each for each in ids if self._own(each, member, now_ms) is not None]
        current.left = iter(())
        return self._go_on(current)

    def _go_on(self, current: Examination) -> list[Effect]:
        member = current.member
        ids = tuple(islice(current.left, CHALLENGE_IDS))
        if ids:
            current.number += 1
            current.waits = Challenge(current.number, current.nonce, ids)
            current.looked = current.greeted = False
            return [Send(member, current.waits), SetTimer(ExamineTimer(member), self._tuning.test_answer_ms)]
        if self._incomplete():
            return self._end(current, HoldingOutcome.UNTESTED)
        if current.missing and not current.again:
            return [SetTimer(ExamineTimer(member), self._tuning.test_again_ms)]
        if current.missing:
            return self._end(current, HoldingOutcome.MISSING)
        return self._end(current, HoldingOutcome.HELD if current.shown else HoldingOutcome.UNTESTED)

    def _end(self, current: Examination, outcome: HoldingOutcome) -> list[Effect]:
        del self._under_way[current.member]
        if outcome is HoldingOutcome.HELD:
            self._excused_ms.pop(current.member, None)
        return [CancelTimer(ExamineTimer(current.member)), Reply(current.request, Examined(outcome))]

    # ---- who and what is tested

    def _unasked(self, member: bytes) -> HoldingOutcome:
        """A member to which no link leads cannot be asked, which is no better than no answer."""
        apart = member in self._swarm.members and not self._swarm.reaches(member) and not self._incomplete()
        return HoldingOutcome.SILENT if apart else HoldingOutcome.UNTESTED

    def _may_test(self, member: bytes, now_ms: int) -> bool:
        return self._swarm.reaches(member) and not self._incomplete() and not self._is_excused(member, now_ms)

    def _is_excused(self, member: bytes, now_ms: int) -> bool:
        """It said that it still fetches what it missed. For some hours that is believed."""
        if member not in self._says_incomplete:
            return False
        return now_ms - self._excused_ms.setdefault(member, now_ms) < self._tuning.test_excuse_ms

    def _testable(self, ids: Iterator[bytes], member: bytes, now_ms: int) -> Iterator[bytes]:
        """Each once, up to the number of a test; read as they are asked for."""
        envelopes, notices = set[bytes](), set[bytes]()
        for each in ids:
            if len(envelopes) == self._tuning.test_records:
                return
            record = self._own(each, member, now_ms) if each not in envelopes | notices else None
            if isinstance(record, EnvelopeRecord):
                envelopes.add(each)
                yield each
            elif record is not None and len(notices) < self._tuning.test_notices:
                notices.add(each)
                yield each

    def _own(self, of_id: bytes, member: bytes, now_ms: int) -> Record | None:
        """The record, if this node has it and the member has had time to, and has no reason to let it go.

        What is superseded there first (a slot mark, a registration, an entry) is superseded here by the second look.
        """
        record = self._store.record(of_id)
        if record is None or _stored_ms(record) + self._tuning.test_age_ms > now_ms or is_over(self._store, record):
            return None
        where = self._swarm.range_of(record.mailbox_id)
        if where is None or where.moves or not {member, self._swarm.own_id} <= where.now:
            return None
        return record if self._until_ms(of_id, record) >= now_ms + self._tuning.test_life_ms else None

    def _until_ms(self, of_id: bytes, record: Record) -> int:
        """When it goes; 0: it is gone."""
        if not isinstance(record, EnvelopeRecord):
            return record.expires_ms
        entry = self._store.entry(record.mailbox_id, of_id)
        return entry.until_ms if entry is not None else 0

    # ---- what happens meanwhile

    def hello(self, member: bytes, hello: Hello) -> None:
        if member in self._under_way:
            self._under_way[member].greeted = True
        (self._says_incomplete.add if hello.incomplete else self._says_incomplete.discard)(member)

    def link_down(self, member: bytes) -> list[Effect]:
        current = self._under_way.get(member)
        return self._end(current, HoldingOutcome.SILENT) if current is not None else []

    def view_changed(self) -> list[Effect]:
        """Who is no member any more is not tested."""
        gone = [each for member, each in self._under_way.items() if member not in self._swarm.members]
        return [effect for each in gone for effect in self._end(each, HoldingOutcome.UNTESTED)]

    def cancelled(self, request: int) -> None:
        """Nobody waits for it any more."""
        gone = [member for member, each in self._under_way.items() if each.request == request]
        for member in gone:
            del self._under_way[member]


def _stored_ms(record: Record) -> int:
    return record.stored_ms if isinstance(record, EnvelopeRecord) else record.authorization.time_ms
