"""Open groups on a device without the account's keys: a manager hands it the member keys that it asks for."""

import pytest

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.opengroup.member import MAX_TURN, Handed, member_key
from essaim.protocol.opengroup.refusal import MemberKeyRefusedError
from essaim_client.messaging.profile import NotAManagerError
from essaim_client.messaging.room_keys import KEY, TURN, WISH
from people.town import town

HOST, OTHER = (SigningKey(seed * 32).public.raw for seed in (b"h", b"o"))


def refused(gadget, host: bytes) -> str:
    with pytest.raises(ProtocolError) as caught:
        gadget.person.room_keys.at(host)
    return caught.value.reason


async def test_linked_device_is_handed_the_key_of_a_host_that_it_asks_for(tmp_path):
    async with town(tmp_path) as here:
        alice = await here.person()
        account = alice.person.profile.keys
        second, third = await here.linked(alice), await here.linked(alice)
        assert refused(second, HOST) == "MEMBER_KEY_WANTED"
        for _ in range(2):
            for gadget in (alice, second, third):
                await gadget.look()
                await gadget.person.room_keys.settle()
        handed = second.person.room_keys.at(HOST)
        assert handed == member_key(account, HOST) == alice.person.room_keys.at(HOST)
        assert handed == third.person.room_keys.at(HOST)  # what one asked for, all of the account have
        assert handed.public.verifies(handed.sign(b"text"), b"text")
        assert refused(second, OTHER) == "MEMBER_KEY_WANTED"  # another host is another wish
        for secret in (account.rooms_secret, account.seed):
            assert secret not in second.person.profile.configuration.encode()
        await second.stop()
        second.start()
        assert second.person.room_keys.at(HOST) == handed


async def test_key_that_no_manager_wrote_is_not_used_and_is_written_over(tmp_path):
    """A device without the account's keys can write the register: of a key of its own, or of another host's."""
    async with town(tmp_path) as here:
        alice, mallory = await here.person(), await here.person()
        second = await here.linked(alice)
        good = Handed.make(alice.person.profile.keys, OTHER).encode()
        forged = Handed.make(mallory.person.profile.keys, HOST).encode()
        for value in (forged, good, good[:-1], bytes(132)):
            with second.person.agreement.changing() as (state, now):
                state.write(KEY + HOST, value, now)
            assert refused(second, HOST) == "MEMBER_KEY_WANTED"
        for _ in range(2):
            await alice.look()
            await alice.person.room_keys.settle()
            await second.look()
        assert second.person.room_keys.at(HOST) == member_key(alice.person.profile.keys, HOST)


async def test_wishes_are_bounded_and_nobody_else_hands(tmp_path):
    async with town(tmp_path) as here:
        alice = await here.person()
        second = await here.linked(alice)
        for number in range(70):
            with second.person.agreement.changing() as (state, now):
                state.write(WISH + number.to_bytes(32), b"1", now)
        with second.person.agreement.changing() as (state, now):
            state.write(WISH + b"short", b"1", now)
        await second.person.room_keys.settle()
        assert second.person.profile.configuration.values(KEY) == {}
        await alice.look()
        await alice.person.room_keys.settle()
        given = alice.person.profile.configuration.values(KEY)
        assert len(given) == 64 and all(len(key) == len(KEY) + 32 for key in given)


async def test_key_is_renewed_where_a_device_with_it_is_none_of_ours_any_more(tmp_path):
    async with town(tmp_path) as here:
        alice = await here.person()
        account = alice.person.profile.keys
        lost, kept = await here.linked(alice), await here.linked(alice)
        assert refused(lost, HOST) == "MEMBER_KEY_WANTED"
        for _ in range(2):
            for gadget in (alice, lost, kept):
                await gadget.look()
                await gadget.person.room_keys.settle()
        before = lost.person.room_keys.at(HOST)
        with pytest.raises(NotAManagerError):
            kept.person.room_keys.renew(HOST)
        await alice.person.devices.revoke(1)
        renewed = alice.person.room_keys.renew(HOST)
        assert renewed == member_key(account, HOST, 1) != before
        for _ in range(2):
            for gadget in (alice, kept):
                await gadget.look()
                await gadget.person.room_keys.settle()
        assert kept.person.room_keys.at(HOST) == renewed == alice.person.room_keys.at(HOST)
        assert lost.person.room_keys.at(HOST) == before  # what it knew it knows
        with kept.person.agreement.changing() as (state, now):
            state.write(KEY + HOST, Handed.make(account, HOST).encode(), now)  # the old one again
        assert refused(kept, HOST) == "MEMBER_KEY_WANTED"


async def test_renewal_says_when_a_device_has_used_up_the_keys(tmp_path):
    """A device that expects to be revoked; nothing else would tell that it goes on under the same key."""
    async with town(tmp_path) as here:
        alice = await here.person()
        rogue = await here.linked(alice)
        with rogue.person.agreement.changing() as (state, _):
            state.raise_to(TURN + HOST, MAX_TURN)
        for _ in range(2):
            for gadget in (rogue, alice):
                await gadget.look()
                await gadget.person.room_keys.settle()
        with pytest.raises(MemberKeyRefusedError):
            alice.person.room_keys.renew(HOST)
