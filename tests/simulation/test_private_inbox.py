"""The private inbox of each mailbox day: who writes where, who reads what, what the mailboxes see of it."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from essaim.protocol.account import Account
from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.private_inbox import EDGE_MS
from essaim_client.mailbox import patience
from essaim_client.mailbox.swarm_call import SwarmUnreachableError
from essaim_client.messaging.events import Message
from people.mailboxes import DroppedError
from people.town import DAY_MS, say, texts, town

HOUR_MS = 3_600_000
NOON_MS = DAY_MS // 2


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Rounds follow each other at once: what fails, fails at once."""
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0)


async def friends(here, count=2):
    """Everybody has written to the first and was answered; nothing is on its way."""
    first, *others = [await here.person() for _ in range(count)]
    for other in others:
        await say(other, first, "hello")
        await first.look()
        await say(first, other, "hello to you")
        await other.look()
        await first.look()
    await here.rest(first, *others)
    return [first, *others]


def kinds(here) -> dict[Kind, int]:
    """How many envelopes each kind of mailbox was given so far, in those that have any."""
    counted = dict.fromkeys(Kind, 0)
    for place in here.mailboxes.places.values():
        for record in place.kept:
            counted[record.policy.kind] += 1
    return counted


def given_since(here, before, kind) -> int:
    return kinds(here)[kind] - before[kind]


def to_midnight(here, offset_ms: int) -> None:
    """So long after (before) the next midnight but one."""
    now_ms = here.mailboxes.now_ms
    here.mailboxes.now_ms = (now_ms // DAY_MS + 2) * DAY_MS + offset_ms


def heard(events) -> list[str]:
    return [event.text for event in events if isinstance(event, Message)]


async def test_contacts_write_to_the_private_inbox_of_the_day_from_acceptance_on(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        before = kinds(here)
        await say(alice, bob, "a request")
        assert given_since(here, before, Kind.PRIVATE_INBOX) == 0
        await bob.look()
        bob.person.contacts.accept(alice.account)
        await bob.person.errands.finish()
        await alice.look()
        before = kinds(here)
        for number in range(3):
            await say(alice, bob, f"from alice {number}")
            await bob.look()
            await say(bob, alice, f"from bob {number}")
            await alice.look()
        assert given_since(here, before, Kind.PUBLIC_INBOX) == 0
        assert given_since(here, before, Kind.PRIVATE_INBOX) == 6
        assert len(texts(bob, alice)) == 7 and texts(alice, bob) == texts(bob, alice)
        assert not alice.waiting() and not bob.waiting()  # all of it was confirmed where it lay


async def test_each_day_has_another_mailbox_and_no_key_twice(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        for number in range(8):
            here.later(1)
            await say(alice, bob, f"day {number}")
            await bob.rest()
            await say(bob, alice, f"day {number}")
            await alice.rest()
        records = [
            record
            for place in here.mailboxes.places.values()
            for record in place.kept
            if record.policy.kind == Kind.PRIVATE_INBOX
        ]
        policies = {record.policy for record in records}
        keys = [key for policy in policies for key in (policy.read_key, policy.write_key)]
        slots = {record for place in here.mailboxes.places.values() for record in place.slot_records}
        assert len(policies) >= 16 and len(set(keys)) == len(keys)
        by_key = {}
        for record in slots:
            by_key.setdefault(record.slot_key, set()).add(record.mailbox_id)
        assert len(by_key) >= 16 and all(len(mailboxes) == 1 for mailboxes in by_key.values())
        public = {alice.account.identity, bob.account.identity}
        devices = {gadget.person.profile.device.keys.signing.public for gadget in (alice, bob)}
        assert not (public | devices) & (set(keys) | by_key.keys())


async def test_two_weeks_of_days_are_read_with_one_request_a_member_and_day(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        for number in range(13):
            here.later(1)
            await say(bob, alice, f"day {number}")
            await bob.rest()
        here.mailboxes.now_ms += DAY_MS - HOUR_MS
        before = here.mailboxes.asked["Retrieve"]
        assert heard(await alice.person.receive()) == [f"day {number}" for number in range(13)]
        assert here.mailboxes.asked["Retrieve"] - before <= 16
        await alice.person.errands.finish()
        before = here.mailboxes.asked["Retrieve"]
        assert heard(await alice.person.receive()) == []
        assert here.mailboxes.asked["Retrieve"] - before <= 3  # days that are over were read to their end


@pytest.mark.parametrize(("offset_ms", "skew_ms"), [(-1, 60_000), (0, -60_000), (EDGE_MS - 1, -60_000)])
async def test_clocks_that_differ_at_midnight_lose_nothing(tmp_path, offset_ms, skew_ms):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        to_midnight(here, offset_ms - EDGE_MS)
        await alice.rest()
        await bob.rest()
        to_midnight(here, offset_ms - 2 * DAY_MS)  # the same midnight
        here.mailboxes.now_ms += skew_ms
        await say(alice, bob, "at the edge")
        here.mailboxes.now_ms -= skew_ms
        assert heard(await bob.look()) == ["at the edge"]


async def test_what_is_stored_late_is_told_and_read(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        here.mailboxes.closed = {"Store"}
        with pytest.raises(SwarmUnreachableError):
            await say(alice, bob, "sealed today")
        here.mailboxes.closed = set()
        here.later(3)
        await bob.look()
        assert heard(await bob.look()) == []
        day = {waiting.day for waiting in alice.person.profile.store.waiting()}
        assert day and day != {0}
        await alice.person.sender.mail.flush()
        await alice.person.errands.finish()
        assert heard(await bob.look()) == ["sealed today"]


async def test_blocking_or_removing_somebody_replaces_the_inbox_and_loses_nothing(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = await friends(here, 3)
        first = alice.person.inbox.current()
        here.mailboxes.closed = {"Store"}  # carol's letter is sealed for the inbox that is about to be replaced
        with pytest.raises(SwarmUnreachableError):
            await say(carol, alice, "on its way")
        here.mailboxes.closed = set()
        alice.person.contacts.block(bob.account)
        await alice.person.errands.finish()
        second = alice.person.inbox.current()
        assert second.name != first.name and second.newer_than(first)
        await say(bob, alice, "let me in")
        await carol.person.sender.mail.flush()
        assert heard(await alice.look()) == ["on its way"]
        await carol.look()
        await say(carol, alice, "to the new one")
        assert heard(await alice.look()) == ["to the new one"]
        book = {gadget: gadget.person.fan_out._addresses for gadget in (bob, carol)}
        now_ms = here.mailboxes.now_ms
        day = now_ms // DAY_MS
        assert book[carol].address(alice.account, 0, now_ms).policy == second.policy(day)
        assert book[bob].address(alice.account, 0, now_ms).policy == first.policy(day)
        alice.person.contacts.remove(carol.account)
        await alice.person.errands.finish()
        third = alice.person.inbox.current()
        assert third.name not in (first.name, second.name)
        here.later(31)  # what was written there two weeks later has expired, too
        await alice.rest()
        assert [each.name for each, _ in alice.person.inbox.reached_by(here.mailboxes.now_ms)] == [third.name]
        await say(bob, alice, "still here")  # two weeks of silence: to the public inbox, and blocked there too
        assert heard(await alice.look()) == []


async def test_who_has_heard_nothing_for_two_weeks_writes_to_the_public_inbox(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        here.later(13)
        before = kinds(here)
        await say(bob, alice, "private still")
        assert given_since(here, before, Kind.PRIVATE_INBOX) >= 1
        here.later(2)
        await bob.rest()
        before = kinds(here)
        await say(bob, alice, "in public")
        assert given_since(here, before, Kind.PUBLIC_INBOX) == 1
        here.later(1)
        assert {"private still", "in public"} <= set(heard(await alice.look()))
        await say(alice, bob, "I am back")
        await bob.look()
        before = kinds(here)
        await say(bob, alice, "private again")
        assert given_since(here, before, Kind.PUBLIC_INBOX) == 0
        assert heard(await alice.look()) == ["private again"]


async def test_device_without_the_accounts_keys_reads_by_records_signed_ahead(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        second = await here.linked(alice)
        assert second.person.profile.account is None
        await here.rest(bob, alice, second)
        for days in (1, 13, 13, 13, 13):  # the manager is away; the records reach 60 days
            here.later(days)
            await bob.do(bob.person.sender.send_text, alice.account, f"after {days}")
            assert heard(await second.look())[-1:] == [f"after {days}"]
            await second.rest()
            await bob.rest()
        before = kinds(here)
        await bob.do(bob.person.sender.send_text, alice.account, "private")
        assert given_since(here, before, Kind.PUBLIC_INBOX) == 0
        here.later(20)
        await second.rest()
        await second.do(second.person.sender.send_text, bob.account, "hello")
        await bob.look()
        before = kinds(here)
        await bob.do(bob.person.sender.send_text, alice.account, "nobody signed for today")
        assert given_since(here, before, Kind.PRIVATE_INBOX) == 0
        assert "nobody signed for today" in heard(await second.look())


async def test_revoked_device_reads_no_day_any_more_and_the_others_have_a_new_inbox(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        second = await here.linked(alice)
        await here.rest(bob, alice, second)
        before, days = alice.person.inbox.current(), second.person.days
        accesses = [*second.person.inbox.open(here.mailboxes.now_ms)]
        assert accesses
        await alice.person.devices.revoke(second.slot)
        assert alice.person.inbox.current().name != before.name
        for access in (*accesses, *days.over()):
            with pytest.raises(DroppedError):
                here.mailboxes.check_reading(access)
        for ahead in range(15):  # and those to come by what it was given
            day = here.mailboxes.now_ms // DAY_MS + ahead
            with pytest.raises(DroppedError):
                here.mailboxes.check_reading(second.person.inbox.access(before, day))
        await alice.person.errands.finish()
        await bob.look()
        await say(bob, alice, "for one device")
        assert heard(await alice.look()) == ["for one device"]
        assert second.person.inbox.current().name == before.name  # it was not given the new one


async def test_account_restored_from_its_phrase_reads_its_private_inbox(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        current, keys = alice.person.inbox.current(), alice.person.profile.keys
        again = await here.person(Account(keys.seed))
        assert again.person.inbox.current().name == current.name
        bob.person.directory.forget(alice.account)
        before = kinds(here)
        await bob.do(bob.person.sender.send_text, again.account, "to the new device")
        assert given_since(here, before, Kind.PUBLIC_INBOX) == 0
        assert heard(await again.look())[-1:] == ["to the new device"]


async def test_old_copy_that_knows_an_old_inbox_is_written_to_in_public_until_it_knows_better(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = await friends(here, 3)
        await alice.stop()
        copy = alice.copy()
        alice.start()
        alice.person.contacts.block(carol.account)
        await alice.look()
        await bob.look()
        here.later(20)
        await here.rest(alice, bob)
        await alice.stop()
        alice.put_back(copy)
        alice.start()
        await here.rest(alice, bob, rounds=3)
        await say(bob, alice, "do you hear me?")
        assert "do you hear me?" in [*heard(await alice.look()), *texts(alice, bob)]
        assert texts(alice, bob) == texts(bob, alice)


async def test_two_managers_that_make_the_first_inbox_at_once_agree_on_one(tmp_path):
    async with town(tmp_path) as here:
        alice = await here.person()
        second = await here.linked(alice, manager=True)
        bob = await here.person()
        now_ms = here.mailboxes.now_ms
        alice.person.inbox.replace(now_ms)
        second.person.inbox.replace(now_ms)
        await say(bob, alice, "hello")
        await here.rest(alice, second, bob, rounds=3)
        alice.person.contacts.accept(bob.account)
        await here.rest(alice, second, bob, rounds=2)
        assert alice.person.inbox.current() == second.person.inbox.current()
        assert len(alice.person.inbox.reached_by(here.mailboxes.now_ms)) == 3
        await bob.do(bob.person.sender.send_text, alice.account, "to both")
        for gadget in (alice, second):
            assert heard(await gadget.look())[-1:] == ["to both"]


# Live


@asynccontextmanager
async def listening(gadget):
    """What it hears, by a queue, from the time at which it is live."""
    told, person = asyncio.Queue(), gadget.person

    async def hear():
        async with aclosing(person.receiver.follow()) as events:
            async for event in events:
                if isinstance(event, Message):
                    told.put_nowait(event.text)

    task = asyncio.create_task(hear())
    try:
        await asyncio.wait_for(person.receiver.live.wait(), 10)
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def at(here, gadget, now_ms: int) -> None:
    """It is that time, and the device has noticed."""
    here.mailboxes.now_ms = now_ms
    gadget.person.days.wake()
    for _ in range(50):
        await asyncio.sleep(0)
    await asyncio.wait_for(gadget.person.receiver.live.wait(), 10)


async def test_listener_is_handed_over_at_midnight_without_a_gap_or_repeat(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        midnight = (here.mailboxes.now_ms // DAY_MS + 1) * DAY_MS
        here.mailboxes.now_ms = midnight - HOUR_MS
        said = []
        async with listening(bob) as told:
            followed = []
            for offset_ms in range(-HOUR_MS, HOUR_MS, 4 * 60_000):
                await at(here, bob, midnight + offset_ms)
                said.append(f"{offset_ms}")
                await say(alice, bob, said[-1])
                assert await asyncio.wait_for(told.get(), 10) == said[-1]
                followed.append(sum(map(bool, here.mailboxes.streams.values())))
            await bob.person.errands.finish()
            assert told.empty() and {2, 3} == set(followed) and followed[0] == followed[-1] == 2
        assert not any(here.mailboxes.streams.values()) and not here.mailboxes.lanes.open
        assert texts(bob, alice)[-len(said) :] == said


async def test_listener_reads_what_came_while_no_stream_could_be_held(tmp_path, monkeypatch):
    monkeypatch.setattr("essaim_client.mailbox.following.POLL_SECONDS", 0.01)
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        async with listening(bob) as told:
            here.mailboxes.streamless = True
            here.mailboxes.away = True
            here.mailboxes.cut()
            await asyncio.sleep(0)
            here.mailboxes.away = False
            await say(alice, bob, "polled")
            assert await asyncio.wait_for(told.get(), 10) == "polled"
            assert not bob.person.receiver.live.is_set()
            here.mailboxes.streamless = False
            await asyncio.wait_for(bob.person.receiver.live.wait(), 10)
            await say(alice, bob, "live")
            assert await asyncio.wait_for(told.get(), 10) == "live" and told.empty()


async def test_days_that_are_over_are_read_again_each_at_a_time_of_its_own(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await friends(here)
        for _ in range(14):
            here.later(1)
            await bob.rest()
        await alice.look()
        days, hours = alice.person.days, []
        assert len(days.over()) == 14 and days.due() == []
        for hour in range(24):
            here.mailboxes.now_ms += HOUR_MS
            hours += [hour] * len(days.due())
            days.read(days.due())
        assert len(set(hours)) >= 5 and 10 <= len(hours) <= 60  # some 28 are expected
