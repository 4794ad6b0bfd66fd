"""The client's way through a real network that restarts, lies about time, or hands out old views."""

import asyncio
from collections import Counter

import pytest

from client_world import NOW_MS, World
from essaim.protocol.geometry import CellClass
from essaim.protocol.view import ForkError, NetworkView, ViewHistory
from essaim.view.v1 import view_pb2
from essaim_client.client import Client
from essaim_client.network.guard import GuardSet

HOUR_MS = 3_600_000


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as made:
        yield made


def guards_of(me: Client) -> list[str]:
    return [guard.node_id for guard in me._network.lanes.guards._guards]


async def restarted(node) -> None:
    """On the same port, with onion keys that no view has yet."""
    port = node.loose.port
    await node.stop()
    await node.start(port)


@pytest.mark.parametrize("position", range(4))
async def test_restarted_hop_that_no_view_knows_yet_is_gone_round(world, position):
    async with world.client() as me:
        await me.ready()
        hop = (await me.trace()).hops[position]
        before = guards_of(me)
        await restarted(world.node(hop.node_id))
        again = await asyncio.wait_for(me.trace(), 30)
        if position < 3:
            assert hop.node_id not in {each.node_id for each in again.hops}
        assert guards_of(me) == before
        world.publish()
        await me._network.views.refresh()
        assert me.view.serial == world.view.serial
        await me.trace()


async def test_restarted_destination_is_reached_as_soon_as_a_view_tells_its_keys(world):
    async with world.client() as me:
        await me.ready()
        for node in world.stores:
            await restarted(node)
        world.publish()
        await me.trace()
        assert me.view.serial == world.view.serial


@pytest.mark.parametrize("wrong_ms", [HOUR_MS, -HOUR_MS])
async def test_wrong_clock_is_corrected_before_the_first_cell(world, wrong_ms):
    async with Client(world.home(), "pass", now_ms=lambda: NOW_MS() + wrong_ms) as me:
        assert abs(me._network.clock.now_ms() - NOW_MS()) < 5_000
        await me.trace()


async def test_guard_with_a_wrong_clock_is_passed_over(world):
    async with world.client() as me:
        await me.ready()
        guard = (await me.trace()).hops[0]
        world.node(guard.node_id).skew_ms = HOUR_MS
        again = await asyncio.wait_for(me.trace(), 30)
        assert again.hops[0].node_id != guard.node_id
        assert abs(me._network.clock.now_ms() - NOW_MS()) < 5_000


async def test_dead_guard_is_replaced_at_once_and_not_forgotten(world):
    async with world.client() as me:
        await me.ready()
        first = (await me.trace()).hops[0]
        before = guards_of(me)
        await world.node(first.node_id).stop()
        second = (await me.trace()).hops[0]
        assert second.node_id.hex() in before and second.node_id != first.node_id
        assert guards_of(me) == before


async def test_requests_of_different_lanes_take_different_paths(tmp_path):
    async with World(tmp_path, relays=10) as world, world.client() as me:
        await me.ready()
        lanes = Counter((path.middle.node_id, path.exit.node_id) for path in me._network.lanes._paths.values())
        assert len(lanes) > len(me._network.lanes._paths) // 2
        assert len({path.guard.node_id for path in me._network.lanes._paths.values()}) == 1


async def test_several_answers_about_one_view_are_no_attack(world):
    async with world.client() as me:
        world.publish()
        world.publish()
        await me._network.views.refresh(direct=True)
        assert me.view.serial == 3
        assert me._network.views.refused is None


async def test_older_answers_beside_newer_ones_are_no_attack(world):
    async with world.client() as me:
        views = me._network.views
        old = ViewHistory()
        old.add(world.view)
        old.add(world.publish())
        late = old.answer(1, 1)
        world.publish()
        new = world.history.answer(1, 1)
        views._take(new, (1, 1))
        views._take(late, (1, 1))
        assert me.view.serial == 3 and views.refused is None


async def test_rollback_and_fork_are_refused_and_told(world):
    first = world.view
    world.publish()
    async with world.client() as me:
        views = me._network.views
        views._take(view_pb2.ViewAnswer(whole=first.whole()), views._held())
        assert (me.view.serial, views.refused.reason) == (2, "ROLLBACK")
        world.history = ViewHistory()
        world.history.add(first)
        fork: NetworkView = world.publish()
        views._take(view_pb2.ViewAnswer(whole=fork.whole()), (1, 1))
        assert isinstance(views.refused, ForkError)
        assert me.view.hash != fork.hash


async def test_view_and_guards_are_kept_over_a_restart(world):
    home = world.home()
    async with world.client(home) as me:
        await me.ready()
        guards, serial = guards_of(me), me.view.serial
    await world.seed.stop(None)  # the second time no seed is needed
    async with world.client(home) as me:
        assert (guards_of(me), me.view.serial) == (guards, serial)
        kept = GuardSet.decode(me._profile.store.get("guards"))
        assert [guard.node_id for guard in kept._guards] == guards


async def test_open_that_fails_leaves_the_home_free_and_no_task(world):
    home = world.home()
    await world.seed.stop(None)
    for _ in range(2):
        with pytest.raises(Exception, match="no seed and no guard") as raised:
            async with world.client(home):
                pass
        assert raised.value.reason == "NO_VIEW"
    assert not [task for task in asyncio.all_tasks() if "essaim_client" in repr(task.get_coro())]


async def test_whole_view_comes_through_the_onion_in_the_smallest_replies(tmp_path):
    async with World(tmp_path, relays=12) as world, world.client() as me:
        answer = await me._network._fetch(0, 0)
        assert answer.whole == world.view.whole()
        assert answer.ByteSize() > 2 * CellClass.SMALL.reply_payload
        world.publish()
        await me._network.views.refresh()
        assert me.view.serial == 2
