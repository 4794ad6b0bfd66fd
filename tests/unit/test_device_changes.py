"""A device and its correspondents: changes that the user must see, what is kept of them and what is forgotten."""

import pytest

from essaim.protocol.conversation import (
    Change,
    Device,
    HandshakeRefusedError,
)
from essaim.protocol.device import DeviceKeys
from essaim.protocol.errors import ProtocolError
from essaim.protocol.layout import MalformedError
from essaim.protocol.manifest import (
    DeviceRecord,
    ManifestForkError,
    ManifestRefusedError,
    ManifestRollbackError,
    next_manifest,
)
from essaim.protocol.ratchet import UnreadableError
from people.correspondents import NOW, friends, people


def test_a_restored_account_is_a_new_device_that_others_notice():
    alice, bob = friends()
    old = bob.seal(alice)
    bob.device = Device.create(bob.account, 0, NOW, bob.random, before=bob.device.manifest)
    bob.start(alice)
    opened = alice.open(bob.seal(alice, b"back"))
    assert opened.changes == (Change.DEVICES_CHANGED,) and opened.initial
    assert bob.open(alice.seal(bob, b"welcome")).content == b"welcome"
    with pytest.raises(UnreadableError):
        alice.open(old)


def test_a_manifest_seen_ends_sessions_with_revoked_devices():
    alice, bob = friends()
    bob.device = Device.create(bob.account, 0, NOW, bob.random, before=bob.device.manifest)
    assert alice.device.observe(bob.device.manifest) == (Change.DEVICES_CHANGED,)
    assert alice.device.observe(bob.device.manifest) == ()
    assert alice.device.needs_handshake(bob.peer, NOW) and alice.device.peers() == []


def test_a_revoked_device_cannot_begin_again():
    alice, bob = friends()
    revoked = bob.device
    bob.device = Device.create(bob.account, 0, NOW, bob.random, before=revoked.manifest)
    alice.device.observe(bob.device.manifest)
    revoked.start(alice.bundle(), NOW, bob.random)
    with pytest.raises(ManifestRollbackError):
        alice.open(revoked.seal(alice.peer, b"still me", NOW, bob.random))


def test_an_older_certificate_is_good_while_the_device_is_listed():
    alice, bob = people()
    bob.start(alice)
    early = bob.seal(alice, b"early")
    second = DeviceKeys.create(1, 0, bob.random)
    entries = [(DeviceRecord.of(keys), keys.kem.public) for keys in (bob.device.keys, second)]
    bob.device.adopt(next_manifest(bob.account, bob.device.manifest, entries, NOW))
    alice.device.observe(bob.device.manifest)
    assert alice.open(early).content == b"early"


def test_two_histories_of_one_version_are_refused():
    alice, bob = friends()
    other = Device.create(bob.account, 0, NOW, bob.random)
    other.start(alice.bundle(), NOW, bob.random)
    with pytest.raises(ManifestForkError):
        alice.open(other.seal(alice.peer, b"", NOW, bob.random))
    with pytest.raises(ManifestForkError):
        alice.device.observe(other.manifest)


def test_initial_message_under_an_unknown_manifest_of_ours_is_refused():
    alice, bob = people()
    alice.start(bob)
    envelope = alice.seal(bob)
    records = {key: value for key, value in bob.device.take_changes().items() if value is not None}
    fork = Device.create(bob.account, 0, NOW + 1, bob.random)
    records[b"device"] = b"\1" + bob.account.id.raw + blocks(bob.device.keys.encode(), fork.manifest.encode())
    with pytest.raises(HandshakeRefusedError):
        Device.restore(records).open(envelope, NOW, bob.random)


def blocks(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def test_a_device_has_no_session_with_itself():
    alice, _ = people()
    with pytest.raises(HandshakeRefusedError):
        alice.start(alice)


def test_a_foreign_manifest_is_not_adopted():
    alice, bob = people()
    with pytest.raises(ManifestRefusedError):
        alice.device.adopt(bob.device.manifest)


def test_forgetting_leaves_no_record():
    alice, bob = friends()
    store = dict(alice.device.take_changes())
    assert any(key.startswith(b"sessions/") for key in store)
    alice.device.forget(bob.account.id)
    changes = alice.device.take_changes()
    assert set(changes) == {key for key in store if key.startswith((b"sessions/", b"pin/"))}
    assert all(value is None for value in changes.values())
    assert alice.device.pinned(bob.account.id) is None


def test_discarding_sessions_keeps_pins():
    alice, bob = friends()
    alice.device.take_changes()
    alice.device.discard_sessions()
    assert all(value is None for value in alice.device.take_changes().values())
    assert alice.device.pinned(bob.account.id) == bob.device.manifest.head
    assert alice.device.needs_handshake(bob.peer, NOW)


def test_incomplete_or_damaged_records_are_refused():
    alice, bob = friends()
    records = {key: value for key, value in alice.device.take_changes().items() if value is not None}
    Device.restore(records)
    for key, value in records.items():
        with pytest.raises(ProtocolError):
            Device.restore({**records, key: value[:-1]})
    for key in (b"device", b"prekeys", b"begun", b"pin/" + bob.account.id.raw):
        with pytest.raises(MalformedError):
            Device.restore({name: value for name, value in records.items() if name != key})
