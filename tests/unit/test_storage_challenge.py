"""A storage test of a member: what counts as held, what is a failure, and what is neither."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.payload import registration_hash, removal_hash, slot_hash
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, Notice, RegistrationRecord, SlotMark, Tombstone
from essaim.protocol.mailbox.rule import rule_of
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.protocol.push.registration import Registration
from essaim_storage import effects, events
from essaim_storage.arc import WHOLE
from essaim_storage.challenge import ExamineTimer
from essaim_storage.effects import Effect, Examined, HoldingOutcome, PutEnvelope, Reply, SetTimer
from essaim_storage.holding import HOLDING_LABEL, proof_of
from essaim_storage.message import CHALLENGE_IDS, Challenge, Fetch, Hello, Message, Proofs, Records
from essaim_storage.placement import Range
from essaim_storage.record import record_id
from essaim_storage.tuning import Tuning
from simulated.stage import DAY_MS, INBOX, NOW_MS, OWN, OWNER, B, C, Stage, envelope, of, sent

SEED, NONCE = b"s" * 32, b"n" * 32
OLD_MS = NOW_MS - Tuning().test_age_ms
HELD, MISSING, SILENT, UNTESTED = HoldingOutcome


class Pair:
    """A tester (OWN) and a member (B) that hear each other at once. `hear` may change what the tester hears."""

    def __init__(self, count: int = 40) -> None:
        self.tester, self.tested = Stage(), Stage(OWN, C, own_id=B)
        self.records = [replace(envelope(str(at)), received_ms=OLD_MS) for at in range(count)]
        self.put(self.tester, self.records)
        self.put(self.tested, self.records)
        self.challenges: list[Challenge] = []
        self.hear = lambda proofs: proofs
        self.timer: SetTimer | None = None
        self.requests = 0

    def put(self, stage: Stage, records: Iterable[EnvelopeRecord]) -> None:
        first = stage.store.last_number() + 1
        stage.store.apply([PutEnvelope(first + at, each, coordinated=False) for at, each in enumerate(records)])

    def ask(self) -> HoldingOutcome | None:
        """Begin a test; its outcome, or None when it waits for its second look."""
        self.requests += 1
        return self.pass_on(self.tester.do(events.ExamineAsked(self.requests, B, SEED, NONCE)))

    def wait(self) -> HoldingOutcome | None:
        """The timer fires."""
        assert self.timer is not None
        self.tester.now_ms += self.timer.after_ms
        self.tested.now_ms = self.tester.now_ms
        return self.pass_on(self.tester.do(events.Fired(ExamineTimer(B))))

    def pass_on(self, found: list[Effect]) -> HoldingOutcome | None:
        while challenges := sent(Challenge, found, B):
            self.challenges += challenges
            answers = [proofs for each in challenges for proofs in sent(Proofs, self.tested.hear(OWN, each), OWN)]
            heard: list[Message | None] = [self.hear(each) for each in answers]
            self._note(found)
            found = [effect for each in heard if each is not None for effect in self.tester.hear(B, each)]
        self._note(found)
        results = [reply.result for reply in of(Reply, found) if isinstance(reply.result, Examined)]
        return results[0].outcome if results else None

    def _note(self, found: list[Effect]) -> None:
        timers = [each for each in of(SetTimer, found) if each.timer == ExamineTimer(B)]
        self.timer = timers[-1] if timers else self.timer

    @property
    def asked(self) -> list[bytes]:
        return [of_id for each in self.challenges for of_id in each.envelope_ids]


def drop(stage: Stage, *records: EnvelopeRecord) -> None:
    stage.store.apply([effects.Forget(each.envelope_id) for each in records])


@pytest.fixture
def pair() -> Pair:
    return Pair()


# What is asked


def test_member_that_has_all_passes_and_every_envelope_of_a_small_store_is_asked_for_once(pair: Pair) -> None:
    assert pair.ask() is HELD
    assert sorted(pair.asked) == sorted(each.envelope_id for each in pair.records)
    assert max(len(each.envelope_ids) for each in pair.challenges) <= CHALLENGE_IDS


def test_large_store_is_asked_for_192_different_envelopes_that_follow_from_seed_and_nonce() -> None:
    pair = Pair(600)
    assert pair.ask() is HELD
    first = pair.asked
    assert len(set(first)) == len(first) == 192
    pair.challenges.clear()
    assert pair.ask() is HELD and pair.asked == first
    pair.challenges.clear()
    pair.pass_on(pair.tester.do(events.ExamineAsked(9, B, SEED, b"m" * 32)))
    assert len(set(pair.asked) - set(first)) > 96, "another nonce, another draw"


def test_nothing_is_asked_for_that_is_young_or_about_to_go(pair: Pair) -> None:
    young = replace(envelope("young"), received_ms=OLD_MS + 1)
    brief = replace(envelope("brief", NOW_MS + Tuning().test_life_ms - 1), received_ms=OLD_MS)
    pair.put(pair.tester, [young, brief])
    assert pair.ask() is HELD
    assert not {young.envelope_id, brief.envelope_id} & set(pair.asked)


def test_mailboxes_that_move_are_not_asked_for_and_nothing_is_said(pair: Pair) -> None:
    moving = Range(WHOLE, frozenset((OWN, B, C)), frozenset((OWN, B, b"d" * 32)), 1, 2)
    pair.tester.do(events.ViewChanged(2, (moving,)))
    assert pair.ask() is UNTESTED and not pair.asked


def test_empty_store_proves_nothing() -> None:
    assert Pair(0).ask() is UNTESTED


# What is a failure


def test_one_envelope_that_is_missing_twice_is_a_failure(pair: Pair) -> None:
    drop(pair.tested, pair.records[7])
    assert pair.ask() is None
    pair.challenges.clear()
    assert pair.timer == SetTimer(ExamineTimer(B), Tuning().test_again_ms)
    assert pair.wait() is MISSING
    assert pair.asked == [pair.records[7].envelope_id], "only what was missing is asked for again"


def test_envelope_that_arrives_before_the_second_look_is_no_failure(pair: Pair) -> None:
    drop(pair.tested, pair.records[7])
    assert pair.ask() is None
    pair.put(pair.tested, [pair.records[7]])
    assert pair.wait() is HELD


def test_envelope_that_was_removed_there_first_is_no_failure(pair: Pair) -> None:
    drop(pair.tested, pair.records[7])
    assert pair.ask() is None
    drop(pair.tester, pair.records[7])
    assert pair.wait() is HELD


def test_proof_made_elsewhere_or_before_does_not_fit(pair: Pair) -> None:
    assert pair.ask() is HELD
    for wrong in (
        lambda each: Proofs(each.number, tuple(b"x" * 32 for _ in each.proofs)),
        lambda each: Proofs(each.number, each.proofs[::-1]),
        lambda each: Proofs(each.number, each.proofs[:-1]),
        lambda each: Proofs(each.number, ()),
    ):
        pair.hear = wrong
        assert pair.ask() is None
        assert pair.wait() is MISSING
    pair.hear = lambda each: each
    assert pair.ask() is HELD


def test_proofs_of_two_members_differ() -> None:
    pair, other = Pair(), Stage(OWN, B, own_id=C)
    pair.put(other, pair.records)
    assert pair.ask() is HELD
    (challenge,) = pair.challenges[:1]
    ((theirs,), (others,)) = (sent(Proofs, stage.hear(OWN, challenge), OWN) for stage in (pair.tested, other))
    assert not set(theirs.proofs) & set(others.proofs)


# Notices


def removals(count: int, time_ms: int = OLD_MS) -> list[Tombstone]:
    """Signed then."""
    found = []
    for number in range(count):
        ids = (number.to_bytes(32, "big"),)
        act = Act(INBOX, Method.CONFIRM, b"\0", removal_hash(b"\0", ids))
        found.append(Tombstone(INBOX, Method.CONFIRM, b"\0", ids, act.authorize(OWNER, time_ms, bytes(16))))
    return found


def expiry(number: int = 0) -> ExpiryRecord:
    ids, until_ms = (number.to_bytes(32, "big"),), NOW_MS + DAY_MS
    act = Act(INBOX, Method.EXPIRE, b"\0", removal_hash(b"\0", ids), until_ms)
    return ExpiryRecord(INBOX, b"\0", ids, until_ms, act.authorize(OWNER, OLD_MS, bytes(16)))


def mark(version: int = 2) -> SlotMark:
    marked = SlotRecord.sign(OWNER, INBOX.mailbox_id, 0, None, version).encoded
    act = Act(INBOX, Method.DROP_SLOT, b"", slot_hash(marked))
    return SlotMark(INBOX, marked, act.authorize(OWNER, OLD_MS, bytes(16)))


def registered(time_ms: int = OLD_MS) -> RegistrationRecord:
    whom, day = Registration(bytes(32), (bytes(32),), True, b"").encoded, NOW_MS // DAY_MS + 1
    act = Act(INBOX, Method.REGISTER_PUSH, b"\0", registration_hash(b"\0", day, whom))
    return RegistrationRecord(INBOX, b"\0", day, whom, act.authorize(OWNER, time_ms, bytes(16)))


def crowd() -> Tombstone:
    """As heavy as all that a mailbox may hold of notices."""
    ids = tuple(number.to_bytes(32, "big") for number in range(rule_of(INBOX.kind).notice_bytes // 32))
    return replace(removals(1)[0], envelope_ids=ids)


PUTS = {
    Tombstone: effects.PutTombstone,
    ExpiryRecord: effects.PutExpiry,
    SlotMark: effects.PutMark,
    RegistrationRecord: effects.PutRegistration,
}
EVERY_KIND = pytest.mark.parametrize(
    "notice", [removals(1)[0], expiry(), mark(), registered()], ids=lambda each: type(each).__name__
)


def give(stage: Stage, *notices: Notice) -> None:
    first = stage.store.last_number() + 1
    stage.store.apply([PUTS[type(each)](first + at, record_id(each), each, False) for at, each in enumerate(notices)])


@EVERY_KIND
def test_notice_that_is_missing_twice_is_a_failure(pair: Pair, notice: Notice) -> None:
    for stage in (pair.tester, pair.tested):
        give(stage, notice)
    assert pair.ask() is HELD and record_id(notice) in pair.asked
    pair.tested.store.apply([effects.Forget(record_id(notice))])
    assert pair.ask() is None
    assert pair.wait() is MISSING


@pytest.mark.parametrize(("old", "new"), [(mark(2), mark(3)), (registered(), registered(NOW_MS))])
def test_what_is_superseded_there_first_is_no_failure(pair: Pair, old: Notice, new: Notice) -> None:
    give(pair.tester, old)
    give(pair.tested, old, new)
    assert pair.ask() is None and record_id(old) in pair.asked
    give(pair.tester, new)
    assert pair.wait() is HELD


@pytest.mark.parametrize("full", [False, True])
def test_mailbox_that_is_over_its_quota_is_not_asked_for(pair: Pair, full: bool) -> None:
    """What came last, one honest member took and another did not."""
    notice = mark()
    give(pair.tester, notice)
    if full:
        give(pair.tester, crowd())
    assert (pair.ask() is None) is not full


@EVERY_KIND
def test_id_of_a_notice_is_no_proof_of_it(pair: Pair, notice: Notice) -> None:
    """The challenge names it: what is shown must be more."""
    give(pair.tester, notice)
    challenge = Challenge(1, NONCE, (record_id(notice),))

    def from_the_id_alone(proofs: Proofs) -> Proofs:
        guess = blake2b256(HOLDING_LABEL, NONCE, OWN, B, record_id(notice), b"")
        return replace(proofs, proofs=tuple(each or guess for each in proofs.proofs))

    assert proof_of(challenge, OWN, B, notice) != proof_of(challenge, OWN, C, notice)
    pair.hear = from_the_id_alone
    assert pair.ask() is None
    assert pair.wait() is MISSING


def test_two_signatures_of_one_text_are_the_same_notice(pair: Pair) -> None:
    """Whoever signs can make two: that must not make one of two honest members fail."""
    notice = removals(1)[0]
    other = replace(notice, authorization=replace(notice.authorization, signature=bytes(64)))
    give(pair.tester, notice)
    give(pair.tested, other)
    assert record_id(notice) == record_id(other)
    assert pair.ask() is HELD


def test_notices_that_are_young_or_too_many_are_not_asked_for(pair: Pair) -> None:
    old, young = removals(Tuning().test_notices + 30), removals(20, OLD_MS + 1)
    for stage in (pair.tester, pair.tested):
        give(stage, *old, *young)
    assert pair.ask() is HELD
    asked = set(pair.asked)
    assert len(asked & {record_id(each) for each in old}) == Tuning().test_notices
    assert not asked & {record_id(each) for each in young}
    assert asked >= {each.envelope_id for each in pair.records}, "envelopes are asked for all the same"


# Who passes a challenge over


class Evading(Pair):
    """The member answers everything but challenges."""

    relinked = False

    def pass_on(self, found: list[Effect]) -> HoldingOutcome | None:
        for fetch in sent(Fetch, found, B):
            if self.relinked:
                self.tester.hear(B, Hello(bytes(16), incomplete=False, fresh=False))
            for answer in sent(Records, self.tested.hear(OWN, fetch), OWN):
                found = [*found, *self.tester.hear(B, answer)]
        self._note(found)
        results = [reply.result for reply in of(Reply, found) if isinstance(reply.result, Examined)]
        return results[0].outcome if results else None


def test_member_that_passes_over_challenges_twice_has_shown_nothing() -> None:
    pair = Evading()
    assert pair.ask() is None
    assert pair.wait() is None, "it answers a Fetch, so it has read the challenge: a second look"
    assert pair.wait() is None, "asked again"
    assert pair.wait() is MISSING


def test_member_whose_link_was_made_anew_is_not_blamed_for_an_answer_that_was_lost() -> None:
    pair = Evading()
    pair.relinked = True
    assert pair.ask() is None and pair.wait() is None
    assert pair.wait() is SILENT


def test_proofs_that_come_before_the_answer_to_the_look_count(pair: Pair) -> None:
    kept: list[Proofs] = []
    pair.hear = kept.append
    assert pair.ask() is None and pair.wait() is None
    pair.hear = lambda each: each
    (fetch,) = [Fetch(pair.challenges[0].number, ())]
    found = [*pair.tester.hear(B, kept[0])]
    for answer in sent(Records, pair.tested.hear(OWN, fetch), OWN):
        found += pair.tester.hear(B, answer)
    assert pair.pass_on(found) is HELD


# What is neither


def test_silence_is_no_failure(pair: Pair) -> None:
    pair.hear = lambda _: None
    assert pair.ask() is None
    assert pair.wait() is None, "the tester looks whether it answers at all"
    assert pair.wait() is SILENT
    pair.hear = lambda each: each
    assert pair.ask() is HELD, "and the next test begins anew"


def test_link_that_breaks_ends_the_test(pair: Pair) -> None:
    drop(pair.tested, pair.records[7])
    assert pair.ask() is None
    assert pair.pass_on(pair.tester.do(events.LinkDown(B))) is SILENT
    assert pair.ask() is SILENT, "to whom no link leads shows nothing"


def test_late_answer_of_an_ended_test_changes_nothing(pair: Pair) -> None:
    kept: list[Proofs] = []
    pair.hear = kept.append
    assert pair.ask() is None and pair.wait() is None and pair.wait() is SILENT
    assert pair.tester.hear(B, kept[0]) == []


def test_member_that_says_it_is_incomplete_is_excused_for_some_hours(pair: Pair) -> None:
    drop(pair.tested, pair.records[7])
    hello = Hello(bytes(16), incomplete=True, fresh=False)
    pair.tester.hear(B, hello)
    assert pair.ask() is UNTESTED
    pair.tester.hear(B, replace(hello, incomplete=False))
    pair.tester.hear(B, hello)
    pair.tester.now_ms = pair.tested.now_ms = NOW_MS + Tuning().test_excuse_ms
    assert pair.ask() is None, "to have been complete in between does not begin the hours anew"
    assert pair.wait() is MISSING


def test_tester_that_lost_something_itself_says_nothing(pair: Pair) -> None:
    drop(pair.tested, pair.records[7])
    assert pair.ask() is None
    pair.tester.store.spoil(pair.records[3].envelope_id)
    pair.tester.do(events.RecordBad(pair.records[3].envelope_id))
    assert pair.wait() is UNTESTED


def test_member_that_left_is_not_judged_and_a_cancelled_test_is_over(pair: Pair) -> None:
    drop(pair.tested, pair.records[7])
    assert pair.ask() is None
    assert pair.ask() is UNTESTED, "one at a time"
    assert pair.pass_on(pair.tester.turn(2, (OWN, C))) is UNTESTED
    pair = Pair()
    drop(pair.tested, pair.records[7])
    assert pair.ask() is None
    pair.tester.do(events.Cancelled(1))
    assert pair.wait() is None
