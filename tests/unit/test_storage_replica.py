"""A member that is written to trusts the record, never the sender, and answers after its fsync."""

from dataclasses import replace

from essaim.protocol.keys import SigningKey
from essaim_storage.message import Ack, Refusal, Write
from simulated.stage import ELSEWHERE, NOW_MS, OWN, B, Stage, entry, envelope, sent, tombstone


def test_write_is_acknowledged_once_by_batch_after_the_fsync():
    stage = Stage()

    assert not sent(Ack, stage.hear(B, Write(7, (envelope("a"), envelope("b")))))
    assert sent(Ack, stage.commit(), B) == [Ack(7)]


def test_write_of_what_is_there_is_acknowledged():
    stage = Stage()
    stage.keep(envelope("a"))
    stage.hear(B, Write(7, (envelope("a"),)))

    assert sent(Ack, stage.commit(), B) == [Ack(7)]


def test_write_refuses_by_index_what_the_rules_do_not_certify():
    stage = Stage()
    forged = replace(envelope("a"), data=envelope("b").data)
    unsigned = replace(entry("x", 1), authorization=None)
    stranger = tombstone(envelope("c"), signer=SigningKey(bytes(31) + b"\x01"))
    expired = envelope("d", expires_ms=NOW_MS - 1)
    stage.hear(B, Write(7, (forged, envelope("ok"), unsigned, stranger, expired)))

    (ack,) = sent(Ack, stage.commit(), B)
    reasons = {0: "ENVELOPE_MALFORMED", 2: "NOT_AUTHORIZED", 3: "NOT_AUTHORIZED", 4: "EXPIRY_REFUSED"}
    assert {each.index: each.reason for each in ack.refused} == reasons
    assert stage.store.all_ids() == {envelope("ok").envelope_id}


def test_write_of_nothing_valid_is_answered_at_once():
    stage = Stage()
    forged = replace(envelope("a"), data=envelope("b").data)

    assert sent(Ack, stage.hear(B, Write(7, (forged,)))) == [Ack(7, (Refusal(0, "ENVELOPE_MALFORMED"),))]


def test_write_for_another_swarm_is_refused():
    stage = Stage()
    stage.turn(2, (OWN, B), ELSEWHERE)

    assert sent(Ack, stage.hear(B, Write(7, (envelope("a"),)))) == [Ack(7, (Refusal(0, "WRONG_SWARM"),))]


def test_write_of_a_stranger_is_dropped():
    stage = Stage()

    assert stage.hear(bytes(32), Write(7, (envelope("a"),))) == []


def test_write_on_a_full_disk_is_refused():
    stage = Stage()
    stage.hear(B, Write(7, (envelope("a"),)))

    assert sent(Ack, stage.refuse()) == [Ack(7, (Refusal(0, "DISK_FULL"),))]


def test_older_version_is_refused_and_a_newer_replaces():
    stage = Stage()
    stage.hear(B, Write(1, (entry("two", 2), entry("three", 3), entry("one", 1))))

    assert sent(Ack, stage.commit()) == [Ack(1, (Refusal(2, "VERSION_REFUSED"),))]
    assert stage.store.all_ids() == {entry("three", 3).envelope_id}


def test_two_envelopes_of_one_version_end_the_same_in_either_order():
    kept = []
    for order in ((0, 1), (1, 0)):
        stage = Stage()
        both = (entry("x", 1), entry("y", 1))
        stage.hear(B, Write(1, tuple(both[at] for at in order)))
        stage.commit()
        kept.append(stage.store.all_ids())

    assert kept[0] == kept[1]
    assert len(kept[0]) == 1
