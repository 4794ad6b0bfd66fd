"""A node that comes back is incomplete until it has what enough of the others have."""

from itertools import pairwise

import pytest

from essaim_storage import effects, events
from essaim_storage.arc import LAST
from essaim_storage.message import Digest, Fetch, Hello, Question, Records, Write
from essaim_storage.reconcile import BackgroundTimer, RoundTimer
from essaim_storage.round import answer_question
from essaim_storage.tally import Part
from essaim_storage.tuning import Tuning
from simulated.stage import ELSEWHERE, OWN, B, C, Stage, envelope, of, sent, tombstone

SMALL = Tuning(digest_ids=4, fetch_ids=3)
ALL = Part.whole((0, LAST))


def talk(stages, found):
    """Carry everything between machines until nothing is left to say; `found`: (who, its effects)."""
    way = [found]
    while way:
        sender, said = way.pop(0)
        for effect in of(effects.Send, said):
            receiver = stages.get(effect.to)
            if receiver is not None:
                way.append((effect.to, receiver.hear(sender, effect.message)))
                while receiver.commits:
                    way.append((effect.to, receiver.commit()))


@pytest.mark.parametrize("count", [1, 4, 5, 40, 300])
def test_round_fetches_everything_that_is_missing_and_nothing_else(count):
    full, empty = Stage(OWN, own_id=B, tuning=SMALL), Stage(B, complete=False, tuning=SMALL)
    everything = [envelope(str(index)) for index in range(count)]
    full.keep(*everything)
    empty.keep(*everything[:: max(2, count // 10)])

    talk({OWN: empty, B: full}, (OWN, empty.do(events.LinkUp(B))))

    assert empty.store.all_ids() == full.store.all_ids()
    assert not empty.node.incomplete
    assert empty.store.settled()


def test_parts_split_into_sixteen_that_cover_the_whole():
    for arc in ((0, LAST), (1 << 60, 1 << 62), (7, 7)):
        whole = Part.whole(arc)
        parts = whole.split()
        assert len(parts) <= 16
        assert (parts[0].span[0], parts[-1].span[1]) == whole.span
        for one, other in pairwise(parts):
            assert one.span[1] + 1 == other.span[0]
        assert all(each.arc == arc for each in parts)


def test_parts_split_down_to_single_keys():
    assert Part((0, LAST), (5, 5)).split() == [Part((0, LAST), (5, 5))]
    assert len(Part((0, LAST), (5, 8)).split()) == 4


def equal(stage, member, found):
    """The member has the same as this stage."""
    (question,) = sent(Question, found, member)
    return stage.hear(member, answer_question(question, stage.store, 0))


def hello(stage, member, fresh):
    stage.hear(member, Hello(bytes(16), incomplete=True, fresh=fresh))


def test_fresh_disk_needs_all_others_or_r_minus_w_plus_one_settled_ones():
    stage = Stage(complete=False)
    up_b, up_c = stage.do(events.LinkUp(B)), stage.do(events.LinkUp(C))
    hello(stage, B, fresh=False)
    equal(stage, B, up_b)
    stage.commit()
    assert stage.node.incomplete

    equal(stage, C, up_c)
    stage.commit()
    assert not stage.node.incomplete


def test_settled_disk_needs_one_settled_other_of_three():
    stage = Stage()
    stage.start()
    assert stage.node.incomplete
    up = stage.do(events.LinkUp(B))
    hello(stage, B, fresh=False)
    equal(stage, B, up)

    assert not stage.node.incomplete


def test_settled_disk_is_not_complete_by_a_fresh_other():
    stage = Stage()
    stage.start()
    up = stage.do(events.LinkUp(B))
    hello(stage, B, fresh=True)
    equal(stage, B, up)

    assert stage.node.incomplete


def test_other_that_was_fresh_when_compared_with_is_compared_with_again_once_it_is_not():
    stage = Stage()
    stage.start()
    up = stage.do(events.LinkUp(B))
    hello(stage, B, fresh=True)
    equal(stage, B, up)

    again = stage.hear(B, Hello(bytes(16), incomplete=False, fresh=False))
    assert stage.node.incomplete
    equal(stage, B, again)
    assert not stage.node.incomplete


def test_swarm_of_one_is_complete_at_once():
    stage = Stage(complete=False)
    stage.turn(2, (OWN,))
    stage.commit()

    assert not stage.node.incomplete


def test_question_is_answered_with_names_where_they_are_few():
    stage = Stage(tuning=SMALL)
    stage.keep(envelope("a"), envelope("b"))
    (few,) = sent(Digest, stage.hear(B, Question(1, ALL)))
    assert set(few.names) == {each[:12] for each in stage.store.all_ids()}
    stage.keep(*map(envelope, "cde"))
    (many,) = sent(Digest, stage.hear(B, Question(1, ALL)))
    assert many.names is None
    assert list(many.fingerprints) == stage.store.fingerprints(ALL.split())


def test_question_about_what_is_not_shared_has_no_answer():
    stage = Stage()
    stage.turn(2, (OWN, B), ELSEWHERE)

    assert stage.hear(B, Question(1, ALL)) == []
    assert all(stage.hear(B, Question(1, Part.whole(arc))) for arc in ELSEWHERE.parts)


def test_fetch_is_answered_by_what_is_there():
    stage = Stage()
    stage.keep(envelope("a"))

    (found,) = sent(Records, stage.hear(B, Fetch(5, (bytes(12), envelope("a").envelope_id[:12]))))
    assert found == Records(5, (envelope("a"),))
    (nothing,) = sent(Records, stage.hear(B, Fetch(6, (bytes(12),))))
    assert nothing == Records(6, ())


def test_unasked_records_are_dropped():
    stage = Stage()

    assert stage.hear(B, Records(1, (envelope("a"),))) == []
    assert stage.commit() == []


def test_silent_member_is_asked_again():
    stage = Stage(complete=False)
    stage.do(events.LinkUp(B))
    stage.do(events.Fired(RoundTimer(B)))

    assert sent(Question, stage.do(events.Fired(BackgroundTimer())), B)


def test_bad_record_is_forgotten_and_fetched_again():
    stage = Stage()
    stage.keep(envelope("a"))
    stage.store.spoil(envelope("a").envelope_id)

    found = stage.do(events.RecordBad(envelope("a").envelope_id))
    assert stage.node.incomplete
    assert all(each.fresh for each in sent(Hello, found))
    assert sent(Question, stage.commit(), B)
    assert not stage.store.settled()
    assert not stage.store.has(envelope("a").envelope_id)


def test_tombstones_are_reconciled_too():
    stage = Stage()
    stage.keep(envelope("a"))
    stage.do(events.RemoveAsked(1, tombstone(envelope("a"))))
    stage.commit()

    (answer,) = sent(Digest, stage.hear(B, Question(1, ALL)))
    (found,) = sent(Records, stage.hear(B, Fetch(1, answer.names)))
    assert found.records == (tombstone(envelope("a")),)


def test_refused_record_is_not_fetched_again_for_some_rounds():
    stage = Stage(tuning=Tuning(unwanted_turns=6))
    removed = envelope("a").envelope_id
    stage.hear(B, Write(1, (tombstone(envelope("a")),)))
    stage.commit()

    def offered():
        """Whether the stage fetches what B has, in B's turn and C's."""
        found = stage.do(events.Fired(BackgroundTimer())) + stage.do(events.Fired(BackgroundTimer()))
        (question,) = sent(Question, found, B)
        has = Digest(question.number, (removed[:12],))
        fetches = sent(Fetch, stage.hear(B, has))
        for fetch in fetches:
            stage.hear(B, Records(fetch.number, (envelope("a"),)))
            stage.commit()
        return bool(fetches)

    assert [offered(), offered(), offered()] == [True, False, True]


@pytest.mark.parametrize("asked", [Question(5, Part.whole((0, LAST))), Fetch(5, (bytes(12),))])
def test_new_process_says_hello_before_it_answers_what_an_earlier_disk_was_asked(asked):
    """Else who asked takes the answer of an empty disk for that of the member that it knew (simulation, seed 1312)."""
    stage = Stage(complete=False)
    greeting, answer = of(effects.Send, stage.hear(B, asked))
    assert isinstance(greeting.message, Hello) and greeting.message.fresh
    assert isinstance(answer.message, Digest | Records)
    stage.do(events.LinkUp(B))
    (answer,) = of(effects.Send, stage.hear(B, asked))
    assert isinstance(answer.message, Digest | Records), "it has said so over this link"


def test_comparison_with_a_member_that_turns_out_to_have_lost_its_disk_does_not_count():
    stage = Stage(complete=False)
    stage.store.apply([effects.SetSettled()])
    stage.start()
    hello(stage, B, fresh=False)
    found = stage.do(events.LinkUp(B))
    hello(stage, B, fresh=True)
    (question,) = sent(Question, found, B)
    stage.hear(B, Digest(question.number, ()))
    stage.commit()
    assert stage.node.incomplete


def test_member_that_forgot_what_another_said_hears_it_again():
    """It had no place by a view that the other skipped, and the third is gone: nobody else could make it complete."""
    forgetful, other = Stage(B, C, complete=False), Stage(OWN, C, own_id=B, complete=False)
    stages = {OWN: forgetful, B: other, C: Stage(OWN, B, own_id=C, complete=False)}
    for name, stage in stages.items():
        for member in stages.keys() - {name}:
            talk(stages, (name, stage.do(events.LinkUp(member))))
    assert not any(each.node.incomplete for each in stages.values())

    del stages[C]
    for stage in stages.values():
        stage.do(events.LinkDown(C))
    forgetful.turn(2)
    for name, stage in stages.items():
        talk(stages, (name, stage.turn(3, (OWN, B, C))))
    for _ in range(2):
        for name, stage in stages.items():
            talk(stages, (name, stage.do(events.Fired(BackgroundTimer()))))

    assert not forgetful.node.incomplete


def test_two_that_lack_something_answer_each_other_once_a_turn():
    """Else an answer would be a question, for ever."""
    one, other = Stage(B, C, complete=False), Stage(OWN, C, own_id=B, complete=False)
    stages = {OWN: one, B: other}
    for name, member in ((OWN, B), (B, OWN)):
        talk(stages, (name, stages[name].do(events.LinkUp(member))))
    assert one.node.incomplete
    assert other.node.incomplete

    def heard(times: int) -> int:
        return sum(len(sent(Hello, one.hear(B, Hello(b"b" * 16, True, True)), B)) for _ in range(times))

    one.do(events.Fired(BackgroundTimer()))
    assert heard(5) == 1
    one.do(events.Fired(BackgroundTimer()))
    assert heard(5) == 1
