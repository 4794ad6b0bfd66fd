"""Prekeys and outbox entries: sealed for whoever has the ID, signed by the device, erased in time."""

import random

import pytest

from essaim.protocol import outbox
from essaim.protocol.account import Account
from essaim.protocol.conversation import Device
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.outbox import OutboxEntryRefusedError
from essaim.protocol.prekey_store import DAY_MS, PrekeyStore, PrekeyUnknownError
from essaim.protocol.prekeys import Bundle, OneTimePrekey, PrekeyRefusedError, SignedPrekeys

NOW = 1_800_000_000_000
SOURCE = random.Random(2).randbytes
ALICE, BOB = (Device.create(Account(bytes([n]) * 32), 0, NOW, SOURCE) for n in (1, 2))
NODE, OTHER_NODE = bytes([7]) * 32, bytes([8]) * 32


def bundle_of(device: Device, manifest: bytes = b"", prekeys: bytes = b"", **more) -> Bundle:
    return Bundle.assemble(
        device.account_id,
        device.slot,
        manifest or device.manifest_entry(SOURCE),
        prekeys or device.prekeys_entry(SOURCE),
        **more,
    )


def claimed(sealed: bytes) -> OneTimePrekey:
    one_time = bundle_of(BOB, one_time=sealed, node_id=NODE).one_time
    assert one_time is not None
    return one_time


def test_entries_fill_an_envelope_and_open_by_the_id_alone():
    identity = BOB.account_id.identity
    for name, size in ((b"manifest", 0), (b"prekeys/0", 4052), (b"x" * 32, 4053), (b"manifest", 60_000)):
        content = SOURCE(size)
        sealed = outbox.seal_entry(identity, name, content, SOURCE)
        assert len(sealed) in (4096, 10240, 253952)
        assert outbox.open_entry(identity, name, sealed) == content
        assert content[:32] not in sealed or not content
        for wrong in ((ALICE.account_id.identity, name), (identity, b"other")):
            with pytest.raises(OutboxEntryRefusedError):
                outbox.open_entry(*wrong, sealed)


def test_altered_or_short_entry_is_refused():
    identity = BOB.account_id.identity
    sealed = outbox.seal_entry(identity, b"manifest", b"content", SOURCE)
    for place in range(0, 4096, 61):
        altered = bytearray(sealed)
        altered[place] ^= 4
        with pytest.raises(OutboxEntryRefusedError):
            outbox.open_entry(identity, b"manifest", bytes(altered))
    with pytest.raises(OutboxEntryRefusedError):
        outbox.open_entry(identity, b"manifest", sealed[:39])


def test_bundle_assembles_with_and_without_a_one_time_prekey():
    sealed = BOB.new_one_time_batch(NODE, 20, NOW, SOURCE)
    assert len(sealed) == len(set(sealed)) == 20 and {len(each) for each in sealed} == {157}
    assert bundle_of(BOB).one_time is None
    ids = [claimed(each).prekey_id for each in sealed]
    assert len(set(ids)) == 20 and 0 not in ids


def test_one_time_prekey_of_another_node_is_refused():
    sealed = BOB.new_one_time_batch(NODE, 1, NOW, SOURCE)[0]
    with pytest.raises(PrekeyRefusedError):
        bundle_of(BOB, one_time=sealed, node_id=OTHER_NODE)


def test_prekeys_of_another_device_are_refused():
    identity = BOB.account_id.identity
    mallory = Device.create(Account(bytes([3]) * 32), 0, NOW, SOURCE)
    content = outbox.open_entry(mallory.account_id.identity, b"prekeys/0", mallory.prekeys_entry(SOURCE))
    with pytest.raises(PrekeyRefusedError):
        bundle_of(BOB, prekeys=outbox.seal_entry(identity, b"prekeys/0", content, SOURCE))
    with pytest.raises(ProtocolError):
        bundle_of(BOB, manifest=mallory.manifest_entry(SOURCE))


def test_every_altered_byte_of_prekeys_is_refused():
    device = BOB.manifest.devices[0]
    signed = bundle_of(BOB).signed.encode()
    one_time = claimed(BOB.new_one_time_batch(NODE, 1, NOW, SOURCE)[0]).encode()
    for place in range(len(signed)):
        altered = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]
        with pytest.raises(ProtocolError):
            SignedPrekeys.decode(altered).check(BOB.account_id, device)
    for place in range(len(one_time)):
        altered = one_time[:place] + bytes([one_time[place] ^ 1]) + one_time[place + 1 :]
        with pytest.raises(ProtocolError):
            OneTimePrekey.decode(altered).check(BOB.account_id, device, NODE)


def test_signed_prekeys_are_renewed_after_7_days_and_kept_for_22():
    store = PrekeyStore.create(NOW, SOURCE)
    first = store.signed[0].prekey_id
    for day in range(1, 22):
        renewed = store.renew(NOW + day * DAY_MS, SOURCE)
        assert renewed == (day % 7 == 0)
        assert store.signed_pair(first).prekey_id == first
        assert len(store.signed) <= 4
    store.renew(NOW + 22 * DAY_MS, SOURCE)
    with pytest.raises(PrekeyUnknownError):
        store.signed_pair(first)
    assert PrekeyStore.decode(store.encode()).encode() == store.encode()


def test_prekeys_that_others_still_find_outlive_an_absence():
    store = PrekeyStore.create(NOW, SOURCE)
    first = store.signed[0].prekey_id
    assert store.renew(NOW + 100 * DAY_MS, SOURCE)
    store.renew(NOW + 114 * DAY_MS, SOURCE)
    assert store.signed_pair(first).prekey_id == first
    store.renew(NOW + 115 * DAY_MS, SOURCE)
    with pytest.raises(PrekeyUnknownError):
        store.signed_pair(first)


def test_one_time_prekey_is_erased_when_used_and_a_replaced_batch_after_45_days():
    store = PrekeyStore.create(NOW, SOURCE)
    store.new_batch(BOB.account_id, BOB.keys, NODE, 2, NOW, SOURCE)
    used, unused = store.one_time
    key = store.one_time_key(used)
    assert key is not None and store.one_time_key(0) is None
    store.use(used)
    with pytest.raises(PrekeyUnknownError):
        store.one_time_key(used)
    assert key.raw not in store.encode()
    store.new_batch(BOB.account_id, BOB.keys, NODE, 2, NOW, SOURCE)
    store.renew(NOW + 44 * DAY_MS, SOURCE)
    assert store.one_time_key(unused)
    store.renew(NOW + 45 * DAY_MS, SOURCE)
    assert len(store.one_time) == 2
    with pytest.raises(PrekeyUnknownError):
        store.one_time_key(unused)


def test_no_public_key_of_a_device_is_in_the_clear_in_the_outbox():
    clear = BOB.manifest_entry(SOURCE) + BOB.prekeys_entry(SOURCE)
    record = BOB.manifest.devices[0]
    for key in (BOB.account_id.raw, record.signing.raw, record.agreement.raw, bundle_of(BOB).signed.agreement.raw):
        assert key not in clear
    assert isinstance(BOB.slot_signer(NODE), SigningKey)
