"""Each one-time prekey is given once, and marked used on disk before the answer."""

from essaim_storage import effects, events
from simulated.stage import NOW_MS, OUTBOX, OWN, B, Stage, of

DAY_MS = 86_400_000


def publish(*prekeys, version=1, request=1, node_id=OWN):
    return events.PublishAsked(request, OUTBOX, b"\x00", node_id, prekeys, version)


def claim(claim_id, request=2):
    return events.ClaimAsked(request, OUTBOX, b"\x00", claim_id.ljust(16, b"\x00"))


def result(found):
    (reply,) = of(effects.Reply, found)
    return reply.result


def published(*prekeys, **options):
    stage = Stage()
    assert not of(effects.Reply, stage.do(publish(*prekeys, **options)))
    assert result(stage.commit()) == effects.Published(len(prekeys))
    return stage


def test_claim_is_answered_after_the_mark_is_durable():
    stage = published(b"p0", b"p1")

    assert not of(effects.Reply, stage.do(claim(b"x")))
    assert result(stage.commit()) == effects.Claimed(b"p0", 1)


def test_claims_on_their_way_to_the_disk_get_different_prekeys():
    stage = published(b"p0", b"p1")
    stage.do(claim(b"x", request=2))
    stage.do(claim(b"y", request=3))
    answers = [result(stage.commit()), result(stage.commit())]

    assert answers == [effects.Claimed(b"p0", 1), effects.Claimed(b"p1", 0)]
    assert result(stage.do(claim(b"z"))) == effects.Claimed(b"", 0)


def test_same_claim_gets_the_same_prekey_also_while_it_waits():
    stage = published(b"p0", b"p1")
    stage.do(claim(b"x", request=2))
    stage.do(claim(b"x", request=3))
    assert result(stage.commit()).prekey == b"p0"
    assert result(stage.commit()).prekey == b"p0"
    assert result(stage.do(claim(b"x", request=4))).prekey == b"p0"
    stage.start()
    assert result(stage.do(claim(b"x", request=5))).prekey == b"p0"


def test_answered_claim_is_used_after_a_crash():
    stage = published(b"p0", b"p1")
    stage.do(claim(b"x"))
    stage.commit()
    stage.start()
    stage.do(claim(b"y"))

    assert result(stage.commit()).prekey == b"p1"


def test_higher_version_takes_the_place_and_a_lower_is_refused():
    stage = published(b"old", version=1)
    stage.do(publish(b"new", version=2))
    stage.commit()
    stage.do(claim(b"x"))

    assert result(stage.commit()).prekey == b"new"
    assert result(stage.do(publish(b"old", version=1))).error.reason == "VERSION_REFUSED"


def test_same_version_changes_nothing_and_another_batch_of_it_is_refused():
    stage = published(b"p0", b"p1")
    stage.do(claim(b"x"))
    stage.commit()

    assert result(stage.do(publish(b"p0", b"p1"))) == effects.Published(1)
    assert result(stage.do(publish(b"q0", b"q1"))).error.reason == "VERSION_REFUSED"


def test_claim_of_a_batch_that_is_replaced_meanwhile_is_still_once():
    stage = published(b"old")
    stage.do(publish(b"new", version=2))
    stage.do(claim(b"x"))
    stage.commit()
    answers = [result(stage.commit())]

    assert answers == [effects.Claimed(b"new", 0)]
    assert result(stage.do(claim(b"y"))).prekey == b""


def test_prekeys_for_another_node_are_refused():
    assert result(Stage().do(publish(b"p", node_id=B))).error.reason == "PREKEYS_REFUSED"


def test_prekeys_are_never_sent_to_a_member():
    stage = Stage()
    found = stage.do(publish(b"p"))

    assert not of(effects.Send, [*found, *stage.commit()])


def test_old_batch_is_not_served():
    stage = published(b"p0")
    stage.now_ms = NOW_MS + 31 * DAY_MS

    assert result(stage.do(claim(b"x"))) == effects.Claimed(b"", 0)


def test_full_disk_refuses_a_claim_and_gives_it_later():
    stage = published(b"p0")
    stage.do(claim(b"x"))
    assert result(stage.refuse()).error.reason == "DISK_FULL"

    stage.do(claim(b"x"))
    assert result(stage.commit()).prekey == b"p0"
