"""What happens at a host, told once and run on SQLite (tests/integration) and on both databases (tests/databases)."""

import asyncio
from contextlib import aclosing

from sqlalchemy import insert, select

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from essaim.protocol.opengroup.direct import seal, seal_copy, unseal_copy
from essaim_opengroup import upkeep
from essaim_opengroup.schema import FILE, MEMBER, SENT
from essaim_opengroup.serving import MAX_SENT
from essaim_opengroup.writer import Job
from room_filters import FILTERS
from room_host import HOST_ID, Refused, RoomMember, RunningHost, texts
from room_memory import history

DAY_MS = 86_400_000
MINUTE_MS = 60_000
Post, Edit, React, Pin = statement_pb2.Post, statement_pb2.Edit, statement_pb2.React, statement_pb2.Pin
Settings = room_pb2.RoomSettings


async def everything_is_unpinned_at_once(host: RunningHost) -> None:
    room = await host.room()
    here, alice, bob = room.room_id, host.member(1), host.member(2)
    posts = [await alice.post(here, f"post {number}") for number in range(3)]
    whisper = await room.owner.post(here, "psst", whisper_to=alice.key)
    for post in (*posts[:2], whisper):
        await room.owner.say(here, pin=Pin(post_id=post))
    every = Pin(post_id=whisper, unpin=True, everything=True)
    assert await alice.cannot_say(here, pin=every) == "NOT_ALLOWED"
    assert await room.owner.cannot_say(here, pin=Pin(post_id=posts[0], everything=True)) == "STATEMENT_REFUSED"
    version = (await bob.ask(get_room=action_pb2.GetRoom(room_id=here))).version
    await room.owner.say(here, pin=every)
    await room.owner.say(here, pin=Pin(post_id=posts[0], unpin=True, everything=True))  # changes nothing: no entry
    assert (await room.owner.page(here, pinned=True)).posts == []
    told = await bob.ask(get_room=action_pb2.GetRoom(room_id=here))
    assert (told.sequence, told.version) == (8, version + 1)
    _, statements = await history(bob, here)
    assert statements[-1] is not None and statements[-1].message.pin.everything  # though it names a whisper
    assert [each.changed for each in (await bob.page(here)).posts] == [3, 8, 8]


async def files_of_pinned_posts_stay_until_everything_is_unpinned(host: RunningHost) -> None:
    room = await host.room()
    here, alice = room.room_id, host.member(1)
    posts = [await alice.post(here, text, files=[await alice.put(here, text.encode())]) for text in ("one", "two")]
    await room.owner.say(here, pin=Pin(post_id=posts[0]))

    async def files() -> int:
        host.skew_ms += 16 * DAY_MS
        await host.host.writer.do(Job(upkeep.remove_expired))
        with host.host.database.reader.begin() as connection:
            return len(connection.execute(select(FILE.c.no)).all())

    assert await files() == 1
    await room.owner.say(here, pin=Pin(post_id=posts[0], unpin=True, everything=True))
    assert await files() == 0


async def rooms_of_an_author_are_told_to_moderators_of_the_host(host: RunningHost) -> None:
    lobby, hidden = await host.room(), await host.room("hidden", listed=False)
    await host.room("empty")
    owner, alice, bob = lobby.owner, host.member(1), host.member(2)
    for room in (lobby, hidden):
        await alice.post(room.room_id, "spam")
        await bob.post(room.room_id, "fine")
    asked = action_pb2.ListRooms(author=alice.key)
    assert await bob.refused(list_rooms=asked) == "NOT_ALLOWED"
    await owner.ask(appoint=action_pb2.Appoint(member=bob.key, role=2))
    assert [each.settings.name for each in (await bob.ask(list_rooms=asked)).rooms] == ["hidden", "lobby"]
    after = action_pb2.ListRooms(author=alice.key, after="hidden")
    assert [each.settings.name for each in (await bob.ask(list_rooms=after)).rooms] == ["lobby"]
    purge = statement_pb2.Purge(member=alice.key)
    statements = [bob.statement(room.room_id, purge=purge) for room in (lobby, hidden)]
    await bob.act(*(bob.saying(each) for each in statements))
    assert (await bob.ask(list_rooms=asked)).rooms == []
    for room in (lobby, hidden):
        assert texts(await owner.page(room.room_id, author=bob.key)) == ["fine"]
        assert all(each.deleted for each in (await owner.page(room.room_id, author=alice.key)).posts)
    assert (await bob.ask(list_rooms=action_pb2.ListRooms(author=b"nobody"))).rooms == []
    nobody = action_pb2.Action(list_rooms=asked)
    [refused] = await alice.act(nobody, sign=False)
    assert refused.status.code


async def office_of_the_whole_host_shows_in_every_room(host: RunningHost) -> None:
    rooms = [await host.room(), await host.room("other")]
    owner, alice, bob = rooms[0].owner, host.member(1), host.member(2)

    async def versions() -> list[int]:
        asked = [action_pb2.GetRoom(room_id=room.room_id) for room in rooms]
        return [(await bob.ask(get_room=each)).version for each in asked]

    before = await versions()
    async with aclosing(bob.follow({rooms[1].room_id: 0})) as live:
        assert (await asyncio.wait_for(anext(live), 10)).version == before[1]
        settings = action_pb2.ChangeRoom(room_id=rooms[0].room_id, settings=Settings(title="Changed"))
        appoint = action_pb2.Appoint(member=alice.key, role=2)
        await owner.act(action_pb2.Action(change_room=settings), action_pb2.Action(appoint=appoint))
        assert (await asyncio.wait_for(anext(live), 10)).version == before[1] + 1
    assert await versions() == [before[0] + 2, before[1] + 1]
    told = await bob.ask(get_room=action_pb2.GetRoom(name="other"))
    assert alice.key in [each.member for each in told.officers]
    await owner.ask(ban=action_pb2.Ban(member=bob.key, until_ms=host.now_ms() + MINUTE_MS))
    assert await owner.refused(appoint=action_pb2.Appoint(member=bob.key, role=2)) == "NOT_ALLOWED"


async def permissions_wait_for_their_time_beside_the_one_that_holds(host: RunningHost) -> None:
    room = await host.room(defaults=room_pb2.PERMISSION_READ | room_pb2.PERMISSION_REACT)
    here, owner, alice = room.room_id, room.owner, host.member(1)
    start = host.now_ms()

    def permit(allow: int, from_minute: int = 0, until_minute: int = 0, **how) -> action_pb2.Permit:
        begin = start + from_minute * MINUTE_MS if from_minute else 0
        until = start + until_minute * MINUTE_MS if until_minute else 0
        return action_pb2.Permit(room_id=here, member=alice.key, allow=allow, from_ms=begin, until_ms=until, **how)

    async def may_write() -> bool:
        try:
            await alice.post(here, f"at {host.skew_ms}")
        except Refused:
            return False
        return True

    assert await alice.refused(permit=permit(2, 10, later=True)) == "NOT_ALLOWED"
    await owner.ask(permit=permit(2))  # now, for good
    for later in (permit(0, 10), permit(2, 20, 30), permit(2, 40)):
        later.later = True
        await owner.ask(permit=later)
        await owner.ask(permit=later)  # repeated
    asked = action_pb2.ListMembers(room_id=here, which=action_pb2.ListMembers.WHICH_OVERRIDDEN)
    [listed] = (await owner.ask(list_members=asked)).members
    assert (listed.allow, [each.from_ms - start for each in listed.coming]) == (2, [600_000, 1_200_000, 2_400_000])
    found = []
    for minute in (0, 9, 11, 19, 21, 29, 31, 39, 41):
        host.skew_ms = minute * MINUTE_MS
        found.append(await may_write())
        told = await alice.ask(get_room=action_pb2.GetRoom(room_id=here))
        assert bool(told.own_permissions & room_pb2.PERMISSION_WRITE) == found[-1], minute
    assert found == [True, True, False, False, True, True, False, False, True]
    assert await owner.refused(permit=permit(2, 5, later=True)) == "SETTINGS_REFUSED"  # that time is over
    assert await owner.refused(permit=permit(2, 60, 59, later=True)) == "SETTINGS_REFUSED"
    for number in range(8):
        await owner.ask(permit=permit(0, 60 + number, later=True))
    assert await owner.refused(permit=permit(0, 70, later=True)) == "QUOTA"
    await owner.ask(permit=permit(2, 67, later=True))  # in the place of the one that begins then
    [listed] = (await owner.ask(list_members=asked)).members
    assert [each.allow for each in listed.coming] == [0] * 7 + [2] and listed.allow == 2
    assert await may_write()
    await owner.ask(permit=permit(0))
    assert not (await owner.ask(list_members=asked)).members and not await may_write()


async def outbox_has_what_was_sent_and_nothing_of_what_became_of_it(host: RunningHost) -> None:
    room = await host.room()
    here, alice, bob, carol = room.room_id, host.member(1), host.member(2), host.member(3)
    for member in (alice, bob, carol):
        await member.ask(join=action_pb2.Join(room_id=here))

    def direct(to: RoomMember, text: bytes) -> action_pb2.SendDirect:
        sealed = seal(text, alice.signer, to.signer.public, HOST_ID, bytes(63) + text[-1:])
        copy = seal_copy(text, alice.signer, to.signer.public, HOST_ID, bytes(62) + b"\1" + text[-1:])
        return action_pb2.SendDirect(room_id=here, to=to.key, data=sealed, copy=copy)

    async def sent(after: int = 0) -> list[tuple[bytes, bytes]]:
        listed = (await alice.ask(list_sent=action_pb2.ListSent(after=after))).sent
        keys = {each.key: each.signer.public for each in (bob, carol)}
        return [(each.to, unseal_copy(each.copy, alice.signer, keys[each.to], HOST_ID)) for each in listed]

    async with aclosing(alice.follow({}, sent_after=0)) as live:
        first = direct(bob, b"one")
        await alice.ask(send_direct=first)
        await alice.ask(send_direct=first)  # repeated
        [told] = (await asyncio.wait_for(anext(live), 10)).sent
        assert (told.to, told.copy) == (bob.key, first.copy)
        await alice.ask(send_direct=direct(carol, b"two"))
        assert [each.to for each in (await asyncio.wait_for(anext(live), 10)).sent] == [carol.key]
    assert await sent() == [(bob.key, b"one"), (carol.key, b"two")]
    await bob.ask(delete_direct=action_pb2.DeleteDirect(up_to=1_000))
    await carol.ask(block=action_pb2.Block(member=alice.key))
    assert await alice.refused(send_direct=direct(carol, b"three")) == "BLOCKED"
    assert await sent() == [(bob.key, b"one"), (carol.key, b"two")]
    assert await sent(told.number) == [(carol.key, b"two")]
    assert not (await bob.ask(list_sent=action_pb2.ListSent())).sent
    huge = action_pb2.SendDirect(room_id=here, to=bob.key, data=b"x", copy=bytes(4_097))
    assert await alice.refused(send_direct=huge) == "STATEMENT_REFUSED"
    [nobody] = await alice.act(action_pb2.Action(list_sent=action_pb2.ListSent()), sign=False)
    assert nobody.status.code
    await alice.ask(delete_sent=action_pb2.DeleteSent(up_to=told.number))
    assert await sent() == [(carol.key, b"two")]
    await alice.ask(send_direct=action_pb2.SendDirect(room_id=here, to=bob.key, data=b"of an older client"))
    assert [each.copy for each in (await alice.ask(list_sent=action_pb2.ListSent())).sent][1:] == [b""]
    await _outbox_ends(host, alice, direct(bob, b"last"))


async def _outbox_ends(host: RunningHost, alice: RoomMember, last: action_pb2.SendDirect) -> None:
    """By its bound, then by time."""
    with host.host.database.writer.begin() as connection:
        sender = connection.execute(select(MEMBER.c.no).where(MEMBER.c.key == alice.key)).scalar_one()
        row = {"sender_no": sender, "recipient_no": sender, "time_ms": 1, "expires_ms": 1 << 60, "copy": b"old"}
        connection.execute(insert(SENT), [row] * MAX_SENT)
    await alice.ask(send_direct=last)
    with host.host.database.reader.begin() as connection:
        kept = connection.execute(select(SENT.c.copy).where(SENT.c.sender_no == sender)).scalars().all()
    assert len(kept) == MAX_SENT and kept[-1] == last.copy and b"" not in kept
    host.skew_ms += 14 * DAY_MS + 1
    await host.host.writer.do(Job(upkeep.remove_expired))
    with host.host.database.reader.begin() as connection:
        left = set(connection.execute(select(SENT.c.copy)).scalars())
    assert left == {b"old"}


async def names_of_files_go_with_a_post(host: RunningHost) -> None:
    room = await host.room()
    here, alice = room.room_id, host.member(1)
    content = b"a report"
    name = await alice.put(here, content)
    for bad in (["a", "b"], [""], ["../x"], ["a\\b"], ["x" * 61], ["a\nb"], ["a\u202etxt.exe"], [".."]):
        refused = await alice.cannot_say(here, post=Post(text="t", files=[name], file_names=bad))
        assert refused == "STATEMENT_REFUSED", bad
    assert await alice.cannot_say(here, post=Post(text="t", file_names=["a"])) == "STATEMENT_REFUSED"
    post = await alice.post(here, "read it", files=[name], file_names=["Überblick 1.pdf"])
    await alice.post(here, "without", files=[name])
    edit = Edit(post_id=post, text="read this", files=[name], file_names=["2.pdf"])
    await alice.say(here, edit=edit)
    _, told = await history(host.member(2), here)
    found = [each.message.post.file_names or each.message.edit.file_names for each in told if each]
    assert found == [["Überblick 1.pdf"], [], ["2.pdf"]]


STORIES = (
    *FILTERS,
    everything_is_unpinned_at_once,
    files_of_pinned_posts_stay_until_everything_is_unpinned,
    rooms_of_an_author_are_told_to_moderators_of_the_host,
    office_of_the_whole_host_shows_in_every_room,
    permissions_wait_for_their_time_beside_the_one_that_holds,
    outbox_has_what_was_sent_and_nothing_of_what_became_of_it,
    names_of_files_go_with_a_post,
)
"""Each takes a running host."""
