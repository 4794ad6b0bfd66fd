"""What a manager does to the list of its account's devices: each change is the next manifest.

An account has at most five devices; one of them is always awake, and one is always a manager.
"""

from collections.abc import Mapping

from essaim.protocol.account import Account
from essaim.protocol.device import DORMANT, MANAGER, SLOTS
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import HASH_SIZE
from essaim.protocol.manifest import DeviceRecord, Entry, Manifest, joint_manifest, next_manifest

Seen = Mapping[bytes, bytes]
"""Of each device that a manager ever saw listed the hash of the manifest where it first did; zeros: nobody knows."""


class DevicesFullError(ProtocolError):
    """The account has five devices."""

    reason = "DEVICES_FULL"


class LastDeviceError(ProtocolError):
    """An account keeps one device that is awake, and one that is a manager."""

    reason = "LAST_DEVICE"


class NoSuchDeviceError(ProtocolError):
    """The account has no device in this slot."""

    reason = "NO_SUCH_DEVICE"


def free_slot(before: Manifest) -> int:
    """The lowest slot without a device (`DevicesFullError`)."""
    taken = {record.slot for record in before.devices}
    for slot in range(SLOTS):
        if slot not in taken:
            return slot
    raise DevicesFullError("an account has at most five devices: revoke one first")


def listing(account: Account, before: Manifest, entry: Entry, now: int) -> Manifest:
    """With one more device; whoever was in its slot is gone."""
    others = [each for each in before.entries if each[0].slot != entry[0].slot]
    return next_manifest(account, before, [*others, entry], now)


def revoking(account: Account, before: Manifest, slot: int, now: int) -> Manifest:
    """Without the device in `slot`."""
    _known(before, slot)
    return _checked(account, before, [each for each in before.entries if each[0].slot != slot], now)


def flagging(account: Account, before: Manifest, slot: int, now: int, *, manager: bool, dormant: bool) -> Manifest:
    """The same devices, the one in `slot` with these flags."""
    record = _known(before, slot)
    flagged = record.flagged(MANAGER * manager | DORMANT * dormant)
    return _checked(account, before, [(flagged if each == record else each, kem) for each, kem in before.entries], now)


def joining(account: Account, ours: Manifest, theirs: Manifest, slot: int, seen: Seen, now: int) -> Manifest:
    """One history out of two that managers began without hearing of each other, made by the one in `slot`.

    The devices are theirs, but for those that ours took off; of those that ours alone lists the ones that theirs cannot
    have taken off, for it never listed them, and whose slots are free. Whoever joins is awake and a manager.
    """
    listed = {record.device_id for record in ours.devices}
    stay = [each for each in theirs.entries if each[0].device_id in listed or each[0].device_id not in seen]
    heard = {bytes(HASH_SIZE), theirs.hash, *theirs.previous}
    taken = {record.slot for record in theirs.devices}
    alone = [each for each in ours.entries if each[0].slot not in taken and seen.get(each[0].device_id) not in heard]
    entries = [(record.flagged(MANAGER) if record.slot == slot else record, kem) for record, kem in (*stay, *alone)]
    return joint_manifest(account, (ours, theirs), entries, now)


def _known(before: Manifest, slot: int) -> DeviceRecord:
    record = before.device(slot)
    if record is None:
        raise NoSuchDeviceError("the account has no device in this slot")
    return record


def _checked(account: Account, before: Manifest, entries: list[Entry], now: int) -> Manifest:
    awake = [record for record, _ in entries if not record.dormant]
    if not awake or not any(record.manager for record, _ in entries):
        raise LastDeviceError("an account keeps one device that is awake, and one that is a manager")
    return next_manifest(account, before, entries, now)
