"""A node that comes back is incomplete until it has what enough of the others have."""

from itertools import pairwise

import pytest

from essaim_storage import effects, events
from essaim_storage.message import Digest, Fetch, Hello, Records, Write
from essaim_storage.reconcile import BackgroundTimer, RoundTimer
from essaim_storage.round import FIRST_ID, LAST_ID, split
from essaim_storage.tuning import Tuning
from simulated.stage import OWN, B, C, Stage, envelope, of, sent, tombstone

SMALL = Tuning(digest_ids=4, fetch_ids=3)


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


def test_ranges_split_into_sixteen_that_cover_the_whole():
    parts = split((FIRST_ID, LAST_ID))

    assert len(parts) == 16
    assert parts[0][0] == FIRST_ID
    assert parts[-1][1] == LAST_ID
    for one, other in pairwise(parts):
        assert int.from_bytes(one[1]) + 1 == int.from_bytes(other[0])


def test_ranges_split_down_to_single_ids():
    start = bytes(31) + b"\x05"
    assert split((start, start)) == [(start, start)]
    assert len(split((start, bytes(31) + b"\x08"))) == 4


def equal(stage, member, found):
    """The member has the same as this stage."""
    (question,) = [each for each in sent(Digest, found, member) if each.reply_wanted]
    here = stage.store.fingerprint(question.from_id, question.to_id)
    return stage.hear(member, Digest(question.round, question.from_id, question.to_id, here.count, here.digest))


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
    stage.do(events.ViewChanged(2, frozenset((b"a" * 32,)), lambda _: True))
    stage.commit()

    assert not stage.node.incomplete


def test_question_is_answered_with_ids_where_they_are_few_and_differ():
    stage = Stage(tuning=SMALL)
    stage.keep(envelope("a"), envelope("b"))
    here = stage.store.fingerprint(FIRST_ID, LAST_ID)

    (same,) = sent(Digest, stage.hear(B, Digest(1, FIRST_ID, LAST_ID, 2, here.digest, reply_wanted=True)))
    (other,) = sent(Digest, stage.hear(B, Digest(1, FIRST_ID, LAST_ID, 0, bytes(32), reply_wanted=True)))

    assert same.ids == ()
    assert set(other.ids) == stage.store.all_ids()


def test_fetch_is_answered_by_what_is_there():
    stage = Stage()
    stage.keep(envelope("a"))

    (found,) = sent(Records, stage.hear(B, Fetch(5, (bytes(32), envelope("a").envelope_id))))
    assert found == Records(5, (envelope("a"),))
    (nothing,) = sent(Records, stage.hear(B, Fetch(6, (bytes(32),))))
    assert nothing == Records(6, ())


def test_unasked_records_are_dropped():
    stage = Stage()

    assert stage.hear(B, Records(1, (envelope("a"),))) == []
    assert stage.commit() == []


def test_silent_member_is_asked_again():
    stage = Stage(complete=False)
    stage.do(events.LinkUp(B))
    stage.do(events.Fired(RoundTimer(B)))

    assert sent(Digest, stage.do(events.Fired(BackgroundTimer())), B)


def test_bad_record_is_forgotten_and_fetched_again():
    stage = Stage()
    stage.keep(envelope("a"))
    stage.store.spoil(envelope("a").envelope_id)

    found = stage.do(events.RecordBad(envelope("a").envelope_id))
    assert stage.node.incomplete
    assert all(each.fresh for each in sent(Hello, found))
    assert sent(Digest, stage.commit(), B)
    assert not stage.store.settled()
    assert not stage.store.has(envelope("a").envelope_id)


def test_tombstones_are_reconciled_too():
    stage = Stage()
    stage.keep(envelope("a"))
    stage.do(events.RemoveAsked(1, tombstone(envelope("a"))))
    stage.commit()

    (answer,) = sent(Digest, stage.hear(B, Digest(1, FIRST_ID, LAST_ID, 0, bytes(32), reply_wanted=True)))
    (found,) = sent(Records, stage.hear(B, Fetch(1, answer.ids)))
    assert found.records == (tombstone(envelope("a")),)


def test_refused_record_is_not_fetched_again_for_some_rounds():
    stage = Stage(tuning=Tuning(unwanted_turns=6))
    removed = envelope("a").envelope_id
    stage.hear(B, Write(1, (tombstone(envelope("a")),)))
    stage.commit()

    def offered():
        """Whether the stage fetches what B has, in B's turn and C's."""
        found = stage.do(events.Fired(BackgroundTimer())) + stage.do(events.Fired(BackgroundTimer()))
        (question,) = sent(Digest, found, B)
        has = Digest(question.round, question.from_id, question.to_id, 1, bytes(32), (removed,))
        fetches = sent(Fetch, stage.hear(B, has))
        for fetch in fetches:
            stage.hear(B, Records(fetch.number, (envelope("a"),)))
            stage.commit()
        return bool(fetches)

    assert [offered(), offered(), offered()] == [True, False, True]
