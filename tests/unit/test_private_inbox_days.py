"""Capabilities, the days of a private inbox, and slot records that are signed ahead."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from essaim.protocol.account import Account
from essaim.protocol.device import DeviceKeys
from essaim.protocol.layout import MalformedError
from essaim.protocol.mailbox.refusal import SlotRecordRefusedError
from essaim.protocol.mailbox.slot_record import certified
from essaim.protocol.private_inbox import (
    EDGE_MS,
    LIFE_MS,
    Block,
    Capability,
    base_key,
    block_of,
    blocks_of,
    days_alive,
    days_of,
    days_open,
)

DAY_MS = 86_400_000
ACCOUNT, OTHER = Account(bytes([1]) * 32), Account(bytes([2]) * 32)
DEVICE = DeviceKeys.create(2, 0, os.urandom)
MADE_MS = 1_800_000_000_000
TODAY = MADE_MS // DAY_MS


def capability(account: Account = ACCOUNT, secret: bytes = bytes([9]) * 32) -> Capability:
    return Capability.make(account, secret, MADE_MS, TODAY + 60)


@given(st.integers(min_value=20 * DAY_MS, max_value=1 << 44))
def test_fifteen_days_may_hold_something_and_all_that_is_written_to_is_among_them(now_ms):
    alive, written = days_alive(now_ms), days_open(now_ms)
    assert len(alive) == 15 and 1 <= len(written) <= 2 and set(written) <= set(alive)
    assert now_ms // DAY_MS in written and written[-1] == alive[-1]


@given(st.integers(min_value=20 * DAY_MS, max_value=1 << 44), st.integers(0, LIFE_MS), st.integers(-EDGE_MS, EDGE_MS))
def test_what_was_sealed_by_a_clock_that_differs_is_in_a_day_that_is_read_until_it_expires(now_ms, age_ms, skew_ms):
    sealed_by_its_clock = now_ms - age_ms + skew_ms
    expires_ms = sealed_by_its_clock + LIFE_MS
    if expires_ms > now_ms and age_ms >= 0:
        assert sealed_by_its_clock // DAY_MS in days_alive(now_ms)


def test_newest_capability_is_that_of_the_newest_secret_then_of_the_newest_issue():
    first = capability()
    again, second = first.extended(MADE_MS + 9, TODAY + 90), Capability.make(ACCOUNT, bytes(32), MADE_MS + 1, TODAY)
    assert again.newer_than(first) and not first.newer_than(again) and first.newer_than(None)
    assert second.newer_than(again) and not again.newer_than(second)
    assert again.name == first.name != second.name and again.policy(TODAY) == first.policy(TODAY)
    assert first.extended(0, TODAY).issued_ms == first.issued_ms + 1  # whatever the clock says


def test_capability_tells_nothing_when_it_is_shown():
    assert repr(capability()) == "Capability(...)"


@pytest.mark.parametrize("at", range(85))
def test_altered_capability_is_another_one_or_none(at):
    encoded = bytearray(capability().encode())
    encoded[at] ^= 0x80
    try:
        altered = Capability.decode(bytes(encoded))
    except MalformedError:
        return
    assert (altered != capability() and altered.policy(TODAY) != capability().policy(TODAY)) or at < 21


@pytest.mark.parametrize("data", [b"", bytes(85), b"\1" * 84, b"\1" * 86, b"\1" + b"\xff" * 84])
def test_what_is_no_capability_is_refused(data):
    with pytest.raises(MalformedError):
        Capability.decode(data)


def test_only_the_account_with_the_secret_owns_the_days():
    owner = capability().owner(ACCOUNT, TODAY)
    assert owner.public == capability().policy(TODAY).owner
    assert capability().owner(OTHER, TODAY).public != owner.public
    assert base_key(ACCOUNT, bytes(32)) != base_key(ACCOUNT, bytes([9]) * 32)


def test_slot_records_of_a_block_are_good_on_their_days_and_for_their_device_alone():
    device, number = DEVICE.signing, block_of(TODAY)
    block = Block.decode(Block.sign(ACCOUNT, capability(), number, 2, device.public, 7).encode())
    for day in (days_of(number)[0], TODAY, days_of(number)[-1]):
        record = certified(block.record(capability(), day, 2, device.public), capability().policy(day))
        assert (record.slot, record.version) == (2, 7)
        assert record.slot_key == capability().slot_signer(device, day).public
    wrong = [
        block.record(capability(), TODAY, 3, device.public),
        block.record(capability(), TODAY + 32, 2, device.public),
        block.record(capability(), TODAY, 2, ACCOUNT.identity.public),
        block.record(capability(secret=bytes(32)), TODAY, 2, device.public),
    ]
    for record in wrong:
        with pytest.raises(SlotRecordRefusedError):
            certified(record, capability().policy(TODAY))


def test_blocks_cover_their_days():
    assert list(blocks_of(range(31, 65))) == [0, 1, 2] and list(blocks_of(range(32, 33))) == [1]
    assert list(blocks_of(range(65, 65))) == list(blocks_of(range(96, 60))) == []
    assert [day for number in (0, 1) for day in days_of(number)] == list(range(64))


@pytest.mark.parametrize("data", [b"", bytes(2055), bytes(2057)])
def test_what_is_no_block_is_refused(data):
    with pytest.raises(MalformedError):
        Block.decode(data)
