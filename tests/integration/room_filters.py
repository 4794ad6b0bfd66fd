"""What filters keep out or from others, and what moderators release of it; told like room_stories.py."""

import asyncio
from contextlib import aclosing

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from essaim.protocol.opengroup.filter import OF_ROOM, Alphabet
from essaim.protocol.opengroup.permission import Role
from room_host import HOST_ID, RoomMember, RunningHost, texts
from room_memory import history

DAY_MS = 86_400_000
MINUTE_MS = 60_000
Post, Edit, React, Pin = statement_pb2.Post, statement_pb2.Edit, statement_pb2.React, statement_pb2.Pin
Settings = room_pb2.RoomSettings


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


def releasing(post_id: bytes) -> statement_pb2.Pin:
    return Pin(post_id=post_id, unpin=True, release=True)


async def kept_post_is_released_to_everybody_and_no_chain_breaks(host: RunningHost) -> None:
    room = await host.room(filter="pills", filter_silent=True)
    here, alice, bob = room.room_id, host.member(1), host.member(2)
    await bob.post(here, "hello")
    await bob.changes(here)  # from here on the host has the room's entries at hand
    kept = await alice.post(here, "pills for the bees")
    answer = await alice.post(here, "twice a day", reply_to=kept)
    await alice.say(here, edit=Edit(post_id=kept, text="pills for my bees", mentions=[bob.key]))
    await room.owner.say(here, pin=Pin(post_id=kept))
    assert [each is None for each in (await history(bob, here))[1]] == [False, True, True, True, True]
    assert await alice.cannot_say(here, pin=releasing(kept)) == "NOT_ALLOWED"
    assert await room.owner.cannot_say(here, pin=releasing(answer)) == "NOT_ALLOWED"  # to what nobody sees
    for bad in (Pin(post_id=kept, release=True), Pin(post_id=kept, unpin=True, everything=True, release=True)):
        assert await room.owner.cannot_say(here, pin=bad) == "STATEMENT_REFUSED"

    async with aclosing(bob.follow({here: 5})) as live:
        await asyncio.wait_for(anext(live), 10)
        await room.owner.say(here, pin=releasing(kept))
        while not (told := await asyncio.wait_for(anext(live), 10)).entries:
            pass  # that the room has another version may come first
    [entry] = told.entries
    assert [each.removed for each in (await bob.changes(here, after=1)).entries] == [False, True, False, False, False]
    said = statement_pb2.Statement.FromString(entry.statement).pin
    assert (said.post_id, said.unpin, said.release) == (kept, True, True)
    for reader in (bob, alice, room.owner, host.member(9)):
        [state] = (await reader.ask(get_posts=action_pb2.GetPosts(room_id=here, post_ids=[kept]))).posts
        assert (state.filtered, state.pinned) == (False, 0)
        assert texts(await reader.page(here))[-2:] == ["pills for my bees", "hello"]
    assert texts(await bob.page(here, mentioning=True)) == ["pills for my bees"]
    assert [each is None for each in (await history(bob, here))[1]] == [False, False, True, False, False, False]
    assert len({(await history(each, here))[0] for each in (bob, alice, room.owner)}) == 1

    await room.owner.say(here, pin=releasing(answer))
    await bob.post(here, "thank you", reply_to=answer)
    assert texts(await host.member(9).page(here)) == ["thank you", "twice a day", "pills for my bees", "hello"]
    before = (await bob.changes(here)).entries[-1].sequence
    await room.owner.say(here, pin=releasing(kept))
    assert (await bob.changes(here)).entries[-1].sequence == before  # there was nothing to release
    await alice.say(here, edit=Edit(post_id=kept, text="more pills"))
    assert texts(await bob.page(here)) == ["thank you", "twice a day", "hello"]


async def moderator_releases_no_whisper_and_nothing_that_moderators_may_not_write(host: RunningHost) -> None:
    room = await host.room(filter="pills", filter_silent=True, filter_moderators=True)
    here, alice, bob = room.room_id, host.member(1), host.member(2)
    await bob.post(here, "hello")
    whisper = await room.owner.post(here, "no pills", whisper_to=bob.key)
    kept = await alice.post(here, "pills")
    await room.owner.say(here, delete=statement_pb2.Delete(post_id=await alice.post(here, "gone pills")))
    assert await room.owner.cannot_say(here, pin=releasing(kept)) == "FILTERED"
    spared = action_pb2.ChangeRoom(room_id=here, settings=Settings(filter_moderators=False))
    await room.owner.ask(change_room=spared)
    assert await room.owner.cannot_say(here, pin=releasing(whisper)) == "NOT_ALLOWED"
    everywhere = action_pb2.ChangeRoom(settings=Settings(filter="pills", filter_moderators=True))
    await room.owner.ask(change_room=everywhere)
    assert await room.owner.cannot_say(here, pin=releasing(kept)) == "FILTERED"  # the host's own
    assert texts(await bob.page(here)) == ["hello"]
    everywhere.settings.filter = ""
    await room.owner.ask(change_room=everywhere)
    await room.owner.say(here, pin=releasing(kept))
    assert texts(await bob.page(here)) == ["pills", "hello"]


async def release_tells_nothing_that_stood_there_before_an_edit(host: RunningHost) -> None:
    room = await host.room(filter="pills", filter_silent=True)
    settings = room_pb2.RoomSettings(filter="poison", filter_silent=True, filter_moderators=True)
    await room.owner.ask(change_room=action_pb2.ChangeRoom(settings=settings))
    here, alice, bob = room.room_id, host.member(1), host.member(2)
    await bob.post(here, "hello")
    kept, other = [await alice.post(here, text) for text in ("poison here", "pills there")]
    assert await room.owner.cannot_say(here, pin=releasing(kept)) == "FILTERED"
    await alice.say(here, edit=Edit(post_id=kept, text="pretty"))
    assert await room.owner.cannot_say(here, pin=releasing(kept)) == "FILTERED"
    whisper = await room.owner.post(here, "between us", whisper_to=bob.key)
    assert await room.owner.cannot_say(here, pin=releasing(whisper)) == "NOT_ALLOWED"
    await room.owner.say(here, delete=statement_pb2.Delete(post_id=other))
    for post_id in (kept, other, bytes(32)):  # who may not release learns nothing of what there is
        assert await bob.cannot_say(here, pin=releasing(post_id)) == "NOT_ALLOWED"


FILTERS = (
    silent_filter_keeps_a_post_from_others_and_no_chain_breaks,
    silent_filter_takes_a_post_away_that_was_edited_into_it,
    filters_of_room_and_host_refuse_members_and_spare_moderators,
    host_answers_in_its_own_name_and_seldom,
    kept_post_is_released_to_everybody_and_no_chain_breaks,
    moderator_releases_no_whisper_and_nothing_that_moderators_may_not_write,
    release_tells_nothing_that_stood_there_before_an_edit,
)
