"""A push host on SQLite: subscriptions, wakes, what is told to endpoints and when."""

import asyncio
from pathlib import Path

import pytest

from essaim.protocol.errors import ProtocolError
from essaim.protocol.push.wake import Reason, Wake
from essaim.push.v1 import push_pb2
from essaim_push.assembly import rules_of
from essaim_push.queue import Leasing
from push_host import Bot, RunningPush, context, described, wake


async def refused(call) -> str:
    with pytest.raises(ProtocolError) as error:
        await call
    return error.value.reason


async def test_wake_of_each_push_id_reaches_the_endpoint(tmp_path: Path) -> None:
    async with Bot() as bot, RunningPush(tmp_path) as push:
        device = push.device()
        ids = await device.subscribe(bot.endpoint(), days=2, lanes=3)
        assert len(set(ids)) == 6
        for number, push_id in enumerate(ids, 1):
            assert await push.wake(wake(push_id)) == [None]
            await bot.wait_for(number)
        assert len(set(await bot.wait_for(6))) == 6, "each delivery has a topic of its own"


async def test_wake_id_is_taken_once_and_unknown_push_ids_never(tmp_path: Path) -> None:
    async with Bot() as bot, RunningPush(tmp_path) as push:
        device = push.device()
        [push_id, *_, late] = await device.subscribe(bot.endpoint(), days=6)
        first = wake(push_id)
        assert await push.wake(first, first) == [None, None]
        await bot.wait_for(1)
        assert await push.wake(first, node_id=b"o" * 32) == [None], "another member may say the same"
        strange = Wake(b"x" * 32, b"w" * 16)
        assert await push.wake(strange, wake(late)) == [Reason.UNKNOWN, Reason.UNKNOWN]
        assert await push.wake(Wake(push_id, b"short"), wake(push_id)) == [Reason.MALFORMED, None]
        await bot.wait_for(2)
        assert await device.unsubscribe() == 1
        assert await push.wake(wake(push_id)) == [Reason.UNKNOWN]
        await asyncio.sleep(0.2)  # nothing may come, and nothing says so
        assert len(bot.told) == 2


async def test_wakes_before_a_delivery_are_told_by_it(tmp_path: Path) -> None:
    """Host delay: what comes within it is one call."""
    async with Bot() as bot, RunningPush(tmp_path, delay_seconds=0.5) as push:
        ids = await push.device().subscribe(bot.endpoint(), prompt=False, days=2, lanes=4)
        assert await push.wake(*(wake(each) for each in ids)) == [None] * 8
        await bot.wait_for(1)
        await asyncio.sleep(0.3)
        assert len(bot.told) == 1


async def test_wake_during_a_delivery_is_told_by_the_next(tmp_path: Path) -> None:
    async with Bot() as bot, RunningPush(tmp_path) as push:
        [push_id, _] = await push.device().subscribe(bot.endpoint())
        bot.answers.clear()
        await push.wake(wake(push_id))
        await bot.wait_for(1)
        assert await push.wake(wake(push_id), wake(push_id)) == [None, None]
        bot.answers.set()
        first, second = await bot.wait_for(2)
        assert first != second


async def test_slow_call_is_repeated_under_the_same_topic(tmp_path: Path) -> None:
    async with Bot() as bot, RunningPush(tmp_path, endpoint_seconds=0.3) as push:
        [push_id, _] = await push.device().subscribe(bot.endpoint())
        bot.answers.clear()
        await push.wake(wake(push_id))
        first, again = await bot.wait_for(2)
        bot.answers.set()
        assert first == again


async def test_call_is_not_begun_under_a_lease_that_may_end_before_it(tmp_path: Path) -> None:
    """The process was paused between the lease and the call: another replica may have it soon."""
    async with Bot() as bot, RunningPush(tmp_path / "host") as push:
        dispatcher, rules = push.host.dispatcher, rules_of(push.settings)
        [push_id, _] = await push.device().subscribe(bot.endpoint())
        dispatcher._draining = True  # nothing is leased but by hand
        await push.wake(wake(push_id))
        [leased], _ = await push.host.writer.submit(Leasing(1, push.node_id, rules).run)
        dispatcher._draining = False
        push.skew_ms = rules.lease_ms * 6 // 10

        await dispatcher._deliver(leased)

        assert not bot.told
        assert len(await bot.wait_for(1)) == 1, "under a new lease, at once"


async def test_failing_endpoint_is_tried_again_with_patience(tmp_path: Path) -> None:
    async with Bot() as bot, RunningPush(tmp_path) as push:
        [push_id, _] = await push.device().subscribe(bot.endpoint())
        bot.status = 500
        await push.wake(wake(push_id))
        await bot.wait_for(3)
        bot.status, bot.retry_after = 429, "1"
        count = len(bot.told)
        await bot.wait_for(count + 1)
        bot.status, asked = 200, bot.told[-1][0]
        topics = await bot.wait_for(count + 2)
        assert len(set(topics)) == 1
        assert bot.told[-1][0] - asked >= 0.99, "Retry-After is the least"


async def test_gone_endpoint_is_left_alone_until_the_device_names_another(tmp_path: Path) -> None:
    async with Bot() as old, Bot() as new, RunningPush(tmp_path) as push:
        device = push.device()
        [push_id, _] = await device.subscribe(old.endpoint())
        old.status = 410
        await push.wake(wake(push_id))
        await old.wait_for(1)
        await device.until_gone()
        assert await push.wake(wake(push_id)) == [None], "it waits for the device's next endpoint"
        with push.host.database.reader.begin() as connection:
            assert connection.exec_driver_sql("SELECT sealed FROM endpoint").scalar_one() == b""
        assert await device.rotate(new.endpoint()) == await device.renew(), "the push ids stay"
        await new.wait_for(1)
        assert (await device.list())[0].state == push_pb2.SUBSCRIPTION_STATE_LIVE
        assert len(old.told) == 1


async def test_rotation_to_a_higher_generation_ends_the_push_ids_before(tmp_path: Path) -> None:
    async with Bot() as bot, RunningPush(tmp_path) as push:
        device = push.device()
        [before, _] = await device.subscribe(bot.endpoint())
        [after, _] = await device.rotate(generation=1)
        assert await push.wake(wake(before), wake(after)) == [Reason.UNKNOWN, None]
        assert await refused(device.rotate(generation=0)) == "GENERATION_USED"
        await bot.wait_for(1)


async def test_subscription_ends_unless_it_is_renewed(tmp_path: Path) -> None:
    async with Bot() as bot, RunningPush(tmp_path) as push:
        device, other = push.device(), push.device()
        await device.subscribe(bot.endpoint())
        await other.subscribe(bot.endpoint())
        push.skew_ms = 40 * 86_400_000
        ids = await device.renew(days=31, lanes=2)
        push.skew_ms += 30 * 86_400_000
        assert await refused(other.renew()) == "SUBSCRIPTION_UNKNOWN"
        assert len(await device.list()) == 1
        assert await push.wake(wake(ids[-1])) == [None]


async def test_upkeep_removes_what_is_over(tmp_path: Path) -> None:
    async with Bot() as bot, RunningPush(tmp_path, upkeep_seconds=0.05) as push:
        device = push.device()
        [push_id, _] = await device.subscribe(bot.endpoint())
        await push.wake(*(wake(push_id) for _ in range(200)))
        await bot.wait_for(1)
        push.skew_ms = 61 * 86_400_000

        def rows() -> int:
            with push.host.database.reader.begin() as connection:
                tables = ("subscription", "endpoint", "wake", "seen")
                return sum(connection.exec_driver_sql(f"SELECT count(*) FROM {each}").scalar_one() for each in tables)

        async with asyncio.timeout(20):
            while await asyncio.to_thread(rows):  # noqa: ASYNC110  # only a look can tell
                await asyncio.sleep(0.02)


async def test_strangers_change_nothing(tmp_path: Path) -> None:
    async with Bot() as bot, RunningPush(tmp_path) as push:
        device, thief = push.device(), push.device()
        await device.subscribe(bot.endpoint())
        thief.subscription_id = device.subscription_id
        assert await refused(thief.renew()) == await refused(thief.rotate()) == "SUBSCRIPTION_UNKNOWN"
        assert await thief.unsubscribe() == 0
        forged = push_pb2.ListRequest(authorization=device.authorize("List", b"other"))
        assert await refused(push.host.service.List(forged, context())) == "NOT_AUTHORIZED"
        old = push_pb2.ListRequest(authorization=device.authorize("List", b""))
        push.skew_ms = 6 * 60_000
        assert await refused(push.host.service.List(old, context())) == "CLOCK"


async def test_orders_out_of_bounds_are_refused(tmp_path: Path) -> None:
    async with Bot() as bot, RunningPush(tmp_path) as push:
        device = push.device()
        assert await refused(device.subscribe(bot.endpoint(), days=200, lanes=2)) == "ORDER_REFUSED"
        assert await refused(device.subscribe(bot.endpoint(), days=2, ahead=60)) == "ORDER_REFUSED"
        device.subscription_id = b"short"
        assert await refused(device.subscribe(bot.endpoint())) == "ORDER_REFUSED"
        for _ in range(8):
            device.subscription_id = push.device().subscription_id
            await device.subscribe(bot.endpoint())
        device.subscription_id = push.device().subscription_id
        assert await refused(device.subscribe(bot.endpoint())) == "QUOTA"
        device.subscription_id = (await device.list())[0].subscription_id
        assert len(await device.subscribe(bot.endpoint())) == 2, "once more is not one more"


async def test_host_attests_its_keys_and_takes_no_more_than_it_says(tmp_path: Path) -> None:
    limits = {"wakes_per_second": 1, "subscribes_per_second": 0.1}
    async with Bot() as bot, RunningPush(tmp_path, **limits) as push:
        told = await push.host.service.Describe(push_pb2.DescribeRequest(), context())
        described(told).check(push.node_id, told.attestation)
        [push_id, _] = await push.device().subscribe(bot.endpoint())
        assert await refused(push.device().subscribe(bot.endpoint())) == "BUSY"
        assert await push.wake(*(wake(push_id) for _ in range(10))) == [None] * 10
        answer = await push.send([wake(push_id)])
        assert answer.refused == ((0, Reason.BUSY),)
        assert 0 < answer.retry_after_ms <= 1_001
        assert await push.wake(wake(push_id), node_id=b"o" * 32) == [None], "each node has a limit of its own"
