"""Filters, later permissions, the outbox and more, on SQLite; tests/databases has them on both."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from room_host import RunningHost
from room_stories import STORIES


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_host_as_told(tmp_path: Path, story: Callable[[RunningHost], Awaitable[None]]) -> None:
    async with RunningHost(tmp_path / "host") as host:
        await story(host)
