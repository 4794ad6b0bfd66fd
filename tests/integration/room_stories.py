"""What happens at a host, told once and run on SQLite (tests/integration) and on both databases (tests/databases)."""

import asyncio
from contextlib import aclosing

from sqlalchemy import insert, select

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from essaim.protocol.opengroup.direct import seal, seal_copy, unseal_copy
from essaim.protocol.opengroup.filter import OF_ROOM, Alphabet
from essaim.protocol.opengroup.permission import Role
from essaim.protocol.opengroup.statement import Statement
from essaim_client.rooms.history import History
from essaim_opengroup import upkeep
from essaim_opengroup.schema import FILE, MEMBER, SENT
from essaim_opengroup.serving import MAX_SENT
from essaim_opengroup.writer import Job
from room_host import HOST_ID, Refused, RoomMember, RunningHost, texts

DAY_MS = 86_400_000
MINUTE_MS = 60_000
Post, Edit, React, Pin = statement_pb2.Post, statement_pb2.Edit, statement_pb2.React, statement_pb2.Pin
Settings = room_pb2.RoomSettings


class Memory(dict):
    """A client's store."""

    def put(self, key: str, value: bytes) -> None:
        self[key] = value


async def history(member: RoomMember, room_id: bytes) -> tuple[bytes, list[Statement | None]]:
    """The chain's end and the statements that a client of this member comes to; it raises where something is wrong."""
    told = await member.changes(room_id)
    checked = History(HOST_ID, room_id, Memory())
    statements = checked.advance(told.entries, told.chain_before)
    return checked.chain, statements


async def answers(member: RoomMember, room_id: bytes) -> list[statement_pb2.Post]:
    """What the host itself has said to a member, as their client checks it."""
    _, statements = await history(member, room_id)
    return [each.message.post for each in statements if each is not None and each.author == HOST_ID]


async def silent_filter_keeps_a_post_from_others_and_no_chain_breaks(host: RunningHost) -> None:
    room = await host.room(filter="pills", filter_silent=True)
    here, alice, bob = room.room_id, host.member(1), host.member(2)
    await bob.post(here, "hello")
    async with aclosing(bob.follow({here: 1})) as live, aclosing(room.owner.follow({here: 1})) as moderating:
        await asyncio.wait_for(anext(live), 10)
        await asyncio.wait_for(anext(moderating), 10)
        kept = await alice.post(here, "cheap P\u200bills", mentions=[bob.key])
        [heard] = (await asyncio.wait_for(anext(live), 10)).entries
        [seen] = (await asyncio.wait_for(anext(moderating), 10)).entries
    assert (heard.removed, heard.digest, heard.statement, heard.filtered) == (True, kept, b"", False)
    assert (seen.removed, seen.filtered) == (False, True)

    assert texts(await alice.page(here)) == ["cheap P\u200bills", "hello"]
    assert texts(await bob.page(here)) == texts(await host.member(9).page(here)) == ["hello"]
    assert [each.filtered for each in (await alice.page(here)).posts] == [False, False]
    assert [each.filtered for each in (await room.owner.page(here)).posts] == [True, False]
    assert texts(await bob.page(here, mentioning=True)) == []
    [unsigned] = await bob.act(action_pb2.Action(page=action_pb2.Page(room_id=here)), sign=False)
    assert texts(unsigned.posts) == ["hello"]
    for reader, found in ((alice, 1), (bob, 0), (room.owner, 1)):
        assert len((await reader.ask(search=action_pb2.Search(room_id=here, words="cheap"))).posts) == found
        assert len((await reader.ask(get_posts=action_pb2.GetPosts(room_id=here, post_ids=[kept]))).posts) == found
    react = React(post_id=kept, emoji="👍")
    assert await bob.cannot_say(here, react=react) == "POST_UNKNOWN"
    assert await bob.cannot_say(here, post=Post(text="what?", reply_to=kept)) == "POST_UNKNOWN"
    assert await bob.refused(report=action_pb2.Report(room_id=here, post_id=kept)) == "POST_UNKNOWN"

    await alice.say(here, react=react)
    await alice.post(here, "an innocent answer to it", reply_to=kept)
    await alice.say(here, edit=Edit(post_id=kept, text="all is well now"))
    await bob.post(here, "goodbye")
    assert texts(await bob.page(here)) == ["goodbye", "hello"]
    assert texts(await alice.page(here)) == ["goodbye", "an innocent answer to it", "all is well now", "hello"]
    chains = {}
    for reader, told in ((alice, 6), (bob, 2), (room.owner, 6)):
        chains[reader.number], statements = await history(reader, here)
        assert sum(each is not None for each in statements) == told, reader.number
    assert len(set(chains.values())) == 1
    assert (await bob.ask(get_room=action_pb2.GetRoom(room_id=here))).chain in chains.values()
    await room.owner.post(here, "please stop", reply_to=kept)
    assert texts(await alice.page(here))[0] == "please stop"
    assert texts(await bob.page(here)) == ["goodbye", "hello"]
    await room.owner.say(here, delete=statement_pb2.Delete(post_id=kept))
    assert texts(await bob.page(here)) == ["goodbye", "hello"]
    deletion = {reader.number: (await history(reader, here))[1][-1] for reader in (alice, bob)}
    assert deletion[alice.number].message.delete.post_id == kept and deletion[bob.number] is None


async def silent_filter_takes_a_post_away_that_was_edited_into_it(host: RunningHost) -> None:
    room = await host.room(filter_alphabets=int(Alphabet.CYRILLIC), filter_silent=True)
    here, alice, bob = room.room_id, host.member(1), host.member(2)
    post = await alice.post(here, "hello")
    await alice.say(here, edit=Edit(post_id=post, text="привет"))
    assert texts(await bob.page(here)) == [] and texts(await alice.page(here)) == ["привет"]
    assert [each.filtered for each in (await room.owner.page(here)).posts] == [True]
    _, told = await history(bob, here)
    assert [each.message.post.text if each else None for each in told] == ["hello", None]
    assert (await history(alice, here))[0] == (await history(bob, here))[0]
    async with aclosing(bob.follow({here: 2})) as live:
        await asyncio.wait_for(anext(live), 10)
        await room.owner.say(here, delete=statement_pb2.Delete(post_id=post))
        [entry] = (await asyncio.wait_for(anext(live), 10)).entries
    assert statement_pb2.Statement.FromString(entry.statement).delete.post_id == post  # whoever has it learns of it
    assert [each is None for each in (await history(bob, here))[1]] == [True, True, False]


async def filters_of_room_and_host_refuse_members_and_spare_moderators(host: RunningHost) -> None:
    room = await host.room(filter="pills\n", filter_alphabets=int(Alphabet.PERSIAN))
    owner, here, alice = room.owner, room.room_id, host.member(1)
    everywhere = action_pb2.ChangeRoom(settings=Settings(filter="casino", filter_alphabets=int(Alphabet.CYRILLIC)))
    assert await alice.refused(change_room=everywhere) == "NOT_ALLOWED"
    assert (await owner.ask(change_room=everywhere)).settings == everywhere.settings
    elsewhere = await host.room("other")
    for where, text in (
        *((here, "Pills"), (here, "Casino"), (here, "до свидания"), (here, "پارسی")),
        *((elsewhere.room_id, "CASINO"), (elsewhere.room_id, "привет")),
    ):
        assert await alice.cannot_say(where, post=Post(text=text)) == "FILTERED", text
    assert (await alice.changes(here)).entries == (await alice.changes(elsewhere.room_id)).entries == []
    listed = action_pb2.ListMembers(room_id=here, which=action_pb2.ListMembers.WHICH_JOINED)
    assert [each.member for each in (await owner.ask(list_members=listed)).members] == [owner.key]
    post = await alice.post(here, "مرحبا")  # Arabic, which only the Persian letters are not
    await alice.post(elsewhere.room_id, "pills")
    assert await alice.cannot_say(here, edit=Edit(post_id=post, text="casino")) == "FILTERED"
    await owner.post(here, "no pills, no casino, нет")

    await owner.ask(change_room=action_pb2.ChangeRoom(settings=Settings(filter="", filter_moderators=True)))
    assert await owner.cannot_say(here, post=Post(text="нет")) == "FILTERED"
    await alice.post(here, "casino")
    read = action_pb2.GetRoom()
    assert (await owner.ask(get_room=read)).settings.filter_moderators
    assert await alice.refused(get_room=read) == "NOT_ALLOWED"
    wrong = action_pb2.ChangeRoom(settings=Settings(title="all rooms"))
    assert await owner.refused(change_room=wrong) == "SETTINGS_REFUSED"
    beyond = action_pb2.ChangeRoom(room_id=here, settings=Settings(filter_alphabets=1 << 20))
    assert await owner.refused(change_room=beyond) == "SETTINGS_REFUSED"
    audit = (await owner.ask(list_audit=action_pb2.ListAudit())).entries
    assert [(each.action, each.actor) for each in audit] == [("change_room", owner.key)] * 2
    appoint = action_pb2.Appoint(room_id=here, member=alice.key, role=int(Role.MODERATOR), hidden=True)
    await owner.ask(appoint=appoint)
    told = await alice.ask(get_room=action_pb2.GetRoom(room_id=here))
    assert told.settings.filter == "pills\n" and [each.hidden for each in told.officers].count(True) == 1
    await owner.ask(ban=action_pb2.Ban(room_id=here, member=alice.key, until_ms=1 << 60))
    assert not any(each.hidden for each in (await alice.ask(get_room=action_pb2.GetRoom(room_id=here))).officers)
    for told in (await alice.ask(list_rooms=action_pb2.ListRooms())).rooms:
        assert not [each.name for each, _ in told.settings.ListFields() if each.name.startswith("filter")]


async def host_answers_in_its_own_name_and_seldom(host: RunningHost) -> None:
    room = await host.room(title="The hall", filter="pills", filter_reply="{member}: not in {room}.\nAsk")
    here, alice, bob = room.room_id, host.member(1), host.member(2)
    said = f"{OF_ROOM}> {alice.key.hex()[:8]}: not in The hall.\n> Ask"  # an admin's words are no word of the host's
    assert await alice.cannot_say(here, post=Post(text="pills")) == "FILTERED"
    assert await alice.cannot_say(here, post=Post(text="more pills")) == "FILTERED"
    [answer] = await answers(alice, here)
    assert (answer.text, answer.whisper_to, answer.reply_to) == (said, alice.key, b"")
    assert texts(await alice.page(here)) == [said] and texts(await bob.page(here)) == []
    assert (await history(alice, here))[0] == (await history(bob, here))[0]

    change = action_pb2.ChangeRoom(room_id=here, settings=Settings(filter_silent=True))
    await room.owner.ask(change_room=change)
    host.skew_ms += 10 * MINUTE_MS
    kept = await alice.post(here, "pills again")
    await alice.post(here, "and pills")
    assert [each.reply_to for each in await answers(alice, here)] == [b"", kept]
    assert texts(await alice.page(here)) == ["and pills", said, "pills again", said]
    assert texts(await bob.page(here)) == []
    listed = action_pb2.ListMembers(room_id=here, which=action_pb2.ListMembers.WHICH_JOINED)
    assert {each.member for each in (await room.owner.ask(list_members=listed)).members} == {room.owner.key, alice.key}
    nobody = await room.owner.refused(get_room=action_pb2.GetRoom(name="nowhere"))
    assert nobody == "ROOM_UNKNOWN"


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
    silent_filter_keeps_a_post_from_others_and_no_chain_breaks,
    silent_filter_takes_a_post_away_that_was_edited_into_it,
    filters_of_room_and_host_refuse_members_and_spare_moderators,
    host_answers_in_its_own_name_and_seldom,
    everything_is_unpinned_at_once,
    files_of_pinned_posts_stay_until_everything_is_unpinned,
    rooms_of_an_author_are_told_to_moderators_of_the_host,
    office_of_the_whole_host_shows_in_every_room,
    permissions_wait_for_their_time_beside_the_one_that_holds,
    outbox_has_what_was_sent_and_nothing_of_what_became_of_it,
    names_of_files_go_with_a_post,
)
"""Each takes a running host."""
