"""Two clients over real relays and a real swarm: what the ten lines promise."""

import asyncio
from collections import Counter
from contextlib import aclosing

import pytest

from client_world import World
from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId, AccountIdRefusedError
from essaim.protocol.conversation import Change, Peer
from essaim.protocol.geometry import CellClass
from essaim.protocol.keys import SigningKey
from essaim.protocol.padding import ContentTooLargeError
from essaim_client import Disappeared, Disappearing, Message, TimerChanged
from essaim_client.mailbox import live_stream, patience, swarm_call
from essaim_client.messaging.directory import UnknownAccountError
from essaim_client.messaging.fan_out import Posting
from essaim_client.messaging.publisher import REFILL_AFTER
from essaim_client.messaging.sender import OwnAccountError, TextRefusedError


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as made:
        yield made


@pytest.fixture
def impatient(monkeypatch):
    """Rounds follow each other at once: what fails, fails within seconds."""
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(swarm_call, "ROUNDS", 2)


def own_tasks():
    """Tasks that run the client's code; the servers in this process have their own."""
    return {task for task in asyncio.all_tasks() if "essaim_client" in repr(task.get_coro())}


async def test_message_arrives_once_and_is_confirmed(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        sent = await alice.send(bob.account_id, "hello")
        assert sent.devices == 1
        [message] = await bob.receive()
        assert (message.text, message.sender, message.message_id) == ("hello", alice.account_id, sent.message_id)
        assert message.changes == (Change.NEW_ACCOUNT,)
        assert await bob.receive() == []
        assert bob._profile.store.unconfirmed(10) == []


async def test_answers_keep_the_session_and_the_history(world):
    async with world.client() as alice, world.client() as bob:
        await asyncio.gather(alice.ready(), bob.ready())
        await alice.send(str(bob.account_id), "one")
        await bob.receive()
        await bob.send(alice.account_id, "two")
        assert [each.text for each in await alice.receive()] == ["two"]
        await alice.send(bob.account_id, "x" * 50_000)
        assert [each.text for each in await bob.receive()] == ["x" * 50_000]
        assert [(each.outgoing, each.text[:3]) for each in bob.history()] == [
            (False, "one"),
            (True, "two"),
            (False, "xxx"),
        ]


async def test_time_that_nobody_can_have_sent_at_stops_no_receiver(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        content = content_pb2.Content(message_id=bytes(16), sent_ms=(1 << 64) - 1, text=content_pb2.Text(text="late"))
        await alice._person.fan_out.post(Posting(bob.account_id, lambda: content))
        assert [each.text for each in await bob.receive()] == ["late"]
        assert [each.text for each in bob.history()] == ["late"]


async def test_concurrent_sends_arrive_in_the_order_of_sending(world):
    texts = [f"number {index}" for index in range(8)]
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        await asyncio.gather(*(alice.send(bob.account_id, text) for text in texts))
        assert [each.text for each in await bob.receive()] == texts


async def test_listener_gets_what_waits_and_what_arrives_and_leaves_no_task(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        await alice.send(bob.account_id, "before")
        before = own_tasks()
        async with aclosing(bob.listen()) as messages:
            assert (await anext(messages)).text == "before"
            arriving = asyncio.ensure_future(anext(messages))
            await bob.live.wait()
            await alice.send(bob.account_id, "live")
            assert (await arriving).text == "live"
            waiting = asyncio.ensure_future(anext(messages))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert not bob.live.is_set()
        await bob._person.errands.finish()
        # Links keep their tasks; nothing of the stream may be left.
        assert own_tasks() <= before
    assert own_tasks() == set()


async def test_wait_with_a_time_limit_loses_no_message(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(bob.listen()), 0.05)
        await bob.live.wait()
        for text in ("one", "two"):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(bob.listen()), 0.01)
            await alice.send(bob.account_id, text)
            assert (await anext(bob.listen())).text == text
        await bob.listen().aclose()
        await alice.send(bob.account_id, "three")
        async for message in bob.listen():
            assert message.text == "three"
            break
    assert own_tasks() == set()  # though nobody closed it


async def test_puzzles_are_solved_where_the_swarm_asks_for_them(tmp_path):
    world = World(tmp_path, puzzle_bits=9, claim_bits=9)
    async with world, world.client() as alice, world.client() as bob:
        await bob.ready()
        await alice.send(bob.account_id, "worked for")
        assert [each.text for each in await bob.receive()] == ["worked for"]


async def test_one_time_prekeys_are_used_and_filled_up(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        published = dict(bob._person.publisher._published)
        assert sum(name.startswith("batch/") for name in published) == 3
        manifest = await alice._person.directory.manifest(bob.account_id)
        bundles = [await alice._person.directory.bundle(Peer(bob.account_id, 0), manifest) for _ in range(4)]
        assert len({bundle.one_time.prekey_id for bundle in bundles}) == 4
        for _ in range(REFILL_AFTER):
            await bob._person.publisher.used_one()
        renewed = bob._person.publisher._published
        assert all(renewed[name] > published[name] for name in published if name.startswith("batch/"))


async def test_large_text_arrives_and_a_larger_one_is_refused(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        await alice.send(bob.account_id, "y" * 200_000)
        with pytest.raises(ContentTooLargeError):
            await alice.send(bob.account_id, "y" * 260_000)
        await alice.send(bob.account_id, "short")
        assert [len(each.text) for each in await bob.receive()] == [200_000, 5]


async def test_renewed_session_shows_nothing_and_carries_the_next_message(world):
    async with world.client() as alice, world.client() as bob:
        await asyncio.gather(alice.ready(), bob.ready())
        await alice.send(bob.account_id, "one")
        await bob.receive()
        await bob.send(alice.account_id, "two")
        await alice.receive()
        await alice._person.sender.renew(Peer(bob.account_id, 0))
        assert await bob.receive() == []
        await bob.send(alice.account_id, "three")
        await alice.send(bob.account_id, "four")
        assert [each.text for each in await alice.receive()] == ["three"]
        assert [each.text for each in await bob.receive()] == ["four"]


async def test_stream_moves_to_new_paths_without_a_gap(world, monkeypatch):
    monkeypatch.setattr(live_stream, "LIFE_MIN_SECONDS", 0.1)
    monkeypatch.setattr(live_stream, "LIFE_SPREAD_SECONDS", 0)
    monkeypatch.setattr(live_stream, "PATHS_MOST", 1_000)
    begun = []
    real = live_stream.LiveStream._begun

    async def counted(self, answers):
        stream = await real(self, answers)
        begun.append(stream)
        return stream

    monkeypatch.setattr(live_stream.LiveStream, "_life_seconds", lambda _: 0.1)
    monkeypatch.setattr(live_stream.LiveStream, "_begun", counted)
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        heard = []

        async def hear():
            async with aclosing(bob.listen()) as messages:
                async for message in messages:
                    heard.append(message.text)
                    assert bob.live.is_set() or len(heard) == 1
                    if len(heard) == 12:
                        return

        hearing = asyncio.ensure_future(hear())
        await bob.live.wait()
        for index in range(12):
            await alice.send(bob.account_id, str(index))
        await hearing
        assert heard == [str(index) for index in range(12)]
        assert len(begun) > 2


async def test_listener_survives_the_death_of_the_member_it_follows(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        async with aclosing(bob.listen()) as messages:
            arriving = asyncio.ensure_future(anext(messages))
            await bob.live.wait()
            followed = bob._person.receiver.watch.member_of(bob._person.days.public.policy.mailbox_id)
            await world.node(followed).stop()
            await alice.send(bob.account_id, "still here")
            assert (await asyncio.wait_for(arriving, 30)).text == "still here"


async def test_refusals_of_what_cannot_be_sent(world):
    stranger = AccountId(SigningKey(bytes(31) + b"\1").public)
    async with world.client() as alice:
        with pytest.raises(OwnAccountError):
            await alice.send(alice.account_id, "me")
        with pytest.raises(UnknownAccountError):
            await alice.send(stranger, "anybody?")
        with pytest.raises(AccountIdRefusedError):
            await alice.send(str(stranger)[:-1] + "q", "typo")
        with pytest.raises(TextRefusedError):
            await alice.send(stranger, "\ud800")


async def test_events_tell_of_everything_in_one_stream(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        await alice.set_timer(bob.account_id, Disappearing(5_000))
        sent = await alice.send(bob.account_id, "gone in a moment")
        kinds = []
        async with aclosing(bob.events()) as events:
            async for event in events:
                kinds.append(type(event))
                if isinstance(event, Message):
                    assert event.message_id == sent.message_id and event.disappearing == Disappearing(5_000)
                    await bob.react(alice.account_id, event.message_id, "+")
                if isinstance(event, Disappeared):  # told by this device itself, while the inbox is followed
                    assert event.message_id == sent.message_id
                    break
        assert kinds == [TimerChanged, Message, Disappeared]
        assert bob.history(alice.account_id) == []
        await alice.receive_events()
        assert alice.history(bob.account_id) == []


async def test_much_that_waits_comes_in_few_large_replies(world, monkeypatch):
    """60 texts, three to a small reply, would be 20 requests to each of two members."""
    asked, real = Counter(), swarm_call.Swarms.ask

    async def counting(self, node, name, *rest):
        asked[node.node_id, name, rest[-1] if isinstance(rest[-1], CellClass) else CellClass.SMALL] += 1
        return await real(self, node, name, *rest)

    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        texts = [str(number) for number in range(60)]
        for text in texts:
            await alice.send(bob.account_id, text)
        monkeypatch.setattr(swarm_call.Swarms, "ask", counting)
        assert [each.text for each in await bob.receive()] == texts
    classes = {of for _, name, of in asked if name == "Retrieve"}
    assert classes == set(CellClass)
    assert max(asked.values()) <= 8, asked
