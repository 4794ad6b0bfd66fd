"""Who of a swarm wakes a device, when, and what it remembers, event by event."""

from collections.abc import Iterable

from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.payload import registration_hash, slot_hash
from essaim.protocol.mailbox.record import RegistrationRecord, SlotMark, record_id
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.protocol.push.preview import Preview, PreviewKey
from essaim.protocol.push.registration import Registration
from essaim.protocol.push.wake import wake_id
from essaim_storage import effects, events
from essaim_storage.message import Woken
from essaim_storage.tally import NAME_SIZE
from essaim_storage.waker import AnswerTimer, WakeTimer
from simulated.stage import DAY_MS, INBOX, NOW_MS, OWN, OWNER, B, C, Stage, envelope, of, sent, tombstone

HOST, OTHER_NODE = b"p" * 32, b"q" * 32
PUSH_ID = b"i" * 32
TODAY = NOW_MS // DAY_MS
IDS = (OWN, B, C)
MINUTE = 60_000


def registered(
    day: int = TODAY, *, prompt: bool = True, nodes: tuple[bytes, ...] = (HOST,), key: bytes = b"", nonce: int = 0
) -> RegistrationRecord:
    whom = Registration(PUSH_ID, nodes, prompt, key).encoded
    act = Act(INBOX, Method.REGISTER_PUSH, b"\x00", registration_hash(b"\x00", day, whom))
    return RegistrationRecord(INBOX, b"\x00", day, whom, act.authorize(OWNER, NOW_MS, bytes((nonce,)) * 16))


def stage_with(*records: RegistrationRecord, own_id: bytes = OWN, host: bool = True) -> Stage:
    """A member that has these on disk, and a link to the host."""
    stage = Stage(*(each for each in IDS if each != own_id), own_id=own_id)
    for number, record in enumerate(records or (registered(),)):
        stage.do(events.RemoveAsked(100 + number, record))
        stage.commit()
    if host:
        stage.do(events.HostUp(HOST))
    return stage


def ticked(stage: Stage, ms: int = 1_000) -> list[effects.Effect]:
    """So long passes, if a timer wants it."""
    found: list[effects.Effect] = []
    for _ in range(ms // stage.tuning.wake_tick_ms):
        found += stage.do(events.Fired(WakeTimer())) if stage.node.waker.owed else []
    return found


def told(found: Iterable[effects.Effect]) -> list[effects.Wake]:
    return of(effects.Wake, found)


def waited(own_id: bytes) -> int:
    """How many turns this member lets pass: its place in line."""
    stage = stage_with(own_id=own_id)
    stage.keep(envelope("hello"))
    for turns in range(4):
        if told(ticked(stage, 1_000 if turns == 0 else stage.tuning.wake_turn_ms)):
            return turns
    raise AssertionError("it never tells the host")


FIRST, SECOND, THIRD = sorted(IDS, key=waited)
"""In line for this mailbox."""


def test_waker_lets_one_member_tell_and_each_other_wait_its_turn() -> None:
    assert [waited(each) for each in (FIRST, SECOND, THIRD)] == [0, 1, 2]


def test_waker_tells_the_push_id_and_a_wake_id_that_every_member_makes() -> None:
    stage, letter = stage_with(own_id=FIRST), envelope("hello")
    stage.keep(letter)

    [wake] = told(ticked(stage))

    [content] = wake.batch.wakes
    assert wake.to == HOST
    assert (content.push_id, content.wake_id) == (PUSH_ID, wake_id(PUSH_ID, letter.envelope_id))
    assert content.preview == b""


def test_waker_tells_the_others_once_the_host_has_it_and_owes_nothing() -> None:
    stage, letter = stage_with(own_id=FIRST), envelope("hello")
    stage.keep(letter)
    [wake] = told(ticked(stage))
    assert stage.node.waker.owed == 1

    found = stage.do(events.WakesTaken(HOST, wake.batch.batch))

    for member in (SECOND, THIRD):
        assert sent(Woken, found, member) == [Woken((letter.envelope_id[:NAME_SIZE],))]
    assert stage.node.waker.owed == 0


def test_waker_that_hears_of_it_stays_silent() -> None:
    stage, letter = stage_with(own_id=SECOND), envelope("hello")
    stage.keep(letter)
    assert not told(ticked(stage))

    stage.hear(FIRST, Woken((letter.envelope_id[:NAME_SIZE],)))

    assert not told(ticked(stage, 10_000)) and stage.node.waker.owed == 0


def test_waker_takes_over_at_once_from_a_member_that_is_known_dead() -> None:
    stage = stage_with(own_id=SECOND)
    stage.do(events.LinkDown(FIRST))
    stage.do(events.StoreAsked(1, (envelope("hello"),)))
    stage.commit()

    assert told(ticked(stage))


def test_waker_tells_of_what_arrived_while_it_told() -> None:
    stage, later = stage_with(own_id=FIRST), envelope("later")
    stage.keep(envelope("hello"))
    [wake] = told(ticked(stage))
    stage.keep(later)

    stage.do(events.WakesTaken(HOST, wake.batch.batch))
    [second] = told(ticked(stage))

    assert second.batch.wakes[0].wake_id == wake_id(PUSH_ID, later.envelope_id)


def test_waker_makes_one_wake_of_several_envelopes() -> None:
    stage = stage_with(own_id=FIRST)
    stage.keep(*(envelope(str(number)) for number in range(40)))

    [wake] = told(ticked(stage))
    stage.do(events.WakesTaken(HOST, wake.batch.batch))

    assert len(wake.batch.wakes) == 1 and not told(ticked(stage))


def test_waker_owes_nothing_for_what_its_device_has_confirmed() -> None:
    stage, letter = stage_with(own_id=SECOND), envelope("hello")
    stage.keep(letter)
    stage.do(events.RemoveAsked(7, tombstone(letter)))
    stage.commit()

    assert not told(ticked(stage, 5_000)) and stage.node.waker.owed == 0


def test_waker_owes_after_a_crash_what_no_host_has() -> None:
    stage, letter = stage_with(own_id=FIRST), envelope("hello")
    stage.keep(letter)
    told(ticked(stage))  # and no answer

    stage.start()
    stage.do(events.HostUp(HOST))
    [wake] = told(ticked(stage, 10_000))

    assert wake.batch.wakes[0].wake_id == wake_id(PUSH_ID, letter.envelope_id)


def test_waker_notes_on_disk_that_nothing_is_owed_any_more() -> None:
    stage = stage_with(own_id=FIRST)
    stage.keep(envelope("hello"))
    [wake] = told(ticked(stage))
    stage.do(events.WakesTaken(HOST, wake.batch.batch))
    stage.do(events.Fired("purge"))
    stage.commit()

    stage.start()
    stage.do(events.HostUp(HOST))

    assert not told(ticked(stage, 10_000)) and stage.node.waker.owed == 0


def test_waker_does_not_note_what_is_still_owed() -> None:
    stage = stage_with(own_id=FIRST, host=False)
    stage.keep(envelope("hello"))
    ticked(stage)
    stage.do(events.Fired("purge"))
    stage.commit()

    stage.start()
    stage.do(events.HostUp(HOST))

    assert told(ticked(stage, 10_000))


def test_waker_waits_for_a_host_that_is_away() -> None:
    stage = stage_with(own_id=FIRST, host=False)
    stage.keep(envelope("hello"))
    assert not told(ticked(stage, MINUTE))

    stage.do(events.HostUp(HOST))

    assert told(ticked(stage))


def test_waker_tells_the_host_that_was_named_while_it_waited_for_another() -> None:
    stage = stage_with(registered(nodes=(OTHER_NODE,)), own_id=FIRST)
    stage.keep(envelope("hello"))
    assert not told(ticked(stage))

    whom = Registration(PUSH_ID, (HOST,), prompt=True).encoded
    act = Act(INBOX, Method.REGISTER_PUSH, b"\x00", registration_hash(b"\x00", TODAY, whom))
    newer = RegistrationRecord(INBOX, b"\x00", TODAY, whom, act.authorize(OWNER, NOW_MS + 1, bytes(16)))
    stage.do(events.RemoveAsked(200, newer))
    stage.commit()

    assert [each.to for each in told(ticked(stage))] == [HOST]


def test_waker_asks_another_node_of_the_host_when_one_does_not_answer() -> None:
    stage = stage_with(registered(nodes=(HOST, OTHER_NODE)), own_id=FIRST)
    stage.do(events.HostUp(OTHER_NODE))
    stage.keep(envelope("hello"))
    [first] = told(ticked(stage))

    stage.do(events.Fired(AnswerTimer(first.to, first.batch.batch)))
    [second] = told(ticked(stage, MINUTE))

    assert (first.to, second.to) == (HOST, OTHER_NODE)
    assert first.batch.wakes[0].wake_id == second.batch.wakes[0].wake_id
    assert first.batch.batch != second.batch.batch


def test_waker_tells_again_at_once_when_the_link_breaks() -> None:
    stage = stage_with(registered(nodes=(HOST, OTHER_NODE)), own_id=FIRST)
    stage.keep(envelope("hello"))
    told(ticked(stage))
    stage.do(events.HostUp(OTHER_NODE))

    stage.do(events.HostDown(HOST))

    [wake] = told(ticked(stage))
    assert wake.to == OTHER_NODE


def test_waker_comes_back_to_a_busy_host_when_it_said() -> None:
    stage = stage_with(own_id=FIRST)
    stage.keep(envelope("hello"))
    [wake] = told(ticked(stage))

    stage.do(events.WakesTaken(HOST, wake.batch.batch, (0,), 5_000))

    assert not told(ticked(stage, 4_000)) and told(ticked(stage, 2_000))


def test_waker_ignores_an_answer_that_it_does_not_wait_for() -> None:
    stage = stage_with(own_id=FIRST)
    stage.keep(envelope("hello"))
    [wake] = told(ticked(stage))

    assert not sent(Woken, stage.do(events.WakesTaken(OTHER_NODE, wake.batch.batch)))
    assert not sent(Woken, stage.do(events.WakesTaken(HOST, wake.batch.batch + 1)))
    assert stage.node.waker.owed == 1


def test_waker_gives_up_what_no_host_takes_for_a_day() -> None:
    stage = stage_with(own_id=FIRST, host=False)
    stage.keep(envelope("hello"))
    for _ in range(DAY_MS // stage.tuning.purge_every_ms + 1):
        stage.do(events.Fired("purge"))
        stage.commit()

    assert stage.node.waker.owed == 0 and stage.node.waker.forget_given_up() == 1


def test_waker_uses_the_registration_of_the_day() -> None:
    stage = stage_with(registered(TODAY - 1), registered(TODAY), own_id=FIRST)
    assert stage.store.registration(INBOX.mailbox_id, b"\x00", TODAY - 1) is not None
    stage.keep(envelope("hello"))
    stage.now_ms += 4 * DAY_MS  # no registration of these days is left

    assert not told(ticked(stage)) and stage.node.waker.owed == 0


def test_waker_wakes_nobody_once_it_is_taken_back() -> None:
    stage = stage_with(own_id=FIRST)
    act = Act(INBOX, Method.REGISTER_PUSH, b"\x00", registration_hash(b"\x00", TODAY, b""))
    stage.do(
        events.RemoveAsked(
            5, RegistrationRecord(INBOX, b"\x00", TODAY, b"", act.authorize(OWNER, NOW_MS + 1, bytes(16)))
        )
    )
    stage.commit()
    stage.keep(envelope("hello"))

    assert not told(ticked(stage, 5_000))


def test_waker_wakes_no_device_whose_slot_was_dropped() -> None:
    stage, registration = stage_with(own_id=FIRST), registered()
    marked = SlotRecord.sign(OWNER, INBOX.mailbox_id, 0, None, 9).encoded
    act = Act(INBOX, Method.DROP_SLOT, b"", slot_hash(marked))
    stage.do(events.RemoveAsked(5, SlotMark(INBOX, marked, act.authorize(OWNER, NOW_MS + 1, bytes(16)))))
    stage.commit()
    stage.keep(envelope("hello"))

    assert not told(ticked(stage, 5_000))
    assert not stage.store.has(record_id(registration))


def test_waker_owes_for_what_was_here_before_a_registration_that_came_late() -> None:
    stage, letter = Stage(*(each for each in IDS if each != FIRST), own_id=FIRST), envelope("hello")
    stage.do(events.HostUp(HOST))
    late = events.StoreAsked(1, (type(letter)(**{**vars(letter), "received_ms": NOW_MS + 1}),))
    stage.do(late)
    stage.commit()

    stage.do(events.RemoveAsked(2, registered()))
    stage.commit()

    assert told(ticked(stage))


def test_waker_seals_a_preview_that_the_device_alone_opens() -> None:
    key = PreviewKey.derive(bytes(32), PUSH_ID)
    stage, letter = stage_with(registered(key=key.public), own_id=FIRST), envelope("hello")
    stage.keep(letter)

    [wake] = told(ticked(stage))

    preview = Preview.unseal(wake.batch.wakes[0].preview, key, PUSH_ID)
    assert (preview.mailbox_id, preview.envelope_id) == (INBOX.mailbox_id, letter.envelope_id)
    assert (preview.size, preview.head) == (4_096, letter.data[:64])


def test_waker_lets_what_is_not_prompt_wait_longer() -> None:
    def ticks(prompt: bool) -> int:
        stage = stage_with(registered(prompt=prompt), own_id=FIRST)
        stage.random.seed(b"any")
        stage.keep(envelope("hello"))
        return next(number for number in range(300) if told(stage.do(events.Fired(WakeTimer()))))

    assert ticks(True) <= 6 < ticks(False)


def test_waker_tells_the_host_nothing_of_mailbox_and_envelope() -> None:
    key = PreviewKey.derive(bytes(32), PUSH_ID)
    stage, letter = stage_with(registered(key=key.public), own_id=FIRST), envelope("hello")
    stage.keep(letter)

    [wake] = told(ticked(stage))

    message = wake.batch.encode()
    assert PUSH_ID in message
    for known in (INBOX.mailbox_id, INBOX.encoded[1:33], letter.envelope_id, letter.data[:64]):
        assert not [at for at in range(len(known) - 7) if known[at : at + 8] in message]
