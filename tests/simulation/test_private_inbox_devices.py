"""The private inbox of an account: replaced after a block, read by each device, lost by a revoked one, restored."""

import pytest

from essaim.protocol.account import Account
from essaim.protocol.mailbox.policy import Kind
from essaim_client.mailbox import patience
from essaim_client.mailbox.swarm_call import SwarmUnreachableError
from people.days import friends, given_since, heard, kinds
from people.mailboxes import DroppedError
from people.town import DAY_MS, say, texts, town


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Rounds follow each other at once: what fails, fails at once."""
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0)


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


async def test_manager_back_after_months_replaces_an_inbox_that_ended_and_whose_holder_is_blocked(tmp_path):
    """Nothing is signed for the days of the one that ended: there are none."""
    async with town(tmp_path) as here:
        alice, bob, carol = await friends(here, 3)
        second = await here.linked(alice)
        await here.rest(bob, carol, alice, second)
        ended = alice.person.inbox.current()
        for _ in range(5):
            here.later(25)
            await second.rest()
        second.person.contacts.block(bob.account)
        await second.rest()
        here.later(1)
        await alice.rest()
        current = alice.person.inbox.current()
        assert current.name != ended.name and current.until_day > here.mailboxes.now_ms // DAY_MS
        await second.rest()
        await carol.look()
        before = kinds(here)
        await carol.do(carol.person.sender.send_text, alice.account, "to the latest")
        assert given_since(here, before, Kind.PUBLIC_INBOX) == 0
        assert heard(await second.look())[-1:] == heard(await alice.look())[-1:] == ["to the latest"]


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
