"""Readers get everything after their cursor, in order, and nothing twice by the same member."""

from essaim.protocol.mailbox.envelope import have_prefix
from essaim_storage import effects, events
from essaim_storage.message import Write
from essaim_storage.tuning import Tuning
from simulated.stage import NOW_MS, OWN, B, Stage, envelope, of, query, tombstone


def page(stage, cursor=b"", max_bytes=16_384, ids=(), **more):
    (reply,) = of(effects.Reply, stage.do(events.RetrieveAsked(1, query(cursor, max_bytes, **more), ids)))
    return reply.result


def names(envelopes):
    return [each.data.rstrip(b"\x00").decode() for each in envelopes]


def stocked(*listed, **options):
    stage = Stage(**options)
    stage.keep(*(envelope(name) for name in listed))
    return stage


def test_retrieve_pages_by_bytes_and_resumes_by_cursor():
    stage = stocked("a", "b", "c", "d", "e")
    first = page(stage, max_bytes=8_192)
    second = page(stage, first.cursor, max_bytes=8_192)
    third = page(stage, second.cursor, max_bytes=8_192)

    assert [names(each.envelopes) for each in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [each.more for each in (first, second, third)] == [True, True, False]


def test_retrieve_names_what_is_too_large_and_serves_it_by_id():
    stage = Stage()
    large = envelope("large", size=57_344)
    stage.keep(envelope("a"), large, envelope("b"))

    found = page(stage).envelopes
    assert [(each.size, bool(each.data)) for each in found] == [(4_096, True), (57_344, False), (4_096, True)]
    (whole,) = page(stage, max_bytes=57_344, ids=(large.envelope_id,)).envelopes
    assert whole.data == large.data


def test_retrieve_by_id_keeps_to_mailbox_slot_and_cursor():
    stage = stocked("a")
    cursor = page(stage).cursor

    assert names(page(stage, cursor, ids=(envelope("a").envelope_id, bytes(32))).envelopes) == ["a"]
    assert page(stage, cursor, ids=(envelope("a").envelope_id,)).cursor == cursor
    other = events.Query(query().mailbox_id, b"\x01", query().cursor, 16_384)
    (reply,) = of(effects.Reply, stage.do(events.RetrieveAsked(1, other, (envelope("a").envelope_id,))))
    assert reply.result.envelopes == ()


def test_retrieve_keeps_to_the_slot():
    stage = Stage()
    stage.keep(envelope("zero"), envelope("one", slot=b"\x01"))
    one = events.Query(query().mailbox_id, b"\x01", query().cursor, 16_384)

    (reply,) = of(effects.Reply, stage.do(events.RetrieveAsked(1, one)))
    assert names(reply.result.envelopes) == ["one"]


def test_retrieve_omits_what_the_client_has():
    stage = stocked("a", "b", "c")
    salt = bytes(16)
    have = frozenset((have_prefix(salt, envelope("b").envelope_id),))

    assert names(page(stage, have_salt=salt, have=have).envelopes) == ["a", "c"]


def test_retrieve_never_returns_what_expired():
    stage = Stage()
    stage.keep(envelope("short", expires_ms=NOW_MS + 60_000), envelope("long"))
    stage.now_ms += 60_000

    assert names(page(stage).envelopes) == ["long"]


def test_cursor_of_another_member_starts_from_the_beginning():
    one, other = stocked("a", "b"), Stage(own_id=bytes(32))
    other.keep(envelope("a"), envelope("b"), envelope("c"))

    assert names(page(other, page(one).cursor).envelopes) == ["a", "b", "c"]


def test_cursor_beyond_what_the_disk_has_starts_from_the_beginning():
    one, other = stocked("a", "b", "c"), stocked("a")

    assert names(page(other, page(one).cursor).envelopes) == ["a"]


def test_late_repair_gets_a_new_number_and_is_not_skipped():
    stage = stocked("new")
    cursor = page(stage).cursor
    stage.hear(B, Write(1, (envelope("old"),), late=True))
    stage.commit()

    assert names(page(stage, cursor).envelopes) == ["old"]


def test_bad_record_makes_the_answer_incomplete():
    stage = stocked("a", "b")
    stage.store.spoil(envelope("a").envelope_id)

    found = page(stage)
    assert names(found.envelopes) == ["b"]
    assert found.incomplete


def test_incomplete_node_says_so():
    stage = stocked("a")
    stage.start()

    assert page(stage).incomplete


def notes(found):
    return [names(each.envelopes) for each in of(effects.Notify, found)]


def test_subscribe_gives_the_backlog_then_what_arrives_after_its_commit():
    stage = stocked("a")
    assert notes(stage.do(events.SubscribeAsked(5, query()))) == [["a"]]
    assert notes(stage.do(events.Taken(5))) == []

    assert notes(stage.ask(envelope("b"))) == []
    assert notes(stage.commit()) == [["b"]]


def test_subscribe_to_nothing_gives_its_cursor_at_once():
    assert notes(Stage().do(events.SubscribeAsked(5, query()))) == [[]]


def test_slow_subscriber_gets_one_note_at_a_time_and_skips_nothing():
    stage = stocked("a", "b", "c")
    asked = events.SubscribeAsked(5, query(max_bytes=4_096))
    got = notes(stage.do(asked))
    stage.keep(envelope("d"))
    for _ in range(4):
        got += notes(stage.do(events.Taken(5)))

    assert got == [["a"], ["b"], ["c"], ["d"]]


def test_subscription_resumes_by_its_cursor():
    stage = stocked("a", "b")
    (note,) = of(effects.Notify, stage.do(events.SubscribeAsked(5, query(max_bytes=4_096))))
    stage.do(events.Cancelled(5))

    assert notes(stage.do(events.SubscribeAsked(6, query(note.cursor)))) == [["b"]]


def test_cancelled_subscription_gets_nothing():
    stage = Stage()
    stage.do(events.SubscribeAsked(5, query()))
    stage.do(events.Cancelled(5))
    stage.ask(envelope("a"))

    assert notes(stage.commit()) == []


def test_subscriber_hears_when_the_node_becomes_complete():
    stage = Stage(complete=False)
    (first,) = of(effects.Notify, stage.do(events.SubscribeAsked(5, query())))
    stage.do(events.Taken(5))
    found = stage.turn(2, (OWN,)) + stage.commit()

    assert first.incomplete
    assert [each.incomplete for each in of(effects.Notify, found)] == [False]


def test_subscription_ends_when_the_mailbox_moves():
    stage = Stage()
    stage.do(events.SubscribeAsked(5, query()))
    (reply,) = of(effects.Reply, stage.turn(2))

    assert (reply.request, reply.result.error.reason) == (5, "WRONG_SWARM")


def test_confirmed_envelope_is_gone_for_readers():
    stage = stocked("a", "b")
    stage.hear(B, Write(1, (tombstone(envelope("a")),)))
    stage.commit()

    assert names(page(stage).envelopes) == ["b"]


def test_page_is_bounded_in_entries_too():
    stage = stocked(*map(str, range(5)), tuning=Tuning(page_entries=2))

    found = page(stage, max_bytes=1 << 20)
    assert names(found.envelopes) == ["0", "1"]
    assert found.more


def test_expired_records_leave_the_disk_some_time_after():
    stage = Stage()
    stage.keep(envelope("short", expires_ms=NOW_MS + 60_000))
    stage.now_ms += 60_000
    stage.do(events.Fired("purge"))
    assert stage.commit() == []

    stage.now_ms += stage.tuning.purge_margin_ms
    stage.do(events.Fired("purge"))
    stage.commit()
    assert stage.store.all_ids() == frozenset()
