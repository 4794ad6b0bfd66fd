"""What is said in closed groups beside texts: files, that somebody is writing; and what of blocked people is shown."""

import pytest

from essaim.messaging.v1 import content_pb2, group_pb2
from essaim.protocol.conversation import Peer
from essaim_client import Settings
from essaim_client.attachments.download import FileGoneError
from essaim_client.messaging.events import GroupInvited, InGroup, Typing
from essaim_client.messaging.group_posting import WHISPERS_UNTIL
from essaim_client.messaging.group_talk import TYPING_EVERY_MS, NotInGroupError
from essaim_client.messaging.intake import Taken
from essaim_client.store.transfers import Direction
from people.town import town
from test_people_groups import group_of, settled, texts

WRITING = Settings(typing=True)


async def test_file_reaches_all_once_and_is_gone_where_it_was_kept_when_it_is_taken_back(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        group = await group_of(here, alice, bob, carol)
        path = tmp_path / "notes.txt"
        path.write_bytes(b"the heron stands in the reeds " * 1_000)
        sent = await alice.person.groups.send_file(group, path, text="look", as_is=True)
        await settled(here, bob, carol)
        for reader in (bob, carol):
            [shown] = reader.person.groups.history(group)
            assert (shown.text, shown.files[0].name, shown.message_id) == ("look", "notes.txt", sent.message_id)
            saved = await reader.person.attachments.save(shown.files[0], tmp_path / reader.folder.name)
            assert saved.read_bytes() == path.read_bytes()
        await alice.person.groups.unsend(group, sent.message_id)
        await settled(here, bob, carol)
        assert texts(bob, group) == texts(carol, group) == []
        with pytest.raises(FileGoneError):
            await bob.person.attachments.save(shown.files[0], tmp_path)


async def test_who_is_not_in_the_group_sends_no_file_and_none_leaves(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = [await here.person() for _ in range(2)]
        info = await alice.person.groups.create("us", [bob.account])
        await bob.look()
        (tmp_path / "notes").write_bytes(b"x")
        with pytest.raises(NotInGroupError):
            await bob.person.groups.send_file(info.group_id, tmp_path / "notes")
        assert bob.person.profile.store.transfers.all(Direction.SENDING) == []


def typing(events):
    return [each.event for each in events if isinstance(each, InGroup) and isinstance(each.event, Typing)]


async def test_typing_is_told_by_who_has_it_on_to_who_has_it_on_and_seldom(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        group = await group_of(here, alice, bob, carol)
        await alice.person.groups.send(group, "hello")
        await settled(here, bob, carol)
        await alice.person.groups.typing(group)
        assert not typing(await bob.look())
        for each in (alice, bob):
            each.person.agreement.change_settings(WRITING)
        for _ in range(3):
            await alice.person.groups.typing(group)
        assert typing(await bob.look()) == [Typing(alice.account, False)] and not typing(await carol.look())
        here.mailboxes.now_ms += TYPING_EVERY_MS
        await alice.person.groups.typing(group)
        here.mailboxes.now_ms += 2 * 60_000  # late it is no news
        assert not typing(await bob.look())
        assert [len(each.person.groups.history(group)) for each in (alice, bob, carol)] == [1, 1, 1]


async def test_typing_makes_no_chain(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = [await here.person() for _ in range(2)]
        group = await group_of(here, alice, bob)
        alice.person.agreement.change_settings(WRITING)
        kept = alice.person.grouping.book.get(group)
        await alice.person.groups.typing(group)
        assert kept.speaking is None
        await alice.person.groups.send(group, "hello")
        chain = kept.speaking.chain.chain_id
        for _ in range(WHISPERS_UNTIL + 20):
            here.mailboxes.now_ms += TYPING_EVERY_MS
            await alice.person.groups.typing(group)
        assert (kept.speaking.chain.chain_id, kept.speaking.chain.number) == (chain, WHISPERS_UNTIL)
        await alice.person.groups.send(group, "still there")
        await settled(here, bob)
        assert texts(bob, group) == ["hello", "still there"]


async def test_of_who_is_blocked_a_place_is_shown_and_nothing_else(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        group = await group_of(here, alice, bob, carol)
        mine = await alice.person.groups.send(group, "mine")
        await settled(here, bob, carol)
        bob.person.contacts.block(carol.account)
        await carol.person.groups.send(group, "unkind")
        await carol.person.groups.react(group, mine.message_id, "-")
        await alice.person.groups.react(group, mine.message_id, "+")
        events = await bob.look()
        assert not [
            each for each in events if isinstance(each, InGroup) and getattr(each.event, "sender", 0) == carol.account
        ]
        first, second = bob.person.groups.history(group)
        assert (first.text, first.blocked, [emoji for _, emoji in first.reactions]) == ("mine", False, ["+"])
        assert (second.text, second.blocked, second.author) == ("", True, carol.account.raw)
        await alice.look()
        assert texts(alice, group) == ["mine", "unkind"]
        bob.person.contacts.unblock(carol.account)
        assert texts(bob, group) == ["mine", "unkind"]


async def test_who_is_blocked_still_changes_and_heals_the_group_and_invites_to_no_other(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        group = await group_of(here, alice, bob, carol)
        bob.person.contacts.block(alice.account)
        await alice.person.groups.rename(group, "still us")
        await alice.person.groups.remove(group, carol.account)
        await alice.person.groups.send(group, "by session, where there is no export key yet")
        await settled(here, bob, alice, rounds=3)
        assert bob.person.groups.get(group).name == "still us" and len(bob.person.groups.get(group).members) == 2
        await bob.person.groups.send(group, "to all")
        await settled(here, alice, bob)
        assert [each.text for each in alice.person.groups.history(group)][-1] == "to all"
        assert [each.blocked for each in bob.person.groups.history(group)] == [True, False]
        await alice.person.groups.create("another", [bob.account])
        assert not [each for each in await bob.look() if isinstance(each, GroupInvited)]
        assert len(bob.person.groups.all()) == 1


def answers_to(gadget, group, asker):
    """What a device would send to somebody's device that asks for what it lacks of a group."""
    content = content_pb2.Content(group=content_pb2.Group(group_id=group, ask=group_pb2.GroupAsk()))
    peer, taken = Peer(asker.account, 0), Taken()
    gadget.person.grouping.intake.hear(peer, content, taken, gadget.mailboxes.now_ms, initial=False)
    return taken.answers


async def test_who_is_blocked_and_no_member_any_more_does_not_learn_that_the_device_is_there(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        group = await group_of(here, alice, bob, carol)
        bob.person.contacts.block(carol.account)
        assert answers_to(bob, group, carol), "a member is answered like others"
        await alice.person.groups.remove(group, carol.account)
        await settled(here, bob)
        assert not answers_to(bob, group, carol)
        assert answers_to(alice, group, carol), "who has not blocked them tells them that they are out"
        bob.person.contacts.unblock(carol.account)
        assert answers_to(bob, group, carol)
