"""The private inbox, live: followed over midnight, polled without a stream, read again when its day is over."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from essaim_client.mailbox import patience
from essaim_client.messaging.events import Message
from people.days import HOUR_MS, friends
from people.town import DAY_MS, say, texts, town


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Rounds follow each other at once: what fails, fails at once."""
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0)


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
