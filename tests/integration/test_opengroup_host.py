"""What a host does, on SQLite: posts, reading, streams, and what it refuses."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from essaim.opengroup.v1 import action_pb2, opengroup_pb2, room_pb2, statement_pb2
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.host import attested
from essaim.protocol.opengroup.statement import Statement, digest_of
from essaim.protocol.status import read_status
from essaim.runtime.context import OnionContext
from essaim_opengroup import upkeep
from essaim_opengroup.writer import Job
from room_host import CAPACITY, HOST_ID, HOST_KEY, RoomMember, RunningHost, texts

DAY_MS = 86_400_000
Post, Edit, React = statement_pb2.Post, statement_pb2.Edit, statement_pb2.React


@pytest.fixture
async def host(tmp_path: Path):
    async with RunningHost(tmp_path / "host") as running:
        yield running


# Posts


async def test_posts_are_paged_newest_first_with_what_became_of_them(host: RunningHost) -> None:
    room = await host.room()
    alice, bob = host.member(1), host.member(2)
    first = await alice.post(room.room_id, "first")
    second = await bob.post(room.room_id, "second", reply_to=first, mentions=[alice.key])
    await bob.say(room.room_id, react=React(post_id=first, emoji="👍"))
    await alice.say(room.room_id, react=React(post_id=first, emoji="👍"))
    await alice.say(room.room_id, edit=Edit(post_id=first, text="first, mended"))
    await room.owner.say(room.room_id, pin=statement_pb2.Pin(post_id=first))
    third = await alice.post(room.room_id, "third")
    await room.owner.say(room.room_id, delete=statement_pb2.Delete(post_id=third))

    page = await alice.page(room.room_id)
    newest, answer, oldest = page.posts
    assert (page.sequence, page.more) == (8, False)
    assert (newest.deleted, newest.entry.statement, newest.entry.digest) == (8, b"", third)
    assert (answer.thread, statement_pb2.Statement.FromString(answer.entry.statement).post.text) == (1, "second")
    assert (oldest.replies, oldest.pinned, oldest.changed) == (1, 6, 6)
    assert [(each.emoji, each.count, each.own) for each in oldest.reactions] == [("👍", 2, True)]
    assert statement_pb2.Statement.FromString(oldest.edit.statement).edit.text == "first, mended"
    assert oldest.entry.digest == first and not oldest.entry.statement  # what was replaced is not told again
    assert texts(await alice.page(room.room_id, pinned=True)) == ["first, mended"]
    assert texts(await alice.page(room.room_id, mentioning=True)) == ["second"]
    assert texts(await bob.page(room.room_id, mentioning=True)) == []
    assert texts(await bob.page(room.room_id, thread=1)) == ["second", "first, mended"]
    named = await bob.ask(get_posts=action_pb2.GetPosts(room_id=room.room_id, post_ids=[second, third]))
    assert [each.deleted for each in named.posts] == [8, 0]
    reactors = await bob.ask(list_reactors=action_pb2.ListReactors(room_id=room.room_id, post_id=first, emoji="👍"))
    assert set(reactors.members) == {alice.key, bob.key}


async def test_log_proves_itself_link_by_link(host: RunningHost) -> None:
    room = await host.room()
    alice = host.member(1)
    posts = [await alice.post(room.room_id, f"post {number}") for number in range(5)]
    await alice.say(room.room_id, delete=statement_pb2.Delete(post_id=posts[2]))

    entries = await alice.changes(room.room_id)
    here = chain.first(HOST_ID, room.room_id)
    assert entries.chain_before == here
    for at, entry in enumerate(entries.entries, 1):
        digest = entry.digest if entry.removed else digest_of(entry.author, entry.statement)
        assert entry.sequence == at
        if not entry.removed:
            Statement.parse(entry.statement, entry.author, entry.signature).check_signature()
        here = chain.step(here, entry.sequence, entry.time_ms, digest)
    told = await alice.ask(get_room=action_pb2.GetRoom(room_id=room.room_id))
    assert (told.sequence, told.chain) == (6, here)
    assert [each.removed for each in entries.entries] == [False, False, True, False, False, False]
    assert b"post 2" not in (host.settings.data_dir / "rooms.db").read_bytes()


async def test_statement_that_claims_another_history_is_refused(host: RunningHost) -> None:
    room = await host.room()
    alice = host.member(1)
    await alice.post(room.room_id, "one")
    sequence, seen = alice.seen[room.room_id]

    alice.seen[room.room_id] = (sequence, bytes(32))
    assert await alice.cannot_say(room.room_id, post=Post(text="two")) == "CHAIN_REFUSED"
    alice.seen[room.room_id] = (sequence + 1, seen)
    assert await alice.cannot_say(room.room_id, post=Post(text="two")) == "CHAIN_REFUSED"
    alice.seen[room.room_id] = (0, chain.first(HOST_ID, room.room_id))  # old, but true
    await alice.post(room.room_id, "two")


async def test_repetition_has_one_effect(host: RunningHost) -> None:
    room = await host.room()
    alice = host.member(1)
    statement = alice.statement(room.room_id, post=Post(text="once"))
    once, again = await alice.act(alice.saying(statement), alice.saying(statement))
    later = await alice.do(alice.saying(statement))
    assert once.said == again.said == later.said

    post_id = statement.digest
    for _ in range(2):
        await alice.say(room.room_id, react=React(post_id=post_id, emoji="🐝"))
    assert len((await alice.changes(room.room_id)).entries) == 2
    for _ in range(2):
        await alice.say(room.room_id, react=React(post_id=post_id, emoji="🐝", withdraw=True))
    assert len((await alice.changes(room.room_id)).entries) == 3


async def test_what_is_of_others_stays_theirs(host: RunningHost) -> None:
    room = await host.room()
    alice, bob = host.member(1), host.member(2)
    post_id = await alice.post(room.room_id, "mine")
    official = await room.owner.post(room.room_id, "official")

    assert await bob.cannot_say(room.room_id, edit=Edit(post_id=post_id, text="yours")) == "NOT_ALLOWED"
    assert await bob.cannot_say(room.room_id, delete=statement_pb2.Delete(post_id=post_id)) == "NOT_ALLOWED"
    assert await bob.cannot_say(room.room_id, pin=statement_pb2.Pin(post_id=post_id)) == "NOT_ALLOWED"
    assert await room.owner.cannot_say(room.room_id, edit=Edit(post_id=post_id, text="yours")) == "NOT_ALLOWED"
    await room.owner.ask(
        appoint=action_pb2.Appoint(room_id=room.room_id, member=bob.key, role=room_pb2.MEMBER_ROLE_MODERATOR)
    )
    assert await bob.cannot_say(room.room_id, delete=statement_pb2.Delete(post_id=official)) == "OUTRANKED"
    await bob.say(room.room_id, delete=statement_pb2.Delete(post_id=post_id))
    assert await alice.cannot_say(room.room_id, edit=Edit(post_id=post_id, text="again")) == "POST_UNKNOWN"


async def test_whisper_is_heard_by_its_recipient_and_moderators_alone(host: RunningHost) -> None:
    room = await host.room()
    alice, bob = host.member(1), host.member(2)
    await alice.post(room.room_id, "hello")
    await room.owner.post(room.room_id, "a word with you", whisper_to=alice.key)
    await room.owner.post(room.room_id, "among us", whisper_moderators=True)
    assert await alice.cannot_say(room.room_id, post=Post(text="psst", whisper_moderators=True)) == "NOT_ALLOWED"

    assert texts(await alice.page(room.room_id)) == ["a word with you", "hello"]
    assert texts(await bob.page(room.room_id)) == ["hello"]
    assert texts(await room.owner.page(room.room_id)) == ["among us", "a word with you", "hello"]
    for member, removed in ((alice, [False, False, True]), (bob, [False, True, True]), (room.owner, [False] * 3)):
        assert [each.removed for each in (await member.changes(room.room_id)).entries] == removed
    found = await bob.ask(search=action_pb2.Search(room_id=room.room_id, words="word"))
    assert texts(found) == []
    answer = await alice.post(
        room.room_id,
        "yes?",
        reply_to=(await alice.page(room.room_id)).posts[0].entry.digest
        or (digest_of(room.owner.key, (await alice.page(room.room_id)).posts[0].entry.statement)),
    )
    assert answer and texts(await bob.page(room.room_id)) == ["hello"]  # an answer to a whisper is one


async def test_search_finds_the_newest_text_alone(host: RunningHost) -> None:
    room, other = await host.room(), await host.room("other")
    alice = host.member(1)
    await alice.post(room.room_id, "the quick brown fox")
    second = await alice.post(room.room_id, 'a slow "brown" bear')
    gone = await alice.post(room.room_id, "a brown secret")
    await alice.post(other.room_id, "brown elsewhere")
    await alice.say(room.room_id, edit=Edit(post_id=second, text="a slow Grizzly"))
    await alice.say(room.room_id, delete=statement_pb2.Delete(post_id=gone))

    async def found(words: str) -> list[str]:
        return texts(await alice.ask(search=action_pb2.Search(room_id=room.room_id, words=words)))

    assert await found("brown") == ["the quick brown fox"]
    assert await found("SLOW grizzly") == ["a slow Grizzly"]
    assert await found("quick grizzly") == []
    for strange in ('"', "* OR", "NEAR(", "text:brown", "';--", "brown -fox ^"):
        await found(strange)
    for bad in ("", "  ", "x" * 201, "a\0b"):
        assert await alice.refused(search=action_pb2.Search(room_id=room.room_id, words=bad)) == "SEARCH_REFUSED"


async def test_search_goes_on_where_it_ended_and_hears_no_whisper_of_others(host: RunningHost) -> None:
    """More candidates than one look into the index brings, most of them for somebody else."""
    room, other = await host.room(), await host.room("other")
    alice, bob = host.member(1), host.member(2)
    await bob.ask(join=action_pb2.Join(room_id=room.room_id))
    for number in range(5):
        await alice.post(room.room_id, f"honey {number}")
    whispers = [
        RoomMember.saying(room.owner.statement(room.room_id, post=Post(text=f"honey w{number}", whisper_to=bob.key)))
        for number in range(300)
    ]
    for first in range(0, 300, 30):
        assert not any(each.status.code for each in await room.owner.act(*whispers[first : first + 30]))
    await alice.post(other.room_id, "honey elsewhere")
    await alice.post(room.room_id, "honey 5")

    async def found(member, before: int = 0, limit: int = 4) -> action_pb2.PostList:
        search = action_pb2.Search(room_id=room.room_id, words="honey", before=before, limit=limit)
        return await member.ask(search=search)

    first = await found(alice)
    assert texts(first) == ["honey 5", "honey 4", "honey 3", "honey 2"] and first.more
    rest = await found(alice, first.next)
    assert texts(rest) == ["honey 1", "honey 0"] and not rest.more and rest.next == 0
    heard, before = [], 0
    while True:
        some = await found(bob, before, 100)
        heard += texts(some)
        if not some.more:
            break
        before = some.next
    assert heard == ["honey 5", *(f"honey w{number}" for number in range(299, -1, -1)), *texts(first)[1:], *texts(rest)]


# Streams and requests


async def test_stream_goes_on_from_where_it_was_left(host: RunningHost) -> None:
    room, other = await host.room(), await host.room("other")
    alice, bob = host.member(1), host.member(2)
    for number in range(3):
        await alice.post(room.room_id, str(number))
    async with aclosing(bob.follow({room.room_id: 1, other.room_id: 0, b"none": 0})) as stream:
        responses = [await asyncio.wait_for(anext(stream), 5) for _ in range(3)]
        by_room = {each.room_id: each for each in responses}
        assert by_room[b"none"].refused == "ROOM_UNKNOWN"
        assert [each.sequence for each in by_room[room.room_id].entries] == [2, 3]
        assert by_room[other.room_id].version == 1
        await alice.post(other.room_id, "news")
        assert [each.sequence for each in (await asyncio.wait_for(anext(stream), 5)).entries] == [1]
        await room.owner.ask(ban=action_pb2.Ban(room_id=room.room_id, member=bob.key, until_ms=host.now_ms() + 9_000))
        told = await asyncio.wait_for(anext(stream), 5)
        assert (told.room_id, told.refused) == (room.room_id, "BANNED")
        host.host.service.end_streams()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(stream), 5)


async def test_batch_answers_each_action_in_order(host: RunningHost) -> None:
    room = await host.room()
    alice = host.member(1)
    say = [alice.saying(alice.statement(room.room_id, post=Post(text=str(number)))) for number in range(3)]
    page = action_pb2.Action(page=action_pb2.Page(room_id=room.room_id))
    bad = action_pb2.Action(page=action_pb2.Page(room_id=b"none"))
    results = await alice.act(*say, page, bad, page)
    assert [each.said.sequence for each in results[:3]] == [1, 2, 3]
    assert texts(results[3].posts) == texts(results[5].posts) == ["2", "1", "0"]
    assert read_status(results[4].status).reason == "ROOM_UNKNOWN"
    assert len(await alice.act(page, bad, page, stop=True)) == 2
    results = await alice.act(*[page] * 32, capacity=7_000)
    assert read_status(results[-1].status).reason == "REPLY_TOO_LARGE"


async def test_bad_requests_are_refused_and_leave_nothing(host: RunningHost) -> None:
    room = await host.room()
    alice = host.member(1)
    service, context = host.host.service, OnionContext(bytes(16), CAPACITY)

    async def reason(request) -> str:
        with pytest.raises(Exception) as caught:
            await service.Act(request, context)
        return caught.value.reason

    assert await reason(opengroup_pb2.ActRequest(batch=b"\xff")) == "BATCH_REFUSED"
    assert await reason(opengroup_pb2.ActRequest()) == "BATCH_REFUSED"
    unsigned = opengroup_pb2.ActRequest(batch=b"x")
    unsigned.authorization.member = alice.key
    assert await reason(unsigned) == "NOT_AUTHORIZED"
    host.skew_ms -= 6 * 60_000
    statement = alice.statement(room.room_id, post=Post(text="late"))
    host.skew_ms += 6 * 60_000
    [late] = await alice.act(alice.saying(statement), sign=False)
    assert read_status(late.status).reason == "CLOCK"
    forged = action_pb2.Say(statement=statement.raw, author=alice.key, signature=bytes(64))
    assert await alice.refused(say=forged) == "NOT_AUTHORIZED"
    [unknown] = await alice.act(action_pb2.Action())
    assert read_status(unknown.status).reason == "BATCH_REFUSED"
    nobody = await alice.act(
        action_pb2.Action(join=action_pb2.Join(room_id=room.room_id)),
        action_pb2.Action(list_direct=action_pb2.ListDirect()),
        sign=False,
    )
    assert [read_status(each.status).reason for each in nobody] == ["NOT_AUTHORIZED"] * 2
    listed = await room.owner.ask(
        list_members=action_pb2.ListMembers(room_id=room.room_id, which=action_pb2.ListMembers.WHICH_JOINED)
    )
    assert [each.member for each in listed.members] == [room.owner.key]
    assert (await room.owner.page(room.room_id)).posts == []


async def test_host_says_who_it_is(host: RunningHost) -> None:
    told = await host.host.service.Describe(opengroup_pb2.DescribeRequest(), OnionContext(bytes(16), CAPACITY))
    assert told.host_id == HOST_ID and attested(HOST_KEY.public, host.host.node_id, told.attestation)


async def test_what_was_answered_outlives_the_process(tmp_path: Path) -> None:
    async with RunningHost(tmp_path / "host") as before:
        room = await before.room()
        await before.member(1).post(room.room_id, "kept")
    async with RunningHost(tmp_path / "host") as after:
        assert texts(await after.member(1).page(room.room_id)) == ["kept"]
        assert (await after.member(1).changes(room.room_id)).entries[0].sequence == 1


async def test_old_posts_leave_where_a_room_says_so(host: RunningHost) -> None:
    room = await host.room(keep_days=1)
    alice = host.member(1)
    await alice.post(room.room_id, "old")
    host.skew_ms += DAY_MS + 1
    await alice.post(room.room_id, "new")
    await host.host.writer.do(Job(upkeep.remove_expired))
    assert texts(await alice.page(room.room_id)) == ["new"]
    assert [each.removed for each in (await alice.changes(room.room_id)).entries] == [True, False]
