"""No entry is missed or repeated, whatever is written meanwhile: by poll, by stream, by page; on both databases."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing

import pytest

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.statement import Statement, digest_of
from essaim.testing.effort import EFFORT, examples
from room_host import HOST_ID, Refused, RoomMember, RunningHost, texts

WRITERS = 6
EXPECTED = {"POST_UNKNOWN", "CHAIN_REFUSED"}
"""A post that another writer has just deleted."""
EMOJIS = ("👍", "🐝", "🔥")


async def write(member: RoomMember, room_id: bytes, rng: random.Random, posts: list[bytes], count: int) -> None:
    """`count` acts of chance."""
    for number in range(count):
        act = rng.choices(["post", "edit", "delete", "react"], [6, 2, 1, 3])[0] if posts else "post"
        try:
            if act == "post":
                posts.append(await member.post(room_id, f"{member.number}/{number} word{number}"))
            elif act == "edit":
                mine = rng.choice(posts)
                edit = statement_pb2.Edit(post_id=mine, text=f"edited {number}")
                await member.say(room_id, edit=edit)
            elif act == "delete":
                await member.say(room_id, delete=statement_pb2.Delete(post_id=rng.choice(posts)))
            else:
                react = statement_pb2.React(post_id=rng.choice(posts), emoji=rng.choice(EMOJIS))
                await member.say(room_id, react=react)
        except Refused as error:
            if error.reason not in EXPECTED | {"NOT_ALLOWED"}:
                raise


class Checked:
    """The log as a reader comes to know it, link by link."""

    def __init__(self, room_id: bytes) -> None:
        self.chain = chain.first(HOST_ID, room_id)
        self.entries: list[room_pb2.Entry] = []

    @property
    def sequence(self) -> int:
        return len(self.entries)

    def add(self, entries, before: bytes) -> None:
        for entry in entries:
            assert entry.sequence == self.sequence + 1, "missed or repeated"
            if entry is entries[0]:
                assert before == self.chain
            digest = entry.digest if entry.removed else digest_of(entry.author, entry.statement)
            self.chain = chain.step(self.chain, entry.sequence, entry.time_ms, digest)
            self.entries.append(entry)


async def poll(member: RoomMember, room_id: bytes, rng: random.Random, total: list[int]) -> Checked:
    """Until everything is there."""
    known = Checked(room_id)
    while known.sequence < total[0]:
        told = await member.changes(room_id, known.sequence, limit=rng.randint(1, 9))
        known.add(told.entries, told.chain_before)
        await asyncio.sleep(0)
    return known


async def stream(member: RoomMember, room_id: bytes, rng: random.Random, total: list[int]) -> Checked:
    """Streams that are broken off at any moment, each resumed from the last entry that was had."""
    known = Checked(room_id)
    while known.sequence < total[0]:
        async with aclosing(member.follow({room_id: known.sequence}, capacity=rng.choice([2_000, 16_000]))) as told:
            for _ in range(rng.randint(1, 6)):
                if known.sequence >= total[0]:
                    break
                response = await asyncio.wait_for(anext(told), 20)
                known.add(response.entries, response.chain_before)
    return known


async def turn_pages(member: RoomMember, room_id: bytes, rng: random.Random) -> None:
    """Newest first to the oldest: every post below the head of the first page, once."""
    head, before, found = 0, 0, []
    while True:
        page = await member.page(room_id, before=before, limit=rng.randint(1, 9))
        head = head or page.sequence
        found += [state.entry.sequence for state in page.posts]
        if not page.more:
            break
        before = found[-1]
        await asyncio.sleep(0)
    assert found == sorted(set(found), reverse=True)
    log = Checked(room_id)
    while log.sequence < head:
        told = await member.changes(room_id, log.sequence)
        log.add(told.entries, told.chain_before)
    posts = {each.sequence for each in log.entries[:head] if each.removed or is_post(each)}
    assert {each for each in found if each <= head} <= posts
    assert {each.sequence for each in log.entries[:head] if is_post(each)} <= set(found)


def is_post(entry: room_pb2.Entry) -> bool:
    return not entry.removed and statement_pb2.Statement.FromString(entry.statement).HasField("post")


@pytest.mark.parametrize("seed", range(examples(1)))
@pytest.mark.timeout(240)
async def test_nothing_is_missed_or_repeated_under_concurrent_writes(
    hosts: Callable[[], RunningHost], seed: int
) -> None:
    print("seed", seed)
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(hosts())
        second = hosts()
        if second is not first:
            await stack.enter_async_context(second)
        # Some posts are kept from others, and the host answers their authors: both are entries like any.
        room = await first.room(filter="word1", filter_silent=True, filter_reply="not that, {member}")
        replicas = [first, second]
        members = [RoomMember(replicas[number % 2], number) for number in range(1, WRITERS + 1)]
        total, posts = [1 << 60], []
        readers = [
            asyncio.create_task(poll(RoomMember(replicas[number % 2], 90 + number), room.room_id, rng, total))
            for number in range(2)
        ]
        readers += [
            asyncio.create_task(stream(RoomMember(replicas[number % 2], 80 + number), room.room_id, rng, total))
            for number in range(3)
        ]
        async with asyncio.TaskGroup() as group:
            for member in members:
                group.create_task(write(member, room.room_id, random.Random(rng.random()), posts, 20))
            for number in range(3):
                group.create_task(turn_pages(RoomMember(replicas[number % 2], 70 + number), room.room_id, rng))
        total[0] = await newest(first, room.room_id) + 1
        await members[0].post(room.room_id, "the last one, which wakes who waits")
        logs = await asyncio.wait_for(asyncio.gather(*readers), 60)

        assert {log.sequence for log in logs} == {total[0]}
        assert len({log.chain for log in logs}) == 1
        for reader in (members[0], room.owner, first.member(60)):
            await state_is_what_the_log_says(reader, room.room_id, total[0])


async def newest(host: RunningHost, room_id: bytes) -> int:
    return (await host.member(50).ask(get_room=action_pb2.GetRoom(room_id=room_id))).sequence


async def state_is_what_the_log_says(member: RoomMember, room_id: bytes, total: int) -> None:
    """Posts, edits, deletions and reactions, replayed from the log, are those of the pages."""
    log = Checked(room_id)
    while log.sequence < total:
        told = await member.changes(room_id, log.sequence)
        log.add(told.entries, told.chain_before)
    text, reactions = replayed(log)
    before, shown, counted = 0, [], {}
    while True:
        page = await member.page(room_id, before=before)
        shown += [each for each in texts(page) if each]
        for state in page.posts:
            name = state.entry.digest or digest_of(state.entry.author, state.entry.statement)
            counted |= {name: {each.emoji: each.count for each in state.reactions}} if state.reactions else {}
        if not page.more:
            break
        before = page.posts[-1].entry.sequence
    assert sorted(shown) == sorted(text.values())
    assert counted == reactions


def replayed(log: Checked) -> tuple[dict[bytes, str], dict[bytes, dict[str, int]]]:
    """(text, reactions) of each post that stands, from the log alone."""
    text: dict[bytes, str] = {}
    reactions: dict[bytes, dict[str, int]] = {}
    for entry in log.entries:
        if entry.removed:
            continue
        statement = Statement.parse(entry.statement, entry.author, entry.signature)
        statement.check_signature()
        message = statement.message
        match statement.kind:
            case "post":
                text[statement.digest] = message.post.text
            case "edit":
                text[statement.target] = message.edit.text
            case "react":
                counts = reactions.setdefault(statement.target, {})
                counts[message.react.emoji] = counts.get(message.react.emoji, 0) + 1
    return text, reactions


@pytest.mark.timeout(300)
async def test_many_members_post_and_poll(hosts: Callable[[], RunningHost]) -> None:
    """100 members (2,000 in `make databases`): each joins by its post, and reads everybody's."""
    many = 100 if EFFORT == 1 else 2_000
    async with hosts() as host:
        room = await host.room()
        members = [host.member(number) for number in range(1, many + 1)]
        for first in range(0, many, 200):
            some = members[first : first + 200]
            await asyncio.gather(*(member.post(room.room_id, f"from {member.number}") for member in some))
            heads = await asyncio.gather(*(member.changes(room.room_id, first) for member in some))
            assert all(head.entries[0].sequence == first + 1 for head in heads)
        log = Checked(room.room_id)
        while log.sequence < many:
            told = await members[-1].changes(room.room_id, log.sequence)
            log.add(told.entries, told.chain_before)
        assert len({entry.author for entry in log.entries}) == many
        found = await members[0].ask(get_room=action_pb2.GetRoom(room_id=room.room_id))
        assert found.members == many + 1
