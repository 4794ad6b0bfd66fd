"""Device manifests: one device from the first day, five by format; forged, old and forked ones refused."""

import random

import pytest

from essaim.protocol.account import Account
from essaim.protocol.device import MANAGER, DeviceKeys
from essaim.protocol.errors import ProtocolError
from essaim.protocol.layout import MalformedError
from essaim.protocol.manifest import (
    Certificate,
    DeviceRecord,
    Head,
    Manifest,
    ManifestForkError,
    ManifestRefusedError,
    ManifestRollbackError,
    first_manifest,
    next_manifest,
)
from essaim.protocol.succession import flagging, joining, listing, revoking

NOW = 1_800_000_000_000
SOURCE = random.Random(1).randbytes
ACCOUNT, STRANGER = Account(bytes([1]) * 32), Account(bytes([2]) * 32)
KEYS = [DeviceKeys.create(slot, MANAGER if slot == 0 else 0, SOURCE) for slot in range(5)]
ENTRIES = [(DeviceRecord.of(keys), keys.kem.public) for keys in KEYS]
FIRST = first_manifest(ACCOUNT, KEYS[0], NOW)


def history(count: int) -> list[Manifest]:
    manifests = [FIRST]
    while len(manifests) < count:
        manifests.append(next_manifest(ACCOUNT, manifests[-1], ENTRIES[:1], NOW + len(manifests)))
    return manifests


def test_first_manifest_has_one_device_and_round_trips():
    again = Manifest.decode(FIRST.encode())
    again.check(ACCOUNT.id.identity)
    assert again == FIRST and again.version == 0 and again.previous == ()
    assert again.devices == (DeviceRecord.of(KEYS[0]),) and again.devices[0].manager
    assert again.head.agreement == ACCOUNT.agreement.public
    assert len(FIRST.encode()) == 1510


def test_five_devices_round_trip_and_each_has_a_certificate():
    manifest = Manifest.decode(next_manifest(ACCOUNT, FIRST, ENTRIES, NOW).encode())
    manifest.check(ACCOUNT.id.identity, FIRST.head)
    for slot in range(5):
        certificate = Certificate.decode(manifest.certificate(slot).encode())
        certificate.check()
        assert certificate.device == DeviceRecord.of(KEYS[slot])
        assert len(certificate.encode()) == 457
    assert len(manifest.encode()) < 10_000


def test_manifest_keeps_32_hashes_and_proves_the_way_from_what_is_pinned():
    manifests = history(40)
    last = Manifest.decode(manifests[-1].encode())
    assert len(last.previous) == 32
    for pinned in manifests:
        last.check(ACCOUNT.id.identity, pinned.head)


def test_manifest_below_the_pinned_is_refused():
    manifests = history(3)
    with pytest.raises(ManifestRollbackError):
        manifests[1].check(ACCOUNT.id.identity, manifests[2].head)


def test_fork_is_refused():
    other = next_manifest(ACCOUNT, FIRST, ENTRIES, NOW)
    with pytest.raises(ManifestForkError):
        other.check(ACCOUNT.id.identity, history(2)[1].head)
    with pytest.raises(ManifestForkError):
        next_manifest(ACCOUNT, other, ENTRIES, NOW).check(ACCOUNT.id.identity, history(2)[1].head)


def apart():
    """What two managers made of one list of three: one revoked the third and listed a fourth, one slept."""
    both = next_manifest(ACCOUNT, FIRST, ENTRIES[:3], NOW)
    ours = listing(ACCOUNT, revoking(ACCOUNT, both, 2, NOW + 1), ENTRIES[3], NOW)
    theirs = flagging(ACCOUNT, both, 2, NOW, manager=True, dormant=False)
    return both, ours, flagging(ACCOUNT, theirs, 0, NOW, manager=True, dormant=True)


def ids(manifest: Manifest) -> frozenset[bytes]:
    return frozenset(each.device_id for each in manifest.devices)


def devices(joint: Manifest) -> list[tuple[int, int]]:
    return [(each.slot, each.flags) for each in joint.devices]


def test_joint_manifest_follows_both_histories_and_what_else_is_known():
    both, ours, theirs = apart()
    joint = joining(ACCOUNT, ours, theirs, 0, {}, NOW, 50)
    after = next_manifest(ACCOUNT, joint, ENTRIES[:1], NOW)
    for known in (FIRST, both, ours, theirs, joint, history(51)[-1]):
        Manifest.decode(after.encode()).check(ACCOUNT.id.identity, known.head)
        Manifest.decode(joint.encode()).check(ACCOUNT.id.identity, known.head)
    assert joint.head.time_ms > max(ours.head.time_ms, theirs.head.time_ms)
    with pytest.raises(ManifestRollbackError):
        ours.check(ACCOUNT.id.identity, joint.head)


def test_joint_manifest_has_who_was_added_on_either_side_and_none_who_was_taken_off():
    both, ours, theirs = apart()  # the third is a manager in theirs, and revoked in ours, which listed a fourth
    assert devices(joining(ACCOUNT, ours, theirs, 0, {both.hash: ids(both)}, NOW)) == [(0, MANAGER), (1, 0), (3, 0)]
    assert devices(joining(ACCOUNT, theirs, ours, 1, {both.hash: ids(both)}, NOW)) == [(0, MANAGER), (1, 0), (3, 0)]


def test_joint_manifest_of_histories_whose_parting_nobody_held_lists_who_stands_in_both():
    both, ours, theirs = apart()
    for held in ({}, {FIRST.hash: ids(FIRST)}, {ours.hash: ids(ours)}):
        assert devices(joining(ACCOUNT, ours, theirs, 0, held, NOW)) == [(0, MANAGER), (1, 0)]
    long = theirs
    for _ in range(33):
        long = next_manifest(ACCOUNT, long, long.entries, NOW)
    assert devices(joining(ACCOUNT, ours, long, 0, {both.hash: ids(both)}, NOW)) == [(0, MANAGER), (1, 0)]


def test_joint_manifest_after_a_joint_one_brings_nobody_back():
    both, ours, theirs = apart()
    joint = joining(ACCOUNT, ours, theirs, 0, {both.hash: ids(both)}, NOW)
    revoked, slept = revoking(ACCOUNT, joint, 3, NOW), flagging(ACCOUNT, joint, 1, NOW, manager=True, dormant=False)
    again = joining(ACCOUNT, slept, revoked, 0, {both.hash: ids(both), joint.hash: ids(joint)}, NOW)
    assert devices(again) == [(0, MANAGER), (1, MANAGER)], "who was made a manager has the keys"


def test_joint_manifest_gives_a_slot_to_whom_it_was_given_after_a_revocation():
    both, ours, theirs = apart()
    phone = DeviceKeys.create(2, 0, SOURCE)
    ours = listing(ACCOUNT, ours, (DeviceRecord.of(phone), phone.kem.public), NOW)
    joint = joining(ACCOUNT, ours, theirs, 0, {both.hash: ids(both)}, NOW)
    assert joint.device(2).device_id == phone.device_id
    other = DeviceKeys.create(3, 0, SOURCE)
    theirs = listing(ACCOUNT, theirs, (DeviceRecord.of(other), other.kem.public), NOW)
    joint = joining(ACCOUNT, ours, theirs, 0, {both.hash: ids(both)}, NOW)
    assert joint.device(3).device_id == other.device_id, "a slot is one device's"


def test_another_accounts_manifest_is_refused():
    with pytest.raises(ManifestRefusedError):
        FIRST.check(STRANGER.id.identity)
    forged = first_manifest(STRANGER, KEYS[0], NOW).head.encode()
    forged = forged[:1] + ACCOUNT.id.raw + forged[33:]
    with pytest.raises(ManifestRefusedError):
        Head.decode(forged).check(ACCOUNT.id.identity)


def test_certificate_of_an_unlisted_device_is_refused():
    with pytest.raises(ManifestRefusedError):
        Certificate(FIRST.head, DeviceRecord.of(KEYS[1])).check()
    with pytest.raises(ManifestRefusedError):
        FIRST.certificate(3)


def test_every_altered_byte_is_refused():
    encoded = next_manifest(ACCOUNT, FIRST, ENTRIES[:1], NOW).encode()
    for place in range(len(encoded)):
        altered = bytearray(encoded)
        altered[place] ^= 0x01
        with pytest.raises(ProtocolError):
            Manifest.decode(bytes(altered)).check(ACCOUNT.id.identity)


def test_every_shorter_or_longer_one_is_refused():
    encoded = FIRST.encode()
    for length in range(0, len(encoded), 7):
        with pytest.raises(ProtocolError):
            Manifest.decode(encoded[:length])
    with pytest.raises(ProtocolError):
        Manifest.decode(encoded + b"\0")


@pytest.mark.parametrize("version", [2**62, 2**64 - 1])
def test_version_that_no_store_could_count_on_from_is_refused(version):
    """A contact signs its own manifests: one of these would stop a client that keeps it as a number."""
    forged = bytearray(FIRST.head.encoded)
    at = 1 + 32 + 32
    assert int.from_bytes(forged[at : at + 8]) == FIRST.version
    for place in (at, at + 8):
        altered = bytes(forged[:place]) + version.to_bytes(8) + bytes(forged[place + 8 :])
        signed = altered + ACCOUNT.identity.sign(b"essaim/manifest/v1" + altered)
        with pytest.raises(MalformedError):
            Head.decode(signed)


def test_two_devices_in_one_slot_are_refused():
    with pytest.raises(ManifestRefusedError):
        next_manifest(ACCOUNT, FIRST, [ENTRIES[0], ENTRIES[0]], NOW)


def test_device_keys_round_trip_and_slot_keys_differ_by_mailbox():
    again = DeviceKeys.decode(KEYS[2].encode())
    assert again == KEYS[2]
    public = {again.slot_signer(bytes([n]) * 32).public.raw for n in range(20)} | {again.signing.public.raw}
    assert len(public) == 21
    with pytest.raises(ProtocolError):
        DeviceKeys.decode(KEYS[2].encode()[:-1])
