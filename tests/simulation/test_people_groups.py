"""Closed groups of people with several devices: who is in, what each may do, and that all of them show the same."""

import pytest

from essaim.protocol.group.frame import FrameKind
from essaim.protocol.group.record import GroupNameRefusedError
from essaim_client.messaging import group_intake
from essaim_client.messaging.events import Disappearing, GroupChanged, GroupInvited, InGroup, Message
from essaim_client.messaging.group_book import UnknownGroupError
from essaim_client.messaging.group_talk import NotInGroupError
from essaim_client.messaging.groups import GroupForbiddenError
from essaim_client.messaging.sender import UnknownMessageError
from people.town import say, town


def texts(gadget, group_id):
    return [each.text for each in gadget.person.groups.history(group_id)]


def members(gadget, group_id):
    return {str(each.account)[-6:]: each.role for each in gadget.person.groups.get(group_id).members}


async def settled(here, *gadgets, rounds=2):
    for _ in range(rounds):
        for gadget in gadgets:
            await gadget.look()


async def group_of(here, founder, *others, name="us"):
    """A group of these, all joined."""
    info = await founder.person.groups.create(name, [each.account for each in others])
    for each in others:
        await each.look()
        await each.person.groups.accept(info.group_id)
    await settled(here, founder, *others)
    return info.group_id


async def test_group_is_founded_joined_and_spoken_in(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        info = await alice.person.groups.create("climbing", [bob.account, carol.account])
        [invited] = [event for event in await bob.look() if isinstance(event, GroupInvited)]
        assert (invited.name, invited.inviter) == ("climbing", alice.account)
        with pytest.raises(NotInGroupError):
            await bob.person.groups.send(info.group_id, "too early")
        await bob.person.groups.accept(info.group_id)
        joined = [event for event in await alice.look() if isinstance(event, GroupChanged)]
        assert ("join", bob.account) in [(event.act, event.subject) for event in joined]
        await alice.person.groups.send(info.group_id, "hello")
        [said] = [event for event in await bob.look() if isinstance(event, InGroup)]
        assert isinstance(said.event, Message) and said.event.sender == alice.account and not said.event.request
        await bob.person.groups.send(info.group_id, "hi")
        await settled(here, alice, bob, carol)
        assert texts(alice, info.group_id) == texts(bob, info.group_id) == ["hello", "hi"]
        assert members(alice, info.group_id) == {
            str(alice.account)[-6:]: "admin",
            str(bob.account)[-6:]: "member",
            str(carol.account)[-6:]: "invited",
        }
        assert texts(carol, info.group_id) == []
        await carol.person.groups.accept(info.group_id)
        await settled(here, alice, bob, carol)
        await bob.person.groups.send(info.group_id, "welcome")
        await settled(here, alice, bob, carol)
        assert texts(carol, info.group_id) == ["welcome"]


async def test_replies_reactions_edits_and_unsending_reach_all(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        group = await group_of(here, alice, bob, carol)
        hello = await alice.person.groups.send(group, "hello")
        gone = await alice.person.groups.send(group, "gone soon")
        await settled(here, bob, carol)
        await bob.person.groups.send(group, "an answer", reply_to=hello.message_id)
        await carol.person.groups.react(group, hello.message_id, "+")
        await alice.person.groups.edit(group, hello.message_id, "hello, all")
        await alice.person.groups.unsend(group, gone.message_id)
        with pytest.raises(UnknownMessageError):
            await bob.person.groups.edit(group, hello.message_id, "mine")
        await settled(here, alice, bob, carol)
        for each in (alice, bob, carol):
            first, answer = each.person.groups.history(group)
            assert (first.text, first.reactions) == ("hello, all", ((carol.account.raw, "+"),))
            assert answer.reply_to == hello.message_id
        await alice.person.groups.set_timer(group, Disappearing(60_000))
        await bob.look()
        await bob.person.groups.send(group, "a minute")
        await settled(here, alice, carol)
        here.mailboxes.now_ms += 60_001
        for each in (alice, bob, carol):
            each.person.vanishing.now()
            assert "a minute" not in texts(each, group)


async def test_removed_member_reads_nothing_more(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, mallory = [await here.person() for _ in range(3)]
        group = await group_of(here, alice, bob, mallory)
        await mallory.person.groups.send(group, "before")
        await settled(here, alice, bob)
        keys = mallory.person.grouping.book.get(group)
        known = dict(keys.epochs)
        await alice.person.groups.remove(group, mallory.account)
        await alice.person.groups.send(group, "without mallory")
        await settled(here, bob, mallory)
        await bob.person.groups.send(group, "yes")
        await settled(here, alice, bob, mallory)
        await here.rest(alice, bob, mallory, rounds=3)
        assert texts(alice, group) == texts(bob, group) == ["before", "without mallory", "yes"]
        assert texts(mallory, group) == ["before"]
        with pytest.raises(NotInGroupError):
            await mallory.person.groups.send(group, "still here?")
        assert mallory.person.groups.all() == []
        fresh = {each.epoch_id: each for each in alice.person.grouping.book.get(group).epochs.values()}
        assert alice.person.grouping.book.get(group).epoch.epoch_id not in known
        assert not set(mallory.person.grouping.book.get(group).epochs) - set(known) and len(fresh) == 2


async def test_two_admins_at_once_converge(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol, dave, eve = [await here.person() for _ in range(5)]
        group = await group_of(here, alice, bob, carol)
        await alice.person.groups.promote(group, bob.account)
        await settled(here, bob, carol)
        await alice.person.groups.rename(group, "by alice")
        await bob.person.groups.rename(group, "by bob")
        await alice.person.groups.invite(group, dave.account)
        await bob.person.groups.invite(group, eve.account)
        await bob.person.groups.remove(group, carol.account)
        await alice.person.groups.send(group, "from alice")
        await bob.person.groups.send(group, "from bob")
        await settled(here, alice, bob, dave, eve, rounds=3)
        await dave.person.groups.accept(group)
        await eve.person.groups.accept(group)
        await settled(here, alice, bob, dave, eve, rounds=3)
        shown = [(each.person.groups.get(group).name, members(each, group)) for each in (alice, bob, dave, eve)]
        assert all(each == shown[0] for each in shown) and len(shown[0][1]) == 4
        for number, each in enumerate((alice, bob, dave, eve)):
            await each.person.groups.send(group, f"text {number}")
            await settled(here, alice, bob, dave, eve)
        await here.rest(alice, bob, dave, eve, rounds=3)
        assert texts(alice, group) == texts(bob, group)
        assert texts(dave, group)[-4:] == texts(eve, group)[-4:] == ["text 0", "text 1", "text 2", "text 3"]


async def test_only_admins_change_and_only_juniors_of_theirs(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        group = await group_of(here, alice, bob, carol)
        does = bob.person.groups
        for refused in (
            does.invite(group, carol.account),
            does.remove(group, carol.account),
            does.rename(group, "mine"),
            does.promote(group, bob.account),
            does.set_picture(group, None),
        ):
            with pytest.raises(GroupForbiddenError):
                await refused
        with pytest.raises(GroupNameRefusedError):
            await alice.person.groups.rename(group, "")
        with pytest.raises(UnknownGroupError):
            await alice.person.groups.send(bytes(32), "x")
        await alice.person.groups.promote(group, bob.account)
        await settled(here, bob, carol)
        with pytest.raises(GroupForbiddenError):
            await bob.person.groups.remove(group, alice.account)
        await bob.person.groups.promote(group, carol.account)
        await settled(here, alice, carol)
        assert carol.person.grouping.book.get(group).admin_seed == alice.person.grouping.book.get(group).admin_seed
        await alice.person.groups.demote(group, bob.account)
        await settled(here, alice, bob, carol)
        book = [each.person.grouping.book.get(group) for each in (alice, bob, carol)]
        assert book[0].admin_seed == book[2].admin_seed != book[1].admin_seed
        assert members(bob, group)[str(bob.account)[-6:]] == "member"
        await alice.person.groups.leave(group)
        await settled(here, bob, carol)
        assert members(carol, group)[str(carol.account)[-6:]] == "admin"


async def test_every_device_of_a_member_shows_the_group_also_one_that_is_linked_later(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = [await here.person() for _ in range(2)]
        group = await group_of(here, alice, bob)
        await alice.person.groups.send(group, "early")
        await settled(here, bob)
        second = await here.linked(bob)
        await here.rest(bob, second, rounds=3)
        assert texts(second, group) == ["early"]
        await second.person.groups.send(group, "from the new one")
        await settled(here, alice, bob)
        alice.person.contacts.acknowledge(bob.account)
        await here.rest(alice, bob, second, rounds=3)
        assert texts(alice, group) == texts(bob, group) == texts(second, group) == ["early", "from the new one"]
        await alice.person.groups.send(group, "to both")
        await settled(here, bob, second)
        assert texts(second, group)[-1] == "to both"


async def test_revoked_device_reads_nothing_more(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = [await here.person() for _ in range(2)]
        second = await here.linked(bob)
        group = await group_of(here, alice, bob)
        await here.rest(alice, bob, second, rounds=2)
        await alice.person.groups.send(group, "to both")
        await settled(here, bob, second)
        assert texts(second, group) == ["to both"]
        await bob.person.devices.revoke(second.slot)
        await here.rest(bob, alice, rounds=2)
        await alice.person.groups.send(group, "to one")
        await settled(here, bob)
        await bob.person.groups.send(group, "yes")
        await settled(here, alice, bob)
        with pytest.raises(Exception):  # noqa: B017  # its slot is gone
            await second.look()
        await second.person.grouping.days.receive()
        assert texts(second, group) == ["to both"]
        assert texts(bob, group) == texts(alice, group) == ["to both", "to one", "yes"]


async def test_group_idle_for_a_year_goes_on(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        group = await group_of(here, alice, bob, carol)
        await alice.person.groups.send(group, "see you next year")
        await settled(here, bob, carol)
        here.later(365)
        await alice.rest()
        await alice.person.groups.send(group, "happy new year")
        await here.rest(bob, alice, rounds=2)
        await bob.person.groups.send(group, "and to you")
        await here.rest(alice, bob, carol, rounds=4)
        for each in (alice, bob, carol):
            assert texts(each, group) == ["see you next year", "happy new year", "and to you"]


async def test_member_away_for_a_year_finds_the_group_that_has_changed(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol, dave = [await here.person() for _ in range(4)]
        group = await group_of(here, alice, bob, carol, dave)
        await alice.person.groups.remove(group, dave.account)
        await settled(here, bob)
        await alice.person.groups.promote(group, bob.account)
        await alice.person.groups.rename(group, "changed")
        await settled(here, bob)
        await alice.person.groups.send(group, "while you were away")
        await settled(here, bob)
        for _ in range(2):
            here.later(180)
            await here.rest(alice, bob, rounds=1)
        await here.rest(carol, alice, bob, rounds=5)
        assert carol.person.groups.get(group).name == "changed" and texts(carol, group) == ["while you were away"]
        await alice.person.groups.send(group, "welcome back")
        await here.rest(carol, alice, bob, rounds=2)
        assert texts(carol, group)[-1] == "welcome back"


async def test_what_was_said_directly_and_in_the_group_stay_apart(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = [await here.person() for _ in range(2)]
        group = await group_of(here, alice, bob)
        await alice.person.groups.send(group, "in the group")
        await say(alice, bob, "direct")
        await settled(here, bob)
        assert [each.text for each in bob.person.history(alice.account)] == ["direct"]
        assert [each.text for each in bob.person.history()] == ["direct"]
        assert texts(bob, group) == ["in the group"]
        assert bob.person.contacts.requests() == [alice.account]


async def test_backup_brings_back_what_was_said_and_the_phrase_finds_the_group_again(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = [await here.person() for _ in range(2)]
        group = await group_of(here, alice, bob)
        await alice.person.groups.send(group, "kept")
        gone = (await alice.person.groups.create("left behind")).group_id
        await alice.person.groups.send(gone, "not kept")
        await alice.person.groups.leave(gone)
        await here.rest(alice, bob)
        file, lock = tmp_path / "backup", alice.person.backups.lock(None)
        alice.person.backups.write(file, lock)
        again = await here.person(alice.person.profile.keys)  # from the phrase; the old device is lost
        result = await again.person.backups.bring_back(file, lock)
        assert result.added == 1 and again.person.history() == [] and again.person.contacts.requests() == []
        await here.rest(again, bob)
        bob.person.contacts.acknowledge(alice.account)
        here.later(1)
        await here.rest(again, bob, rounds=4)
        assert texts(again, group) == ["kept"]
        await again.person.groups.send(group, "back")
        await here.rest(bob, again)
        assert texts(bob, group) == texts(again, group) == ["kept", "back"]


async def test_picture_is_small_and_without_metadata(tmp_path):
    from PIL import Image

    async with town(tmp_path) as here:
        alice, bob = [await here.person() for _ in range(2)]
        group = await group_of(here, alice, bob)
        path = tmp_path / "picture.png"
        Image.new("RGB", (640, 480), "green").save(path)
        await alice.person.groups.set_picture(group, path)
        await settled(here, bob)
        picture = bob.person.groups.get(group).picture
        assert picture[:2] == b"\xff\xd8" and len(picture) <= 8_192
        await alice.person.groups.set_picture(group, None)
        await settled(here, bob)
        assert bob.person.groups.get(group).picture == b""


async def test_unsending_that_an_old_copy_lacks_and_nobody_read_is_said_again(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = [await here.person() for _ in range(2)]
        group = await group_of(here, alice, bob)
        unsent = await bob.person.groups.send(group, "not so")
        await settled(here, alice)
        await bob.stop()
        copy = bob.copy()
        bob.start()
        await bob.person.groups.unsend(group, unsent.message_id)
        await bob.stop()
        bob.put_back(copy)
        bob.start()
        here.later(33)  # what waited for Alice is gone
        await settled(here, alice)
        assert texts(alice, group) == ["not so"]
        await here.rest(bob, alice)
        assert texts(alice, group) == texts(bob, group) == []


async def test_text_that_a_flood_of_frames_pushed_out_is_asked_for_when_somebody_follows_it(tmp_path, monkeypatch):
    """Its chain was lost, so it waited; anybody who knows the mailbox's keys can fill the place where it does."""
    monkeypatch.setattr(group_intake, "WAITING_MAX", 16)
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        group = await group_of(here, alice, bob, carol)
        await bob.person.groups.send(group, "readable")
        await settled(here, alice, carol)
        kept, store = carol.person.grouping.book.store, carol.person.profile.store
        store._db.execute("DELETE FROM group_chain")
        await bob.person.groups.send(group, "pushed out")
        posting, flooded = alice.person.grouping.posting, alice.person.grouping.book.get(group)
        with alice.person.profile.store.transaction():
            for number in range(20):
                body = bytes([number]) * 16 + bytes(32) + bytes(5) + bytes(90)  # a chain that nobody knows, of nobody
                posting._enqueue(flooded.epoch, FrameKind.SPOKEN, body, posting._nonce())
        await posting._mail.flush_queue(group)
        await carol.person.receive()
        assert len(kept.waiting(group)) == 16 and texts(carol, group) == ["readable"]
        await alice.look()
        await alice.person.groups.send(group, "and so")
        await here.rest(carol, alice, bob, carol)
        assert texts(carol, group) == texts(alice, group) == ["readable", "pushed out", "and so"]
