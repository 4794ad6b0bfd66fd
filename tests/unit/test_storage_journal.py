"""Group commit, and what beats what."""

from essaim_storage import effects, events
from essaim_storage.journal import CommitTimer
from essaim_storage.message import Ack, Write
from essaim_storage.tuning import Tuning
from simulated.stage import NOW_MS, B, Stage, envelope, of, sent, tombstone


def test_journal_commits_at_once_when_idle_and_gathers_meanwhile():
    stage = Stage()
    first = stage.ask(envelope("a"), request=1)
    stage.ask(envelope("b"), request=2)
    stage.ask(envelope("c"), request=3)

    second = stage.commit()

    assert len(of(effects.PutEnvelope, of(effects.Commit, first)[0].changes)) == 1
    assert len(of(effects.PutEnvelope, of(effects.Commit, second)[0].changes)) == 2


def test_journal_pauses_between_commits_and_gathers_meanwhile():
    stage = Stage(complete=False, commit_ms=10)
    first = stage.ask(envelope("a"), request=1)
    assert effects.SetTimer(CommitTimer(), 10) in first
    assert not of(effects.Commit, stage.commit())
    assert not of(effects.Commit, stage.ask(envelope("b"), request=2))
    assert not of(effects.Commit, stage.ask(envelope("c"), request=3))

    (second,) = of(effects.Commit, stage.do(events.Fired(CommitTimer())))

    assert len(of(effects.PutEnvelope, second.changes)) == 2
    assert not of(effects.Commit, stage.do(events.Fired(CommitTimer()))), "it is under way"
    stage.commit()
    assert of(effects.Commit, stage.ask(envelope("d"), request=4)), "the pause is over"


def test_journal_limits_a_batch():
    stage = Stage(tuning=Tuning(batch_records=4))
    stage.ask(envelope("first"))
    for index in range(6):
        stage.ask(envelope(str(index)), request=index + 2)

    assert [len(of(effects.PutEnvelope, of(effects.Commit, stage.commit())[0].changes)) for _ in range(2)] == [4, 2]


def test_tombstone_beats_an_envelope_of_the_same_batch_and_of_later_ones():
    stage = Stage()
    stage.ask(envelope("busy"))
    stage.hear(B, Write(1, (tombstone(envelope("a")), envelope("a"))))
    stage.commit()
    assert sent(Ack, stage.commit()) == [Ack(1)]
    assert not stage.store.has(envelope("a").envelope_id)

    stage.hear(B, Write(2, (envelope("a"),)))
    assert sent(Ack, stage.commit()) == [Ack(2)]
    assert not stage.store.has(envelope("a").envelope_id)


def test_envelope_that_expires_while_it_waits_is_not_kept():
    stage = Stage()
    short = envelope("short", expires_ms=NOW_MS + 1_000)
    stage.ask(envelope("busy"))
    stage.hear(B, Write(1, (short,)))
    stage.now_ms += 2_000
    stage.commit()
    stage.commit()

    assert not stage.store.has(short.envelope_id)


def test_numbers_go_on_after_a_crash_and_a_removal():
    stage = Stage()
    stage.keep(envelope("a"), envelope("b"))
    stage.hear(B, Write(1, (tombstone(envelope("b")),)))
    stage.commit()
    last = stage.store.last_number()
    stage.start()
    stage.hear(B, Write(2, (envelope("c"),)))

    (put,) = of(effects.PutEnvelope, stage.commits[0].changes)
    assert put.number == last + 1
