"""The stories of tests/integration/room_{stories,filters}.py on both databases; an inbox that two replicas write to."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

import postgres_server
from essaim.opengroup.v1 import action_pb2
from room_host import RunningHost
from room_stories import STORIES


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_host_as_told_on(
    hosts: Callable[[], RunningHost], story: Callable[[RunningHost], Awaitable[None]]
) -> None:
    async with hosts() as host:
        await story(host)


async def test_inbox_and_outbox_are_followed_without_a_gap_while_two_replicas_take_messages(
    postgres: postgres_server.Server, tmp_path: Path
) -> None:
    """Members of two rooms write to one, each by another replica, and she to them: numbers come in their order."""
    url = postgres.url()
    async with RunningHost(tmp_path / "a", url) as one, RunningHost(tmp_path / "b", url) as two:
        rooms = [await one.room(), await one.room("other")]
        alice, others = one.member(1), [one.member(number) for number in range(2, 10)]
        for member in (alice, *others):
            for room in rooms:
                await member.ask(join=action_pb2.Join(room_id=room.room_id))

        def direct(number: int, to: bytes) -> action_pb2.Action:
            room = rooms[number % 2].room_id
            return action_pb2.Action(send_direct=action_pb2.SendDirect(room_id=room, to=to, data=b"%d" % number))

        async def write(number: int) -> None:
            sender = others[number % len(others)].at((one, two)[number % 2])
            await sender.do(direct(number, alice.key))
            await alice.at((two, one)[number % 2]).do(direct(100 + number, sender.key))

        async with aclosing(alice.at(two).follow({}, 0, sent_after=0)) as live:
            await asyncio.wait_for(anext(live), 10)
            writing = asyncio.gather(*(write(number) for number in range(24)))
            came, sent = set[bytes](), 0
            async with asyncio.timeout(30):
                while len(came) < 24 or sent < 24:
                    told = await anext(live)
                    came |= {each.data for each in told.directs}
                    sent += len(told.sent)
            await writing
        assert came == {b"%d" % number for number in range(24)} and sent == 24
