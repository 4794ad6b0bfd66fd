"""Clients whose network, home or device is lost, restarted or replaced: nothing of what they promise is."""

import asyncio
import os

import pytest

from client_world import World
from essaim.messaging.v1.content_pb2 import Content, Text
from essaim.protocol.conversation import Change, Peer
from essaim.protocol.manifest import ManifestRefusedError
from essaim.protocol.phrase import words_of
from essaim_client import Client, NetworkFile
from essaim_client.mailbox import patience, swarm_call
from essaim_client.mailbox.swarm_call import SwarmUnreachableError
from essaim_client.messaging.addresses import public_inbox
from essaim_client.messaging.directory import published_manifest
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
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(swarm_call, "ROUNDS", 2)


def own_tasks():
    """Tasks that run the client's code; the servers in this process have their own."""
    return {task for task in asyncio.all_tasks() if "essaim_client" in repr(task.get_coro())}


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
