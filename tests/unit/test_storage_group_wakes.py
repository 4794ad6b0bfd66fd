"""A group's mailbox wakes every device that asked, each by its own push id, once; and no more than may be."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from essaim.protocol.group.frame import TYPING_ENTRY
from essaim.protocol.kdf import blake2b256
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.payload import registration_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, RegistrationRecord
from essaim.protocol.mailbox.rule import GROUP_REGISTRATIONS
from essaim.protocol.push.registration import Registration
from essaim.protocol.push.wake import wake_id
from essaim_storage import effects, events, quota, waker
from essaim_storage.draft import Draft, Verdict
from essaim_storage.duty import OF_PLACE
from essaim_storage.journal import Settled
from essaim_storage.message import Woken
from essaim_storage.record import record_id
from essaim_storage.tally import NAME_SIZE
from essaim_storage.waker import WakeTimer
from simulated.stage import DAY_MS, NOW_MS, OWN, B, C, Stage, of, sent

READER, WRITER, ADMIN = (SigningKey(bytes((number,)) * 32) for number in (1, 2, 3))
GROUP = Policy.group(READER.public, WRITER.public, ADMIN.public)
HOST = b"p" * 32
TODAY = NOW_MS // DAY_MS
IDS = (OWN, B, C)


def place(number: int) -> bytes:
    return f"{number:032d}".encode()


def push_id(number: int) -> bytes:
    return number.to_bytes(32)


def registered(
    number: int, day: int = TODAY, *, whom: bytes | None = None, time_ms: int = NOW_MS
) -> RegistrationRecord:
    """By a device that is not prompt."""
    told = Registration(push_id(number), (HOST,)).encoded if whom is None else whom
    act = Act(GROUP, Method.REGISTER_PUSH, place(number), registration_hash(place(number), day, told))
    signed = act.authorize(READER, time_ms, number.to_bytes(8) + day.to_bytes(8))
    return RegistrationRecord(GROUP, place(number), day, told, signed)


def spoken(name: str, slot: bytes = b"spoken", time_ms: int = NOW_MS) -> EnvelopeRecord:
    data, expires_ms = name.encode().ljust(4_096, b"\0"), NOW_MS + DAY_MS
    of_id = envelope_id(GROUP.mailbox_id, slot, expires_ms, data)
    signed = Act(GROUP, Method.STORE, slot, of_id, expires_ms).authorize(WRITER, time_ms, bytes(16))
    return EnvelopeRecord(GROUP, of_id, slot, expires_ms, data, 0, signed)


def stage_with(*records: RegistrationRecord, own_id: bytes = OWN) -> Stage:
    stage = Stage(*(each for each in IDS if each != own_id), own_id=own_id)
    keep(stage, *records)
    stage.do(events.HostUp(HOST))
    return stage


def keep(stage: Stage, *records: RegistrationRecord) -> None:
    for number, record in enumerate(records, 2_000):
        stage.do(events.RemoveAsked(number, record))
        stage.commit()


def ticked(stage: Stage, ms: int) -> list[effects.Effect]:
    found: list[effects.Effect] = []
    for _ in range(ms // stage.tuning.wake_tick_ms):
        found += stage.do(events.Fired(WakeTimer())) if stage.node.waker.owed else []
    return found


def wakes(found: Iterable[effects.Effect]) -> list[tuple[bytes, bytes]]:
    return sorted((each.push_id, each.wake_id) for wake in of(effects.Wake, found) for each in wake.batch.wakes)


def everything(stage: Stage) -> list[tuple[bytes, bytes]]:
    """All that this member tells if no other does, and the host takes it."""
    told: list[tuple[bytes, bytes]] = []
    for _ in range(100):
        found = ticked(stage, 100)
        told += wakes(found)
        for each in of(effects.Wake, found):
            stage.do(events.WakesTaken(HOST, each.batch.batch))
    return sorted(told)


def test_group_wakes_every_device_by_its_own_push_id() -> None:
    stage, word = stage_with(*map(registered, range(3))), spoken("hello")
    stage.keep(word)

    told = everything(stage)

    assert told == [(push_id(each), wake_id(push_id(each), word.envelope_id)) for each in range(3)]
    assert stage.node.waker.owed == 0


def test_group_wakes_nobody_who_took_it_back_or_asked_for_another_time() -> None:
    stage = stage_with(registered(0), registered(1, TODAY + 5), registered(2))
    keep(stage, registered(2, whom=b"", time_ms=NOW_MS + 1))
    stage.keep(spoken("hello"))

    assert [push for push, _ in everything(stage)] == [push_id(0)]


def test_group_devices_are_not_told_at_one_moment() -> None:
    """Though all of them wait for the same word: within the jitter, in several batches."""
    stage = stage_with(*map(registered, range(20)))
    stage.keep(spoken("hello"))

    found = [ticked(stage, 100) for _ in range(100)]

    moments = [number for number, each in enumerate(found) if wakes(each)]
    assert len(moments) > 5


def test_group_wakes_nobody_for_who_is_typing_nor_after_a_start() -> None:
    stage = stage_with(*map(registered, range(3)))
    stage.keep(spoken("hello"))
    everything(stage)

    stage.keep(spoken("...", slot=TYPING_ENTRY))

    assert stage.node.waker.owed == 0
    assert all(slot != TYPING_ENTRY for _, _, slot, _ in stage.store.registered_after(0))


def test_group_wakes_once_for_several_words_of_a_commit_though_an_old_one_is_the_last() -> None:
    """One that a member fetched, which came long ago: it wakes nobody, and keeps the others from nothing."""
    stage = stage_with(registered(0))
    fresh, old = spoken("new"), spoken("old", time_ms=NOW_MS - 2 * stage.tuning.wake_recent_ms)
    records = spoken("first"), fresh, old
    for each in records[:2]:
        stage.keep(each)
    everything(stage)
    kept = enumerate(records, 50)
    words = [Settled(number, each.envelope_id, each, Verdict.KEPT, number) for number, each in kept]

    stage.node.waker.arrived(words, NOW_MS)

    assert [woken for _, woken in everything(stage)] == [wake_id(push_id(0), fresh.envelope_id)]


def test_group_word_stays_owed_when_another_was_told() -> None:
    """Members commit the same words in other batches. A wake too many is better than one too few."""
    words = [spoken("one"), spoken("two")]
    stage = stage_with(registered(0))
    for word in words:
        stage.keep(word)

    stage.hear(B, Woken((blake2b256(OF_PLACE, words[1].envelope_id, place(0))[:NAME_SIZE],)))

    assert [woken for _, woken in everything(stage)] == [wake_id(push_id(0), words[0].envelope_id)]


def test_group_of_many_is_looked_at_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waker, "LOOKED_AT", 8)
    stage = stage_with(*map(registered, range(20)))
    stage.keep(spoken("hello"))
    stage.do(events.HostDown(HOST))
    ticked(stage, 5_000)

    stage.do(events.HostUp(HOST))
    found = [ticked(stage, stage.tuning.wake_tick_ms) for _ in range(400)]  # its turn in line, too

    assert all(len(wakes(each)) <= 8 for each in found) and sum(len(wakes(each)) for each in found) == 20


def test_members_say_of_each_device_apart_that_it_was_woken() -> None:
    """Who hears of one place goes on owing the others; who hears of all owes nobody."""
    one, other = (stage_with(registered(0), registered(1), own_id=each) for each in (OWN, B))
    word = spoken("hello")
    for stage in (one, other):
        stage.do(events.StoreAsked(1, (word,)))
        stage.commit()
    assert other.node.waker.owed == 2

    said: list[Woken] = []
    for owed in (1, 0):
        batch = next(each for each in iter(lambda: of(effects.Wake, ticked(one, 100)), None) if each)[0].batch
        heard = sent(Woken, one.do(events.WakesTaken(HOST, batch.batch)), B)
        for message in heard:
            other.hear(OWN, message)
        said += heard
        if other.node.waker.owed == 0:
            break
        assert other.node.waker.owed == owed
    assert len({name for message in said for name in message.names}) == 2
    assert not wakes(ticked(other, 20_000)) and other.node.waker.owed == 0


def test_group_owes_every_device_after_a_start() -> None:
    stage = stage_with(*map(registered, range(3)))
    stage.keep(spoken("hello"), spoken("and"), spoken("goodbye"))
    assert stage.node.waker.owed == 3

    stage.start()
    stage.do(events.HostUp(HOST))

    assert [push for push, _ in everything(stage)] == [push_id(each) for each in range(3)]


def test_late_registration_is_told_of_the_newest_words_alone_of_itself() -> None:
    """More was said before than a duty names: the newest count; nobody else is woken again."""
    stage = stage_with(registered(0))
    stage.keep(*(spoken(str(number)) for number in range(40)))
    everything(stage)

    keep(stage, registered(1))

    assert [push for push, _ in everything(stage)] == [push_id(1)]


def test_group_takes_so_many_registrations_and_replaces_them() -> None:
    """A thousand real ones cost too much here: the store is told of them without their signatures."""
    stage = stage_with()
    draft = Draft(stage.store, 0, NOW_MS)
    for number in range(quota.TOLERANCE * GROUP_REGISTRATIONS):
        record = registered(number) if number < 2 else replace(registered(0), slot=place(number))
        assert draft.add(number.to_bytes(32), record, coordinated=False) is Verdict.KEPT
    over = replace(registered(0), slot=b"x" * 32)
    assert draft.add(b"o" * 32, over, coordinated=False) is Verdict.OVER
    again = registered(1, time_ms=NOW_MS + 1)
    assert draft.add(record_id(again), again, coordinated=False) is Verdict.KEPT


@pytest.mark.parametrize(("known", "crowded"), [(GROUP_REGISTRATIONS - 1, False), (GROUP_REGISTRATIONS, True)])
def test_member_that_is_asked_refuses_one_too_many(known: int, crowded: bool) -> None:
    store = stage_with().store
    added = [(place(number), TODAY) for number in range(known)]

    assert quota.is_crowded(store, registered(9_999), added) is crowded
    assert not quota.is_crowded(store, registered(5), added), "its own is replaced"
