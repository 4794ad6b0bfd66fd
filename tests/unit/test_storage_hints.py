"""What a member misses is sent to it until it has it, also after a crash; and costs no write of its own."""

from essaim_storage import effects, events
from essaim_storage.feed import AckTimer, RetryTimer
from essaim_storage.message import Ack, Refusal, Write
from essaim_storage.tuning import Tuning
from simulated.stage import ELSEWHERE, OWN, B, C, Stage, entry, envelope, of, sent, tombstone


def absent(stage, *records):
    """Coordinated while C is away."""
    stage.do(events.LinkDown(C))
    for record in records:
        found = stage.ask(record)
        stage.commit()
        stage.acknowledge(B, found)


def late(found, member=C):
    return [record for write in sent(Write, found, member) for record in write.records if write.late]


def test_missed_record_is_sent_when_the_member_is_back():
    stage = Stage()
    absent(stage, envelope("a"), envelope("b"))

    assert late(stage.do(events.LinkUp(C))) == [envelope("a"), envelope("b")]


def test_missed_record_is_sent_after_a_crash_of_the_coordinator():
    stage = Stage()
    absent(stage, envelope("a"))
    stage.start()

    assert late(stage.do(events.LinkUp(C))) == [envelope("a")]


def test_acknowledged_record_is_not_sent_again_after_a_restart():
    stage = Stage()
    stage.keep(envelope("a"))
    stage.keep(envelope("b"))
    stage.start()

    # The position of "a" was written with "b"; that of "b" waits for another commit, so "b" comes once more.
    assert late(stage.do(events.LinkUp(C))) == [envelope("b")]


def test_ack_of_what_was_late_brings_the_next():
    stage = Stage(tuning=Tuning(late_records=1))
    absent(stage, envelope("a"), envelope("b"))
    first = stage.do(events.LinkUp(C))
    second = stage.acknowledge(C, first)

    assert late(second) == [envelope("b")]
    assert not late(stage.acknowledge(C, second))
    assert C not in stage.node.behind


def test_removed_envelope_is_not_hinted_but_its_tombstone_is():
    stage = Stage()
    absent(stage, envelope("a"))
    stage.do(events.RemoveAsked(2, tombstone(envelope("a"))))
    stage.commit()

    assert late(stage.do(events.LinkUp(C))) == [tombstone(envelope("a"))]


def test_missing_ack_makes_it_late_after_a_growing_pause():
    stage = Stage()
    stage.ask(envelope("a"))
    stage.commit()

    pauses = []
    for _ in range(3):
        (timer,) = of(effects.SetTimer, stage.do(events.Fired(AckTimer(C))))
        assert timer.timer == RetryTimer(C)
        pauses.append(timer.after_ms)
        assert late(stage.do(events.Fired(RetryTimer(C)))) == [envelope("a")]
    assert pauses == [500, 1_000, 2_000]


def test_full_disk_of_a_member_is_tried_again_and_a_final_refusal_is_not():
    stage = Stage()
    found = stage.ask(envelope("a"))
    stage.commit()
    (write,) = sent(Write, found, C)
    assert of(effects.SetTimer, stage.hear(C, Ack(write.batch, (Refusal(0, "DISK_FULL"),))))
    (write,) = sent(Write, stage.do(events.Fired(RetryTimer(C))), C)
    stage.hear(C, Ack(write.batch, (Refusal(0, "EXPIRY_REFUSED"),)))

    assert C not in stage.node.behind


def test_late_ack_counts_like_an_early_one():
    stage = Stage()
    stage.do(events.LinkDown(B))
    stage.do(events.LinkDown(C))
    stage.ask(envelope("a"))
    stage.commit()
    back = stage.do(events.LinkUp(C))

    assert len(of(effects.Reply, stage.acknowledge(C, back))) == 1


def test_ack_before_the_own_commit_leaves_nothing_to_send():
    stage = Stage()
    found = stage.ask(envelope("a"))
    stage.acknowledge(B, found)
    stage.acknowledge(C, found)
    stage.commit()

    assert stage.node.behind == frozenset()


def test_window_bounds_what_a_member_owes():
    stage = Stage(tuning=Tuning(window=2))
    writes = [sent(Write, stage.ask(envelope(str(index)), request=index), C) for index in range(5)]
    assert [len(each) for each in writes] == [1, 1, 0, 0, 0]

    (next_write,) = sent(Write, stage.hear(C, Ack(writes[0][0].batch)), C)
    assert next_write.records == (envelope("2"), envelope("3"), envelope("4"))


def test_message_holds_many_small_records_or_one_large():
    stage = Stage(complete=False)
    for member in (B, C):
        stage.do(events.LinkDown(member))
    for index in range(3):
        stage.ask(envelope(str(index), size=253_952), request=index)
        stage.commit()

    assert [len(each.records) for each in sent(Write, stage.do(events.LinkUp(C)), C)] == [1]


def test_record_of_a_mailbox_that_moved_away_holds_up_nothing():
    stage = Stage(tuning=Tuning(late_records=1))
    absent(stage, envelope("moved"), entry("stays", 1))
    stage.turn(2, (OWN, B, C), ELSEWHERE)

    assert late(stage.do(events.LinkUp(C))) == [entry("stays", 1)]
