"""A push host's schema and replicas, on SQLite and on a real PostgreSQL."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import postgres_server
from essaim.push.v1 import push_pb2
from essaim.runtime.refusal import StartError
from essaim_push.schema import METADATA
from push_host import Bot, RunningPush, context, wake


@pytest.fixture(params=["sqlite", "postgresql"])
def push_host(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], RunningPush]:
    """Makes a host of one database, again and again."""
    url = request.getfixturevalue("postgres").url() if request.param == "postgresql" else None
    return lambda: RunningPush(tmp_path / "host", url)


async def test_push_migrations_make_the_schema_that_the_code_goes_by(push_host: Callable[[], RunningPush]) -> None:
    async with push_host() as push:
        with push.host.database.writer.begin() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


async def test_push_database_of_another_key_is_not_opened(push_host: Callable[[], RunningPush]) -> None:
    async with push_host() as push:
        folder = push.settings.data_dir
    other = push_host()
    (folder / "push-key").write_text(os.urandom(32).hex())
    with pytest.raises(StartError, match="another key"):
        await other.__aenter__()


async def test_queue_outlives_its_host_and_nothing_is_told_twice(push_host: Callable[[], RunningPush]) -> None:
    async with Bot() as bot:
        async with push_host() as push:
            device = push.device()
            [push_id, _] = await device.subscribe(bot.endpoint())
            bot.status = 500
            await push.wake(wake(push_id))
            await bot.wait_for(1)
        bot.status = 200
        before = len(bot.told)
        async with push_host() as push:
            topics = await bot.wait_for(before + 1)
            assert len(set(topics)) == 1
            assert [each.state for each in await device.at(push).list()] == [push_pb2.SUBSCRIPTION_STATE_LIVE]
            told = len(bot.told)
            await asyncio.sleep(0.3)  # nothing may come, and nothing says so
            assert len(bot.told) == told == before + 1


async def test_replicas_share_subscriptions_wakes_and_limits(postgres: postgres_server.Server, tmp_path: Path) -> None:
    url = postgres.url()
    async with Bot() as bot, RunningPush(tmp_path / "a", url) as one, RunningPush(tmp_path / "b", url) as two:
        device = one.device()
        [push_id, _] = await device.subscribe(bot.endpoint())
        for number in range(1, 6):
            same = wake(push_id)
            verdicts = await asyncio.gather(one.wake(same), two.wake(same))
            assert list(verdicts) == [[None], [None]]
            await bot.wait_for(number)
            await asyncio.sleep(0.2)
        assert await device.at(two).renew() == await device.at(one).renew()
        told = len(bot.told)
        await asyncio.sleep(0.5)  # nothing may come, and nothing says so
        assert len(bot.told) == told == 5, "one wake, whoever was told of it"
        for push in (one, two):
            described = await push.host.service.Describe(push_pb2.DescribeRequest(), context())
            assert set(described.node_ids) == {one.node_id, two.node_id}
        for number in range(40):
            await (one, two)[number % 2].wake(wake(push_id))
        async with asyncio.timeout(10):
            while (await device.list())[0].delivered_ms == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert len({each for _, each in bot.told}) == len(bot.told), "no delivery was made by both"
