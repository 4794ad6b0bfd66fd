"""Two clients over real relays and a real swarm: what the ten lines promise."""

import asyncio
import os
from contextlib import aclosing

import pytest

from client_world import World
from essaim.messaging.v1 import content_pb2
from essaim.messaging.v1.content_pb2 import Content, Text
from essaim.protocol.account import AccountId, AccountIdRefusedError
from essaim.protocol.conversation import Change, Peer
from essaim.protocol.keys import SigningKey
from essaim.protocol.manifest import ManifestRefusedError
from essaim.protocol.padding import ContentTooLargeError
from essaim.protocol.phrase import words_of
from essaim_client import Client, NetworkFile
from essaim_client.mailbox import live_stream, swarm_call
from essaim_client.mailbox.swarm_call import SwarmUnreachableError
from essaim_client.messaging.addresses import public_inbox
from essaim_client.messaging.directory import UnknownAccountError, published_manifest
from essaim_client.messaging.fan_out import Posting
from essaim_client.messaging.publisher import REFILL_AFTER
from essaim_client.messaging.sender import OwnAccountError, TextRefusedError
from essaim_client.messaging.vigil import KeysChangedError
from essaim_client.store.local_store import StoreBusyError
from essaim_client.store.vault import VaultRefusedError


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as made:
        yield made


@pytest.fixture
def impatient(monkeypatch):
    """Rounds follow each other at once: what fails, fails within seconds."""
    monkeypatch.setattr(swarm_call, "PAUSE_SECONDS", 0.01)
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
            followed = next(iter(bob._person.receiver._follower._reading.complete))
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


async def test_dead_relay_and_dead_member_lose_nothing(world):
    async with world.client() as alice, world.client() as bob:
        await asyncio.gather(alice.ready(), bob.ready())
        await world.relays[0].stop()
        await world.stores[0].stop()
        await alice.send(bob.account_id, "after the fall")
        assert [each.text for each in await bob.receive()] == ["after the fall"]


async def test_restarted_relays_are_used_again_with_their_new_keys(world):
    async with world.client() as alice, world.client() as bob:
        await bob.ready()
        for relay in world.relays:
            await relay.stop()
            await relay.start()
        world.publish()  # nobody told alice
        await alice.send(bob.account_id, "new keys")
        assert [each.text for each in await bob.receive()] == ["new keys"]
        assert alice.view.serial == world.view.serial


async def test_unreachable_swarm_is_one_error_and_the_message_is_sent_later(world, impatient):
    home = world.home()
    async with world.client() as bob:
        await bob.ready()
        async with world.client(home) as alice:
            await alice.ready()
            await alice.send(bob.account_id, "first")
            for node in world.stores:
                await node.stop()
            with pytest.raises(SwarmUnreachableError):
                await alice.send(bob.account_id, "second")
            with pytest.raises(SwarmUnreachableError):
                await alice.receive()
        for node in world.stores:
            await node.start()
        world.publish()
        async with world.client(home) as alice:
            await alice._person.upkeep.tried.wait()
        await bob._network.views.refresh(direct=True)
        assert [each.text for each in await bob.receive()] == ["first", "second"]


async def test_restored_account_is_a_new_device_that_others_follow(world):
    entropy = bytes(range(32))
    async with world.client() as alice:
        async with world.client(world.home(entropy)) as bob:
            await bob.ready()
            await alice.send(bob.account_id, "to the old device")
            first = bob._profile.device.manifest
        async with world.client(world.home(entropy)) as bob:
            await bob.ready()
            assert bob._profile.device.manifest.version == first.version + 1
            alice._person.directory._manifests.clear()  # ten minutes later
            with pytest.raises(KeysChangedError):
                await alice.send(bob.account_id, "to whom?")
            alice.contacts.acknowledge(bob.account_id)
            sent = await alice.send(bob.account_id, "to the new device")
            assert Change.DEVICES_CHANGED in sent.changes
            assert [each.text for each in await bob.receive()] == ["to the new device"]


async def test_replaced_device_does_not_publish_over_its_successor(world):
    entropy = bytes(range(32))
    old_home = world.home(entropy)
    async with world.client(old_home) as old:
        await old.ready()
        async with world.client(world.home(entropy)) as new:
            await new.ready()
            manifest = new._profile.device.manifest
        old._person.publisher._published.clear()  # a month later
        with pytest.raises(ManifestRefusedError):
            await old._person.publisher.publish()
        assert (await published_manifest(old._swarms, old.account_id, None)).hash == manifest.hash


async def test_home_serves_one_client_at_a_time_and_only_with_its_passphrase(world):
    home = world.home()
    async with world.client(home):
        with pytest.raises(StoreBusyError):
            async with world.client(home):
                pass
    with pytest.raises(VaultRefusedError):
        async with Client.open(home, passphrase="wrong"):
            pass
    async with world.client(home) as again:
        assert again.history() == []


async def test_account_and_guard_stay_over_restarts(world):
    home = world.home()
    async with world.client(home) as first:
        account_id, guard = first.account_id, (await first.trace()).hops[0].node_id
    async with world.client(home) as second:
        assert second.account_id == account_id
        assert (await second.trace()).hops[0].node_id == guard


async def test_trace_tells_the_path_that_was_taken(world):
    async with world.client() as me:
        trace = await me.trace()
        nodes = {node.node_id: node for node in me.nodes()}
        assert [hop.position for hop in trace.hops] == ["guard", "middle", "exit", "destination"]
        assert len({hop.node_id for hop in trace.hops}) == 4
        assert [hop.role for hop in trace.hops] == ["relay", "relay", "relay", "storage"]
        assert all(nodes[hop.node_id].address == hop.address for hop in trace.hops)
        assert {hop.sees["cell_bytes"] for hop in trace.hops} == {16_384}
        guard, middle, exit_hop, destination = trace.hops
        assert "client" in guard.sees["from"]
        assert guard.address in middle.sees["from"] and exit_hop.address in middle.sees["to"]
        assert destination.sees["method"] == "Retrieve" and "to" not in destination.sees
        assert not any("method" in hop.sees or "mailbox_id" in hop.sees for hop in trace.hops[:3])
        assert not me.diverse


async def test_words_make_the_same_account_again(world, tmp_path):
    network = NetworkFile.load(world.network_file())
    words = Client.create_account(tmp_path / "new", network, "pass")
    Client.restore_account(tmp_path / "restored", network, "pass", words.upper())
    async with Client.open(tmp_path / "new", passphrase="pass") as made:
        account_id = made.account_id
    async with Client.open(tmp_path / "restored", passphrase="pass") as restored:
        assert restored.account_id == account_id
    assert len(words.split()) == 24 and words != words_of(bytes(32))


async def test_waiting_mail_keeps_its_order_and_drops_what_has_expired(world):
    home = world.home()
    async with world.client() as bob:
        await bob.ready()
        async with world.client(home) as alice:
            await alice.send(bob.account_id, "begin")
            device, store, now_ms = alice._profile.device, alice._profile.store, alice._network.clock.now_ms()
            peer, policy = Peer(bob.account_id, 0), public_inbox(bob.account_id).encoded
            for text, life_ms in (("gone", 5_000), ("first", 3_600_000), ("second", 3_600_000)):
                content = Content(message_id=os.urandom(16), sent_ms=now_ms, text=Text(text=text))
                with store.transaction():
                    envelope = device.seal(peer, content.SerializeToString(), now_ms, os.urandom)
                    store.enqueue(policy, b"\0", now_ms + life_ms, envelope)
                    alice._profile.save()
        async with world.client(home) as alice:
            await alice._person.upkeep.tried.wait()
            assert alice._profile.store.waiting() == []
            assert alice.problem is None
        assert [each.text for each in await bob.receive()] == ["begin", "first", "second"]
