"""Devices of an account: linked, revoked, asleep, restored from an old copy or from the phrase; and who is told."""

import asyncio

import pytest

from essaim.protocol.account import Account
from essaim.protocol.manifest import ManifestRefusedError
from essaim.protocol.succession import DevicesFullError, LastDeviceError
from essaim_client.mailbox.refusals import SwarmRefusedError
from essaim_client.mailbox.swarm_call import SwarmUnreachableError
from essaim_client.messaging.devices import OwnDeviceError
from essaim_client.messaging.events import DevicesChanged, NewDevice
from essaim_client.messaging.own_manifest import OwnManifest
from essaim_client.messaging.profile import NotAManagerError
from essaim_client.messaging.vigil import KeysChangedError
from people.mailboxes import Faults
from people.town import say, texts, town


async def test_linked_device_sends_receives_and_gets_what_was_before(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        await say(alice, bob, "before")
        await bob.look()
        alice.person.agreement.rename(bob.account, "Bob")
        second = await here.linked(alice)
        assert texts(second, bob) == ["before"]
        assert second.person.agreement.contact(bob.account).name == "Bob"
        await say(second, bob, "from the second")
        await bob.look()
        with pytest.raises(KeysChangedError):
            await say(bob, alice, "to whom?")
        bob.person.vigil.acknowledge(alice.account)
        await say(bob, alice, "to both")
        for gadget in (alice, second):
            await gadget.look()
            assert texts(gadget, bob) == ["before", "from the second", "to both"]
        assert texts(bob, alice) == texts(alice, bob)


async def test_device_without_the_accounts_keys_cannot_manage_and_is_promoted(tmp_path):
    async with town(tmp_path) as here:
        alice = await here.person()
        second = await here.linked(alice)
        assert second.person.profile.account is None
        with pytest.raises(NotAManagerError):
            await second.person.devices.revoke(0)
        with pytest.raises(NotAManagerError):
            second.person.devices.sponsor("ABCD-EFGH-JKMN")
        await alice.person.devices.promote(1)
        await second.look()
        third = await here.linked(second)
        assert [device.slot for device in third.person.devices.all()] == [0, 1, 2]
        await second.stop()
        second.start()
        assert second.person.profile.account is not None
        with pytest.raises(OwnDeviceError):
            await second.person.devices.revoke(1)


@pytest.mark.parametrize("deaths", [0, 1])
async def test_two_managers_that_change_the_list_at_once_come_to_one_list(tmp_path, monkeypatch, deaths):
    """What one revoked stays revoked, and who knew either list follows; also where the one who joins dies over it."""
    real, adopt, together, left = OwnManifest._store, OwnManifest._adopt, asyncio.Barrier(2), [deaths]

    def adopted(own_manifest, manifest):
        """Not that of the first joined list, which others find already."""
        if manifest.version > 32 and left[0]:
            left[0] -= 1
            raise SwarmUnreachableError("died")
        adopt(own_manifest, manifest)

    monkeypatch.setattr(OwnManifest, "_adopt", adopted)

    async def store(own_manifest, manifest):
        """Neither stores before both have looked."""
        if manifest.version == 3:
            await together.wait()
        await real(own_manifest, manifest)

    monkeypatch.setattr(OwnManifest, "_store", store)
    async with town(tmp_path) as here:
        alice, bob, carol = await here.person(), await here.person(), await here.person()
        second, third = await here.linked(alice, manager=True), await here.linked(alice)
        await here.rest(alice, second, third)
        devices = {gadget: gadget.person.devices for gadget in (alice, second)}
        await asyncio.gather(devices[alice].revoke(third.slot), devices[second].sleep(third.slot, dormant=True))
        lists = [gadget.person.profile.device.manifest for gadget in (alice, second)]
        assert lists[0].version == lists[1].version and lists[0].hash != lists[1].hash, "one heard of the other"
        for gadget, known in ((bob, lists[0]), (carol, lists[1])):
            gadget.person.profile.device.observe(known)
            gadget.person.vigil.acknowledge(alice.account)
        revoked_under = alice.person.configuration.kept_key()
        await here.rest(alice, second, rounds=2 + deaths)
        first, other = (gadget.person.profile.device.manifest for gadget in (alice, second))
        assert first.hash == other.hash and {each.slot for each in first.devices} == {0, 1} and left == [0]
        keys = [gadget.person.configuration.kept_key() for gadget in (alice, second, third)]
        assert keys[0] == keys[1] != keys[2] and keys[0] != revoked_under, "whom the joined list leaves out is shut out"
        inboxes = [gadget.person.inbox.current().name for gadget in (alice, second, third)]
        assert inboxes[0] == inboxes[1] != inboxes[2]
        for gadget in (bob, carol):
            await say(gadget, alice, "to both")
        for gadget in (alice, second):
            await gadget.look()
            assert texts(gadget, bob) == texts(gadget, carol) == ["to both"]


async def test_account_has_five_devices_and_keeps_one(tmp_path):
    async with town(tmp_path) as here:
        alice = await here.person()
        for _ in range(4):
            await here.linked(alice)
        assert [device.slot for device in alice.person.devices.all()] == [0, 1, 2, 3, 4]
        with pytest.raises(DevicesFullError):
            alice.person.devices.sponsor("ABCD-EFGH-JKMN")
        for slot in (1, 2, 3, 4):
            await alice.person.devices.revoke(slot)
        with pytest.raises(LastDeviceError):
            await alice.person.devices.sleep(0, dormant=True)


async def test_revoked_device_reads_and_receives_nothing_more(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        second = await here.linked(alice)
        await say(alice, bob, "hello")
        await bob.look()
        await say(bob, alice, "waits for both")
        await alice.person.devices.revoke(second.slot)
        bob.person.directory.forget(alice.account)
        await say(bob, alice, "not for the second")
        with pytest.raises(SwarmRefusedError) as refused:
            await second.person.receiver.receive()
        assert refused.value.refused_reason == "SLOT_RECORD_REFUSED"
        with pytest.raises(ManifestRefusedError):
            await second.person.manifest.follow()
        old_key = second.person.configuration.kept_key()
        assert alice.person.configuration.kept_key() != old_key
        await alice.look()
        assert texts(alice, bob) == ["hello", "waits for both", "not for the second"]
        third = await here.linked(alice)  # in the slot that is free again
        assert third.slot == second.slot
        bob.person.vigil.acknowledge(alice.account)
        bob.person.directory.forget(alice.account)
        with pytest.raises(KeysChangedError):
            await say(bob, alice, "who is that?")


async def test_new_device_is_an_alert_on_every_side_until_one_acknowledges(tmp_path):
    async with town(tmp_path) as here:
        account = Account(here.random.randbytes(32))
        alice, bob = await here.person(account), await here.person()
        second = await here.linked(alice)
        await say(alice, bob, "hello")
        await bob.look()
        stranger = await here.person(account, slot=3)  # somebody has the phrase
        events = [event for gadget in (alice, second) for event in await gadget.rest()]
        assert [each for each in events if isinstance(each, NewDevice)] == [
            NewDevice(alice.account, 3, stranger.person.profile.device.manifest.version)
        ] * 2
        assert any(isinstance(each, DevicesChanged) for each in events)
        assert [device.new for device in alice.person.devices.all()] == [False, False, True]
        await say(alice, bob, "not for the stranger")
        await here.rest(alice, second, stranger)
        assert texts(stranger, bob) == []
        second.person.vigil.acknowledge(alice.account)
        await here.rest(alice, second)
        assert [device.new for device in alice.person.devices.all()] == [False, False, False]
        await say(alice, bob, "for all")
        await here.rest(alice, second, stranger)
        assert "for all" in texts(stranger, bob)


async def test_dormant_device_gets_nothing_until_it_is_back(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        second = await here.linked(alice)
        await say(alice, bob, "hello")
        await bob.look()
        bob.person.vigil.acknowledge(alice.account)
        here.later(32)
        await alice.rest()
        assert [device.dormant for device in alice.person.devices.all()] == [False, True]
        bob.person.directory.forget(alice.account)
        sent = await bob.do(bob.person.sender.send_text, alice.account, "meanwhile")
        assert sent.devices == 1
        await here.rest(second, alice, second, bob)
        assert [device.dormant for device in alice.person.devices.all()] == [False, False]
        await here.rest(alice, second, bob, rounds=4)
        assert texts(second, bob) == ["hello", "meanwhile"]


async def test_manager_that_was_taken_for_asleep_revokes_the_one_that_said_so(tmp_path):
    async with town(tmp_path) as here:
        alice = await here.person()
        second = await here.linked(alice, manager=True)
        here.later(32)
        await second.rest()
        assert [device.dormant for device in second.person.devices.all()] == [True, False]
        await alice.person.devices.revoke(second.slot)
        assert [(device.slot, device.dormant) for device in alice.person.devices.all()] == [(0, False)]


async def test_old_copy_of_a_store_discards_its_sessions_before_it_sends(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        await say(alice, bob, "one")
        await bob.look()
        await say(bob, alice, "two")
        await alice.look()
        await alice.stop()
        copy = alice.copy()
        alice.start()
        await say(alice, bob, "three")
        await alice.stop()
        alice.put_back(copy)
        alice.start()
        assert alice.person.profile.device.peers()
        await alice.person.generation.current()
        assert not alice.person.profile.device.peers()
        await say(alice, bob, "four")
        await here.rest(alice, bob, rounds=4)
        assert sorted(texts(bob, alice)) == ["four", "one", "three", "two"]
        assert texts(alice, bob) == texts(bob, alice)  # "three" came back from who had it


async def test_copy_of_a_running_store_is_noticed_after_fifty_envelopes(tmp_path, monkeypatch):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        await say(alice, bob, "one")
        running = alice.person.profile.store
        running._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        copy = alice.copy()
        for number in range(51):
            await say(alice, bob, f"{number}")
        await alice.stop(well=False)
        alice.put_back(copy)
        alice.start()
        await alice.person.generation.current()
        assert alice.person.generation.broken() is not None


async def test_account_that_was_away_for_a_year_is_reachable_through_its_outbox(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        await say(alice, bob, "see you")
        await bob.look()
        await say(bob, alice, "bye")
        await alice.look()
        here.later(365)
        await alice.rest()
        await say(alice, bob, "still there?")
        await here.rest(bob, alice)
        await say(bob, alice, "yes")
        await here.rest(alice)
        assert texts(alice, bob) == texts(bob, alice) == ["see you", "bye", "still there?", "yes"]


async def test_messages_without_prekeys_left_open_all_the_same(tmp_path):
    async with town(tmp_path) as here:
        bob = await here.person()
        for place in here.mailboxes.places.values():
            place.prekeys.clear()
        others = [await here.person() for _ in range(3)]
        for place in here.mailboxes.places.values():
            place.prekeys.clear()
        for number, other in enumerate(others):
            await say(other, bob, f"{number}")
        await bob.look()
        assert [texts(bob, other) for other in others] == [["0"], ["1"], ["2"]]


async def test_two_devices_that_send_at_once_agree_on_the_order(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        second = await here.linked(alice)
        for turn in range(5):
            await say(alice, bob, f"a{turn}")
            await say(second, bob, f"b{turn}")
        await here.rest(alice, second, bob)
        assert texts(alice, bob) == texts(second, bob) == texts(bob, alice)
        assert len(texts(alice, bob)) == 10


async def test_unsending_that_an_old_copy_lacks_and_nobody_read_is_said_again(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        await say(alice, bob, "hello")
        await bob.look()
        unsent = await say(bob, alice, "not so")
        await alice.look()
        await bob.stop()
        copy = bob.copy()
        bob.start()
        await bob.person.sender.unsend(alice.account, unsent.message_id)
        await bob.stop()
        bob.put_back(copy)
        bob.start()
        here.later(33)  # what waited for Alice is gone
        await alice.look()
        assert texts(alice, bob) == ["hello", "not so"]
        await here.rest(bob, alice)
        assert texts(alice, bob) == texts(bob, alice) == ["hello"]


async def test_text_that_was_deleted_for_one_alone_is_not_unsent_by_an_old_copy(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        await say(alice, bob, "hello")
        await bob.look()
        deleted = await say(bob, alice, "deleted here")
        await alice.look()
        await bob.stop()
        copy = bob.copy()
        bob.start()
        assert bob.person.delete(alice.account, deleted.message_id) == 1
        await bob.rest()
        await bob.stop()
        bob.put_back(copy)
        bob.start()
        await here.rest(bob, alice)
        assert texts(bob, alice) == ["hello"] and texts(alice, bob) == ["hello", "deleted here"]


async def test_what_was_said_to_an_old_copy_is_given_again_when_it_speaks(tmp_path):
    """The last words of a device that the copy had not met: nothing that is said later would name them."""
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        await say(alice, bob, "hello")
        await bob.look()
        await bob.stop()
        copy = bob.copy()
        bob.start()
        here.later(10)
        await here.rest(bob, alice)  # prekeys are renewed: what is sealed to them opens in no older copy
        second = await here.linked(alice)
        await say(second, bob, "from the second")
        await bob.look()
        await bob.stop()
        bob.put_back(copy)
        bob.start()
        await bob.rest()
        await say(second, bob, "in a session that bob has no more")
        await bob.look()
        assert "in a session that bob has no more" not in texts(bob, alice)
        await bob.do(bob.person.sender.send_text, alice.account, "back")
        await second.look()
        await here.rest(bob, second, rounds=3)
        assert "in a session that bob has no more" in texts(bob, alice)


async def test_last_words_of_a_device_that_was_asleep_reach_who_was_put_back(tmp_path):
    """It speaks in a session that the copy does not have until it is answered, though its manifest says it sleeps."""
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        await say(alice, bob, "hello")
        await bob.look()
        await bob.stop()
        copy = bob.copy()
        bob.start()
        second = await here.linked(alice)
        await say(second, bob, "from the second")
        await bob.look()
        here.later(32)
        await bob.do(bob.person.sender.send_text, alice.account, "to both")
        await alice.rest()
        assert [device.dormant for device in alice.person.devices.all()] == [False, True]
        await bob.stop()
        bob.put_back(copy)
        bob.start()
        await bob.rest()
        await alice.look()
        await say(second, bob, "awake")  # begins a session, as after any month without an answer
        await second.rest()  # reads "to both", and goes on in the session of that
        await bob.look()
        await bob.do(bob.person.sender.send_text, alice.account, "back")
        await second.look()
        await say(second, bob, "last words")
        await here.rest(bob, alice, second, rounds=4)
        assert texts(bob, alice) == texts(second, bob) == texts(alice, bob)
        assert texts(bob, alice)[-1] == "last words"


async def test_unsending_that_was_lost_with_a_revoked_device_is_said_again(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        second = await here.linked(bob, manager=True)
        await say(alice, bob, "hello")
        await bob.look()
        unsent = await bob.do(bob.person.sender.send_text, alice.account, "not so")
        await here.rest(alice, second)
        here.mailboxes.faults = Faults(lost=100)
        await bob.person.sender.unsend(alice.account, unsent.message_id)
        await bob.look()
        here.mailboxes.faults = Faults()
        await here.rest(second, alice)
        assert (texts(alice, bob), texts(second, alice)) == (["hello", "not so"], ["hello"])
        await second.person.devices.revoke(bob.slot)
        await here.rest(second, alice)
        assert texts(alice, bob) == texts(second, alice) == ["hello"]


async def test_what_a_revoked_device_agreed_on_last_is_not_lost_with_it(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = await here.person(), await here.person()
        second = await here.linked(bob, manager=True)
        await say(alice, bob, "hello")
        await here.rest(bob, second, alice)
        here.mailboxes.faults = Faults(lost=100)
        bob.person.contacts.block(alice.account)
        await bob.look()
        here.mailboxes.faults = Faults()
        assert not second.person.contacts.get(alice.account).blocked
        await second.person.devices.revoke(bob.slot)
        await here.rest(second, alice)
        assert second.person.contacts.get(alice.account).blocked
