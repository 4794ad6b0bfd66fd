"""A store is acknowledged by W of r disks, and by nothing else."""

import pytest

from essaim_storage import effects, events
from essaim_storage.coordinator import QuorumTimer
from essaim_storage.message import Ack, Hello, Refusal, Write
from simulated.stage import ELSEWHERE, OWN, B, C, Stage, entry, envelope, of, sent, tombstone


def outcomes(found):
    (reply,) = of(effects.Reply, found)
    return [each.refusal.reason if each.refusal else "" for each in reply.result.outcomes]


@pytest.fixture
def stage():
    return Stage()


def test_store_goes_to_the_own_disk_and_every_member_at_once(stage):
    found = stage.ask(envelope("a"))

    assert len(of(effects.Commit, found)) == 1
    assert [write.records for write in sent(Write, found)] == [(envelope("a"),)] * 2


def test_store_is_answered_after_own_fsync_and_one_ack_of_three(stage):
    found = stage.ask(envelope("a"))

    assert not of(effects.Reply, stage.commit())
    assert outcomes(stage.acknowledge(B, found)) == [""]


def test_store_is_not_answered_before_the_own_fsync(stage):
    found = stage.ask(envelope("a"))

    assert not of(effects.Reply, stage.acknowledge(B, found))
    assert not of(effects.Reply, stage.acknowledge(C, found))
    assert outcomes(stage.commit()) == [""]


def test_store_gives_each_envelope_its_own_result(stage):
    found = stage.ask(envelope("a"), envelope("b"))
    stage.commit()
    for member in (B, C):
        (write,) = sent(Write, found, member)
        ended = stage.hear(member, Ack(write.batch, (Refusal(1, "EXPIRY_REFUSED"),)))

    assert outcomes(ended) == ["", "QUORUM_MISSING"]


def test_store_below_w_in_time_is_quorum_missing_and_a_repeat_is_acknowledged(stage):
    found = stage.ask(envelope("a"))
    stage.commit()
    assert outcomes(stage.do(events.Fired(QuorumTimer(1)))) == ["QUORUM_MISSING"]
    stage.acknowledge(B, found)

    again = stage.ask(envelope("a"), request=2)
    stage.commit()
    assert outcomes(stage.acknowledge(B, again)) == [""]
    assert stage.store.all_ids() == {envelope("a").envelope_id}


def test_store_of_what_another_coordinated_reaches_members_that_return(stage):
    """No hint of this node's leads to it: the member it came from is gone with its own."""
    stage.hear(B, Write(7, (envelope("a"),)))
    stage.commit()
    stage.do(events.LinkDown(B))
    stage.do(events.LinkDown(C))
    stage.ask(envelope("a"))
    assert not of(effects.Reply, stage.commit())

    returned = stage.do(events.LinkUp(C))
    assert outcomes(stage.acknowledge(C, returned)) == [""]


def test_ack_of_a_node_that_is_no_member_never_counts(stage):
    found = stage.ask(envelope("a"))
    stage.commit()
    (write, _) = sent(Write, found)

    assert stage.hear(bytes(32), Ack(write.batch)) == []


def test_ack_of_another_batch_never_counts(stage):
    found = stage.ask(envelope("a"))
    stage.commit()
    (write,) = sent(Write, found, B)

    assert not of(effects.Reply, stage.hear(B, Ack(write.batch - 1)))


def test_store_in_another_swarm_is_refused():
    stage = Stage()
    stage.turn(2, (OWN,), ELSEWHERE)

    (reply,) = of(effects.Reply, stage.ask(envelope("a")))
    assert reply.result.error.reason == "WRONG_SWARM"


def test_full_disk_refuses_and_keeps_what_is_there(stage):
    stage.keep(envelope("a"))
    stage.ask(envelope("b"))

    assert outcomes(stage.refuse()) == ["DISK_FULL"]
    assert stage.store.all_ids() == {envelope("a").envelope_id}


def test_full_mailbox_refuses_what_is_new_and_not_a_repeat(stage):
    large = [envelope(str(index), size=253_952) for index in range(67)]
    for at in range(0, 66, 6):
        stage.keep(*large[at : at + 6])

    assert outcomes(stage.ask(large[66])) == ["QUOTA"]
    stage.ask(large[0])
    assert stage.commit() is not None


def test_lower_version_of_an_entry_is_refused_and_a_higher_takes_its_place(stage):
    stage.keep(entry("two", 2))
    stage.ask(entry("one", 1))
    assert outcomes(stage.commit()) == ["VERSION_REFUSED"]

    stage.keep(entry("three", 3))
    assert stage.store.all_ids() == {entry("three", 3).envelope_id}


@pytest.mark.parametrize("record", [envelope("a"), entry("one", 1)])
def test_one_member_that_says_there_is_a_higher_version_ends_nothing(stage, record):
    """It may lie: with one word it kept every mailbox of its swarm from being written."""
    found = stage.ask(record)
    (to_b,), (to_c,) = sent(Write, found, B), sent(Write, found, C)
    stage.commit()
    assert not of(effects.Reply, stage.hear(B, Ack(to_b.batch, (Refusal(0, "VERSION_REFUSED"),))))
    assert outcomes(stage.hear(C, Ack(to_c.batch))) == [""]


def test_version_that_is_taken_at_a_quorum_is_refused(stage):
    found = stage.ask(entry("one", 1))
    (to_b,), (to_c,) = sent(Write, found, B), sent(Write, found, C)
    stage.commit()
    stage.hear(B, Ack(to_b.batch, (Refusal(0, "VERSION_REFUSED"),)))
    assert outcomes(stage.hear(C, Ack(to_c.batch, (Refusal(0, "VERSION_REFUSED"),)))) == ["VERSION_REFUSED"]


def test_same_version_of_an_entry_with_another_envelope_is_refused(stage):
    stage.keep(entry("two", 2))

    assert outcomes(stage.ask(entry("other", 2))) == ["VERSION_REFUSED"]


def test_confirm_is_answered_by_w_and_removes_the_envelope(stage):
    stage.keep(envelope("a"))
    found = stage.do(events.RemoveAsked(1, tombstone(envelope("a"))))
    stage.commit()

    (reply,) = of(effects.Reply, stage.acknowledge(C, found))
    assert reply.result == effects.Removed()
    assert not stage.store.has(envelope("a").envelope_id)


def test_cancelled_store_is_replicated_all_the_same(stage):
    stage.ask(envelope("a"))
    stage.do(events.Cancelled(1))

    assert not of(effects.Reply, stage.commit())
    assert stage.store.has(envelope("a").envelope_id)


def test_disk_that_was_lost_meanwhile_does_not_count(stage):
    found = stage.ask(envelope("a"))
    stage.acknowledge(B, found)
    stage.hear(B, Hello(bytes(16), incomplete=True, fresh=True))

    assert not of(effects.Reply, stage.commit())
    assert outcomes(stage.acknowledge(C, found)) == [""]


def test_own_record_that_went_bad_meanwhile_does_not_count(stage):
    found = stage.ask(envelope("a"))
    stage.commit()
    stage.do(events.RecordBad(envelope("a").envelope_id))

    assert not of(effects.Reply, stage.acknowledge(B, found))
    assert not of(effects.Reply, stage.acknowledge(C, found))
