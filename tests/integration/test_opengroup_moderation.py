"""What a host lets whom do: limits of a room, invitations, bans, offices, reports, rooms."""

import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import select, update

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from essaim.protocol.opengroup import statement as statements
from essaim.protocol.opengroup.folding import folded
from essaim.protocol.opengroup.refusal import StatementRefusedError
from essaim.protocol.status import read_status
from essaim_opengroup.host import owner_token
from essaim_opengroup.schema import ROOM
from room_host import HOST_KEY, RunningHost

DAY_MS = 86_400_000
Post = statement_pb2.Post


@pytest.fixture
async def host(tmp_path: Path):
    async with RunningHost(tmp_path / "host") as running:
        yield running


# Rules of a room


async def test_slow_mode_size_quota_and_filter_hold_for_members_alone(host: RunningHost) -> None:
    room = await host.room(slow_seconds=60, post_bytes=20, posts_per_day=3, edits_per_day=1, filter="cheap pills\n")
    alice = host.member(1)
    assert await alice.cannot_say(room.room_id, post=Post(text="x" * 21)) == "QUOTA"
    assert await alice.cannot_say(room.room_id, post=Post(text="CHEAP pills!")) == "FILTERED"
    assert (await room.owner.page(room.room_id)).posts == []
    assert await alice.cannot_say(room.room_id, post=Post(text="one")) == "SLOW_MODE"  # what is refused counts
    host.skew_ms += 60_000
    one = await alice.post(room.room_id, "one")
    assert await alice.cannot_say(room.room_id, edit=statement_pb2.Edit(post_id=one, text="Cheap pills")) == "FILTERED"
    assert await alice.cannot_say(room.room_id, edit=statement_pb2.Edit(post_id=one, text="first")) == "EDIT_QUOTA"
    assert await alice.cannot_say(room.room_id, post=Post(text="two")) == "SLOW_MODE"
    [result] = await alice.act(alice.saying(alice.statement(room.room_id, post=Post(text="two"))))
    assert 0 < (read_status(result.status).retry_after_ms or 0) <= 60_000
    host.skew_ms += 60_000
    await alice.post(room.room_id, "two")
    host.skew_ms += 60_000
    assert await alice.cannot_say(room.room_id, post=Post(text="three")) == "QUOTA"
    host.skew_ms += DAY_MS
    await alice.post(room.room_id, "three")
    for text in ("a", "b", "cheap pills"):
        await room.owner.post(room.room_id, text)


async def test_text_is_folded_for_filters_alone_and_not_where_everybody_waits(
    host: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 kB of the worst letters take some 3 ms; in the thread that writes only until a filter was met."""
    where = []

    def watched(text: str) -> str:
        where.append(threading.current_thread().name.partition("_")[0])
        return folded(text)

    monkeypatch.setattr(statements, "folded", watched)
    room = await host.room()
    here, alice = room.room_id, host.member(1)
    one = await alice.post(here, "spam")
    await alice.say(here, edit=statement_pb2.Edit(post_id=one, text="more spam"))
    assert where == []
    for change in (action_pb2.ChangeRoom(room_id=here), action_pb2.ChangeRoom()):
        change.settings.filter = "spam"
        await room.owner.ask(change_room=change)
        assert await alice.cannot_say(here, post=Post(text="spam")) == "FILTERED"
        await alice.post(here, "eggs")
        assert where == ["writer", "MainThread"]
        change.settings.filter = ""
        await room.owner.ask(change_room=change)
        await alice.post(here, "spam")
        where.clear()
        await alice.post(here, "ham")
        assert where == []


async def test_edits_and_reactions_are_counted_for_members_alone(host: RunningHost) -> None:
    room = await host.room(edits_per_day=2, reactions_per_day=3)
    alice, bob = host.member(1), host.member(2)
    post = await alice.post(room.room_id, "first")

    def edit(number: int) -> statement_pb2.Edit:
        return statement_pb2.Edit(post_id=post, text=f"mended {number}")

    def react(emoji: str, *, withdraw: bool = False) -> statement_pb2.React:
        return statement_pb2.React(post_id=post, emoji=emoji, withdraw=withdraw)

    for number in range(2):
        await alice.say(room.room_id, edit=edit(number))
    assert await alice.cannot_say(room.room_id, edit=edit(2)) == "EDIT_QUOTA"
    await bob.say(room.room_id, react=react("👍"))
    await bob.say(room.room_id, react=react("👍", withdraw=True))
    await bob.say(room.room_id, react=react("🐝"))
    assert await bob.cannot_say(room.room_id, react=react("🐝", withdraw=True)) == "REACTION_QUOTA"
    assert await bob.cannot_say(room.room_id, react=react("👍")) == "REACTION_QUOTA"
    await bob.say(room.room_id, react=react("🐝"))  # changes nothing: no entry, nothing counted
    await bob.post(room.room_id, "posts have a limit of their own")
    told = (await room.owner.ask(get_room=action_pb2.GetRoom(room_id=room.room_id))).sequence
    assert told == 1 + 2 + 3 + 1
    for number in range(4):
        emoji = "👍" if number % 2 else "🐝"
        await room.owner.say(room.room_id, react=react(emoji))
    host.skew_ms += DAY_MS
    await alice.say(room.room_id, edit=edit(3))
    await bob.say(room.room_id, react=react("👍"))
    change = action_pb2.ChangeRoom(room_id=room.room_id, settings=room_pb2.RoomSettings(edits_per_day=100_001))
    assert await room.owner.refused(change_room=change) == "SETTINGS_REFUSED"


async def test_moderator_takes_everybodys_reaction_off(host: RunningHost) -> None:
    room = await host.room()
    alice, bob = host.member(1), host.member(2)
    post = await alice.post(room.room_id, "first")

    def react(emoji: str, **how: bool) -> statement_pb2.React:
        return statement_pb2.React(post_id=post, emoji=emoji, **how)

    for member in (alice, bob):
        for emoji in ("💩", "👍"):
            await member.say(room.room_id, react=react(emoji))
    wipe = react("💩", withdraw=True, everybodys=True)
    assert await bob.cannot_say(room.room_id, react=wipe) == "NOT_ALLOWED"
    with pytest.raises(StatementRefusedError):
        room.owner.statement(room.room_id, react=react("💩", everybodys=True))
    await room.owner.say(room.room_id, react=wipe)
    await room.owner.say(room.room_id, react=wipe)  # changes nothing: no entry
    [told] = (await alice.page(room.room_id)).posts
    assert [(each.emoji, each.count) for each in told.reactions] == [("👍", 2)] and told.changed == 6
    await bob.say(room.room_id, react=react("💩"))


async def test_room_that_is_older_than_a_setting_has_what_new_ones_begin_with(host: RunningHost) -> None:
    room = await host.room()
    with host.host.database.writer.begin() as connection:
        kept = room_pb2.RoomSettings.FromString(connection.execute(select(ROOM.c.settings)).scalar_one())
        kept.ClearField("edits_per_day")
        kept.reactions_per_day = 0
        connection.execute(update(ROOM).values(settings=kept.SerializeToString()))
    told = (await room.owner.ask(get_room=action_pb2.GetRoom(room_id=room.room_id))).settings
    assert (told.edits_per_day, told.reactions_per_day) == (200, 0)


async def test_young_key_waits_from_its_joining(host: RunningHost) -> None:
    room = await host.room(min_age_seconds=3600)
    alice = host.member(1)
    assert await alice.cannot_say(room.room_id, post=Post(text="now")) == "TOO_YOUNG"
    await alice.ask(join=action_pb2.Join(room_id=room.room_id))
    host.skew_ms += 3_599_000
    assert await alice.cannot_say(room.room_id, post=Post(text="now")) == "TOO_YOUNG"
    host.skew_ms += 2_000
    await alice.post(room.room_id, "now")


async def test_permissions_of_a_member_are_timed(host: RunningHost) -> None:
    room = await host.room(defaults=room_pb2.PERMISSION_READ)
    alice = host.member(1)
    assert await alice.cannot_say(room.room_id, post=Post(text="may I?")) == "NOT_ALLOWED"
    now_ms = host.now_ms()
    permit = action_pb2.Permit(
        room_id=room.room_id, member=alice.key, allow=2, from_ms=now_ms + 60_000, until_ms=now_ms + 120_000
    )
    await room.owner.ask(permit=permit)
    assert await alice.cannot_say(room.room_id, post=Post(text="may I?")) == "NOT_ALLOWED"
    host.skew_ms += 61_000
    await alice.post(room.room_id, "I may")
    host.skew_ms += 60_000
    assert await alice.cannot_say(room.room_id, post=Post(text="still?")) == "NOT_ALLOWED"
    assert await alice.refused(permit=permit) == "NOT_ALLOWED"


async def test_room_by_invitation_opens_to_a_token_as_often_as_it_says(host: RunningHost) -> None:
    room = await host.room(by_invitation=True, listed=False)
    alice, bob, carol = (host.member(number) for number in (1, 2, 3))
    token = os.urandom(16)
    await room.owner.ask(invite=action_pb2.Invite(room_id=room.room_id, token=token, uses=1))

    assert await alice.refused(page=action_pb2.Page(room_id=room.room_id)) == "INVITATION_NEEDED"
    assert await alice.refused(get_room=action_pb2.GetRoom(name="lobby")) == "ROOM_UNKNOWN"
    assert await alice.refused(join=action_pb2.Join(room_id=room.room_id)) == "INVITATION_NEEDED"
    assert await alice.refused(join=action_pb2.Join(room_id=room.room_id, token=bytes(16))) == "TOKEN_REFUSED"
    await alice.ask(join=action_pb2.Join(room_id=room.room_id, token=token))
    await alice.ask(join=action_pb2.Join(room_id=room.room_id, token=token))  # repeated: still one use
    assert await bob.refused(join=action_pb2.Join(room_id=room.room_id, token=token)) == "TOKEN_REFUSED"
    await alice.post(room.room_id, "inside")
    assert [each.settings.name for each in (await alice.ask(list_rooms=action_pb2.ListRooms())).rooms] == ["lobby"]
    assert (await bob.ask(list_rooms=action_pb2.ListRooms())).rooms == []

    late = os.urandom(16)
    await room.owner.ask(
        invite=action_pb2.Invite(room_id=room.room_id, token=late, uses=9, until_ms=host.now_ms() + 1_000)
    )
    host.skew_ms += 2_000
    assert await carol.refused(join=action_pb2.Join(room_id=room.room_id, token=late)) == "TOKEN_REFUSED"
    listed = await room.owner.ask(list_invitations=action_pb2.ListInvitations(room_id=room.room_id))
    assert sorted(each.uses_left for each in listed.invitations) == [0, 9]
    for each in listed.invitations:
        revoke = action_pb2.RevokeInvitation(room_id=room.room_id, token_hash=each.token_hash)
        await room.owner.ask(revoke_invitation=revoke)
    assert not (await room.owner.ask(list_invitations=action_pb2.ListInvitations(room_id=room.room_id))).invitations


async def test_ban_is_timed_purges_and_reaches_direct_messages(host: RunningHost) -> None:
    room = await host.room()
    alice, bob = host.member(1), host.member(2)
    for text in ("spam 1", "spam 2"):
        await alice.post(room.room_id, text)
    await bob.post(room.room_id, "fine")
    ban = action_pb2.Ban(room_id=room.room_id, member=alice.key, until_ms=host.now_ms() + 60_000)
    assert await bob.refused(ban=ban) == "NOT_ALLOWED"
    await room.owner.ask(ban=ban)
    await room.owner.say(room.room_id, purge=statement_pb2.Purge(member=alice.key))

    assert await alice.cannot_say(room.room_id, post=Post(text="back")) == "BANNED"
    assert await alice.refused(page=action_pb2.Page(room_id=room.room_id)) == "BANNED"
    assert await alice.refused(join=action_pb2.Join(room_id=room.room_id)) == "BANNED"
    other = await host.room("other")
    for member in (alice, bob):
        await member.ask(join=action_pb2.Join(room_id=other.room_id))
    direct = action_pb2.SendDirect(room_id=other.room_id, to=bob.key, data=b"x")
    assert await alice.refused(send_direct=direct) == "BANNED"
    states = (await bob.page(room.room_id)).posts
    assert [bool(each.deleted) for each in states] == [False, True, True]
    listed = await room.owner.ask(
        list_members=action_pb2.ListMembers(room_id=room.room_id, which=action_pb2.ListMembers.WHICH_BANNED)
    )
    assert [each.member for each in listed.members] == [alice.key]
    host.skew_ms += 60_001
    await alice.post(room.room_id, "back")
    await alice.ask(send_direct=direct)


async def test_host_moderation_reaches_every_room(host: RunningHost) -> None:
    room = await host.room()
    alice, bob = host.member(1), host.member(2)
    await alice.post(room.room_id, "hello")
    assert await alice.refused(join=action_pb2.Join(token=owner_token(HOST_KEY))) == "TOKEN_REFUSED"  # it is used up
    assert await bob.refused(appoint=action_pb2.Appoint(member=bob.key, role=3)) == "NOT_ALLOWED"
    await room.owner.ask(appoint=action_pb2.Appoint(member=bob.key, role=2, hidden=True))
    await bob.ask(ban=action_pb2.Ban(member=alice.key, until_ms=host.now_ms() + DAY_MS))
    assert await alice.cannot_say(room.room_id, post=Post(text="x")) == "BANNED"
    assert await bob.refused(ban=action_pb2.Ban(member=room.owner.key, until_ms=1)) == "OUTRANKED"
    seen_by_all = await host.member(3).ask(get_room=action_pb2.GetRoom(name="lobby"))
    assert bob.key not in [each.member for each in seen_by_all.officers]
    seen_by_owner = await room.owner.ask(get_room=action_pb2.GetRoom(name="lobby"))
    assert bob.key in [each.member for each in seen_by_owner.officers]
    assert not seen_by_all.settings.HasField("filter") and seen_by_owner.settings.HasField("filter")
    audit = await room.owner.ask(list_audit=action_pb2.ListAudit())
    assert [(each.action, each.object) for each in audit.entries] == [("ban", alice.key), ("appoint", bob.key)]


async def test_lists_for_moderators_fill_what_is_left_of_a_reply(host: RunningHost) -> None:
    room = await host.room()
    keys = [host.member(number).key for number in range(1, 9)]
    for key in keys:
        permit = {"room_id": room.room_id, "member": key, "allow": 2, "later": True}
        hours = [host.now_ms() + hour * 3_600_000 for hour in range(1, 9)]
        later = [action_pb2.Permit(**permit, from_ms=each, until_ms=each + 60_000) for each in hours]
        await room.owner.act(*[action_pb2.Action(permit=each) for each in later])
    listing = action_pb2.ListMembers(room_id=room.room_id, which=action_pb2.ListMembers.WHICH_OVERRIDDEN)
    first = (await room.owner.do(action_pb2.Action(list_members=listing), capacity=1_200)).members
    listing.after = first.members[-1].member
    second = (await room.owner.do(action_pb2.Action(list_members=listing), capacity=1_200)).members
    assert [each.member for each in (*first.members, *second.members)] == keys
    assert (first.more, second.more, len(second.members) > 0) == (True, False, True)
    listing = action_pb2.ListAudit(room_id=room.room_id)
    found = (await room.owner.do(action_pb2.Action(list_audit=listing), capacity=1_200)).audit
    assert found.more and 1 <= len(found.entries) < 12


async def test_reports_wait_for_moderators(host: RunningHost) -> None:
    room = await host.room()
    alice, bob = host.member(1), host.member(2)
    post_id = await alice.post(room.room_id, "bad")
    for _ in range(2):
        await bob.ask(report=action_pb2.Report(room_id=room.room_id, post_id=post_id, reason="spam"))
    assert await bob.refused(list_reports=action_pb2.ListReports(room_id=room.room_id)) == "NOT_ALLOWED"
    [report] = (await room.owner.ask(list_reports=action_pb2.ListReports(room_id=room.room_id))).reports
    assert (report.post_id, report.reporter, report.reason) == (post_id, bob.key, "spam")
    await room.owner.ask(close_report=action_pb2.CloseReport(room_id=room.room_id, number=report.number))
    assert not (await room.owner.ask(list_reports=action_pb2.ListReports(room_id=room.room_id))).reports


async def test_rooms_are_made_changed_and_removed_by_those_who_may(host: RunningHost) -> None:
    room = await host.room()
    alice = host.member(1)
    settings = room_pb2.RoomSettings(name="mine")
    create = action_pb2.CreateRoom(room_id=os.urandom(16), settings=settings)
    assert await alice.refused(create_room=create) == "NOT_ALLOWED"
    await room.owner.ask(create_room=create)
    await room.owner.ask(create_room=create)  # repeated
    twice = action_pb2.CreateRoom(room_id=os.urandom(16), settings=settings)
    assert await room.owner.refused(create_room=twice) == "NAME_TAKEN"
    rename = action_pb2.ChangeRoom(room_id=create.room_id, settings=room_pb2.RoomSettings(name="lobby"))
    assert await room.owner.refused(change_room=rename) == "NAME_TAKEN"
    bad = action_pb2.ChangeRoom(room_id=create.room_id, settings=room_pb2.RoomSettings(name="No Good"))
    assert await room.owner.refused(change_room=bad) == "SETTINGS_REFUSED"
    change = action_pb2.ChangeRoom(room_id=create.room_id, settings=room_pb2.RoomSettings(title="Mine", archived=True))
    assert await alice.refused(change_room=change) == "NOT_ALLOWED"
    changed = await room.owner.ask(change_room=change)
    assert (changed.settings.title, changed.settings.name, changed.version) == ("Mine", "mine", 2)
    assert await alice.cannot_say(create.room_id, post=Post(text="x")) == "ARCHIVED"
    assert await alice.refused(delete_room=action_pb2.DeleteRoom(room_id=create.room_id)) == "NOT_ALLOWED"
    await room.owner.ask(delete_room=action_pb2.DeleteRoom(room_id=create.room_id))
    assert await alice.refused(page=action_pb2.Page(room_id=create.room_id)) == "ROOM_UNKNOWN"
