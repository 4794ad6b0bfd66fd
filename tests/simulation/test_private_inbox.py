"""The private inbox of each mailbox day: who writes where, who reads what, what the mailboxes see of it."""

import pytest

from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.private_inbox import EDGE_MS
from essaim_client.mailbox import patience
from essaim_client.mailbox.swarm_call import SwarmUnreachableError
from people.days import HOUR_MS, friends, given_since, heard, kinds, to_midnight
from people.town import DAY_MS, say, texts, town


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Rounds follow each other at once: what fails, fails at once."""
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0)


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
