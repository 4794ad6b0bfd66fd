"""Filters, later permissions, the outbox and more, on SQLite; tests/databases has them on both."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from essaim.opengroup.v1 import action_pb2, statement_pb2
from room_host import RunningHost
from room_stories import STORIES


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_host_as_told(tmp_path: Path, story: Callable[[RunningHost], Awaitable[None]]) -> None:
    async with RunningHost(tmp_path / "host") as host:
        await story(host)


async def test_host_may_want_posts_before_direct_messages(tmp_path: Path) -> None:
    """Posts that stand, and are not kept by a filter; moderators need none."""
    async with RunningHost(tmp_path / "host", direct_after_posts=2) as host:
        room = await host.room(filter="spam", filter_silent=True)
        alice, bob = host.member(1), host.member(2)
        await bob.ask(join=action_pb2.Join(room_id=room.room_id))
        direct = action_pb2.SendDirect(room_id=room.room_id, to=bob.key, data=b"x")
        gone = await alice.post(room.room_id, "one")
        await alice.post(room.room_id, "spam")
        assert await alice.refused(send_direct=direct) == "NOT_ALLOWED"
        await alice.post(room.room_id, "two")
        await alice.say(room.room_id, delete=statement_pb2.Delete(post_id=gone))
        assert await alice.refused(send_direct=direct) == "NOT_ALLOWED"
        await alice.post(room.room_id, "three")
        await alice.ask(send_direct=direct)
        await room.owner.ask(send_direct=action_pb2.SendDirect(room_id=room.room_id, to=bob.key, data=b"y"))
