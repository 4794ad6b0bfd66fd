"""A mailbox that moves: who must have what, who waits for whom, and what is said when."""

from dataclasses import replace

from essaim.protocol.mailbox.envelope import have_prefix
from essaim_storage import effects, events
from essaim_storage.arc import WHOLE
from essaim_storage.foreign import ForeignTimer
from essaim_storage.message import Ack, Digest, Fetch, Hello, Question, Records, Refusal, Write
from essaim_storage.placement import Range
from essaim_storage.reconcile import TransferTimer
from essaim_storage.record import record_id
from essaim_storage.round import name_of
from simulated.stage import OWN, B, C, Stage, envelope, of, query, sent, tombstone

D = b"d" * 32
OLD, NEW = frozenset((OWN, B, C)), frozenset((OWN, B, D))


def moving(stage: Stage, serial: int, old: frozenset[bytes] = OLD, new: frozenset[bytes] = NEW) -> list[effects.Effect]:
    return stage.do(events.ViewChanged(serial, (Range(WHOLE, old, new, 7, serial),)))


def linked(*members: bytes) -> Stage:
    """A member of OLD, complete, with links to these."""
    stage = Stage()
    for member in members:
        stage.do(events.LinkUp(member))
    return stage


def replies(found: list[effects.Effect]) -> list[object]:
    return [each.result for each in of(effects.Reply, found)]


def test_store_needs_w_of_the_old_and_w_of_the_new():
    stage = linked(D)
    moving(stage, 2)
    stage.commit()
    found = stage.ask(envelope("a"))
    stage.commit()

    assert {each.to for each in of(effects.Send, found) if isinstance(each.message, Write)} == {B, C, D}
    assert replies(stage.acknowledge(C, found)) == []
    assert replies(stage.acknowledge(D, found)) == [effects.Stored((effects.StoreOutcome(envelope("a").envelope_id),))]


def test_request_under_way_asks_the_new_members_when_the_view_comes():
    stage = linked(D)
    found = stage.ask(envelope("a"))
    stage.commit()
    stage.hear(C, Ack(0))
    turned = moving(stage, 2)
    stage.commit()

    assert [each.records for each in sent(Write, turned, D)] == [(envelope("a"),)]
    assert replies(stage.acknowledge(C, found)) == []
    assert len(replies(stage.acknowledge(D, turned))) == 1


def test_write_under_the_view_before_the_move_is_refused_also_after_a_crash():
    stage = Stage()
    moving(stage, 5)
    stale = (Ack(1, (Refusal(0, "STALE_VIEW"),)),)
    assert tuple(sent(Ack, stage.hear(B, Write(1, (envelope("a"),)), serial=4))) == stale
    stage.commit()

    stage.start()
    stage.turn(6, OLD)
    assert tuple(sent(Ack, stage.hear(B, Write(1, (envelope("a"),)), serial=4))) == stale
    assert not sent(Ack, stage.hear(B, Write(2, (envelope("a"),)), serial=5))


def test_serial_is_told_once_it_is_on_the_disk():
    stage = linked()
    assert not [each for each in sent(Hello, moving(stage, 5)) if each.adopted]
    assert {each.adopted for each in sent(Hello, stage.commit(), B)} == {5}


def joiner() -> Stage:
    """D, that is to join, with links to the old members."""
    stage = Stage(complete=False, own_id=D)
    stage.turn(1)
    for member in OLD:
        stage.do(events.LinkUp(member))
    return stage


def nothing(stage: Stage, member: bytes, found: list[effects.Effect]) -> list[effects.Effect]:
    """The member has nothing: that round is over."""
    said: list[effects.Effect] = []
    for question in sent(Question, found, member):
        said += stage.hear(member, Digest(question.number, ()))
    return said


def test_joiner_is_done_after_r_minus_w_plus_one_that_have_adopted():
    stage = joiner()
    found = moving(stage, 5)
    for member in sorted(OLD):
        early = nothing(stage, member, [*found, *stage.hear(member, Hello(bytes(16), False, False, 4))])
        assert not of(effects.TransferDone, [*early, *stage.commit()])

    one = nothing(stage, B, stage.hear(B, Hello(bytes(16), False, False, 5)))
    assert not of(effects.TransferDone, [*one, *stage.commit()])
    other = nothing(stage, C, stage.hear(C, Hello(bytes(16), False, False, 5)))
    done = [*other, *stage.commit(), *stage.commit()]
    assert of(effects.TransferDone, done) == [effects.TransferDone(7, 5)]
    assert of(effects.TransferDone, stage.do(events.Fired(TransferTimer()))) == [effects.TransferDone(7, 5)]


def test_joiner_that_was_done_before_is_not_for_a_later_move():
    stage = joiner()
    found = moving(stage, 5)
    for member in (B, C):
        nothing(stage, member, [*found, *stage.hear(member, Hello(bytes(16), False, False, 5))])
        found = []
        stage.commit()
    stage.commit()
    assert of(effects.TransferDone, stage.do(events.Fired(TransferTimer())))

    again = moving(stage, 9)
    assert not of(effects.TransferDone, [*again, *stage.commit()])
    assert not of(effects.TransferDone, stage.do(events.Fired(TransferTimer())))


def test_joiner_takes_tombstones_and_checks_what_it_takes():
    stage = joiner()
    moving(stage, 5)
    stage.commit()
    (question, *_) = sent(Question, stage.hear(B, Hello(bytes(16), False, False, 5)), B)
    removal, forged = tombstone(envelope("a")), replace(envelope("b"), data=envelope("c").data)
    offered = {name_of(each): each for each in (removal, forged, envelope("ok"))}
    (fetch,) = sent(Fetch, stage.hear(B, Digest(question.number, tuple(offered))))
    stage.hear(B, Records(fetch.number, tuple(offered[name] for name in fetch.names)))
    stage.commit()
    stage.hear(B, Write(1, (envelope("a"),)))
    stage.commit()

    assert stage.store.all_ids() == {record_id(removal), envelope("ok").envelope_id}


def test_clients_are_answered_by_the_old_members_alone():
    stage = joiner()
    moving(stage, 5)

    assert [each.error.reason for each in replies(stage.ask(envelope("a")))] == ["WRONG_SWARM"]
    found = stage.do(events.RetrieveAsked(9, query()))
    assert [each.error.reason for each in replies(found)] == ["WRONG_SWARM"]


def test_what_moved_away_is_dropped_after_a_grace_and_never_during_a_move():
    stage = Stage()
    stage.keep(envelope("a"))
    left = stage.turn(2)
    assert ForeignTimer() in [each.timer for each in of(effects.SetTimer, left)]
    moving(stage, 3, frozenset((B, C)), frozenset((B, C, OWN)))
    stage.do(events.Fired(ForeignTimer()))
    stage.commit()
    assert stage.store.all_ids()

    stage.turn(4)
    stage.do(events.Fired(ForeignTimer()))
    stage.commit()
    assert stage.store.all_ids() == frozenset()


def test_what_lands_when_the_place_is_gone_is_dropped_too():
    """A batch was under way when the view came: nothing foreign was on the disk yet (found by simulation)."""
    stage = Stage()
    stage.ask(envelope("a"))
    left = stage.turn(2)
    assert not stage.store.all_ids()
    assert ForeignTimer() in [each.timer for each in of(effects.SetTimer, left)]
    stage.commit()
    assert stage.store.all_ids()

    stage.do(events.Fired(ForeignTimer()))
    stage.commit()
    assert stage.store.all_ids() == frozenset()


def test_reader_that_names_what_is_not_here_has_it_repaired():
    stage = Stage()
    stage.keep(envelope("a"))
    named = envelope("b").envelope_id

    known = stage.do(events.RetrieveAsked(1, query(), (envelope("a").envelope_id,)))
    assert not sent(Question, known)
    asked = sent(Question, stage.do(events.RetrieveAsked(2, query(), (named,))), B)
    assert [each.part.arc[0] == each.part.arc[1] for each in asked] == [True]


def test_reader_that_has_what_is_not_here_has_it_repaired():
    stage = Stage()
    stage.keep(envelope("a"))
    salt = bytes(16)

    def having(*names: str) -> list[Question]:
        have = frozenset(have_prefix(salt, envelope(name).envelope_id) for name in names)
        return sent(Question, stage.do(events.RetrieveAsked(1, query(have_salt=salt, have=have))), B)

    assert not having("a")
    assert having("a", "b")
