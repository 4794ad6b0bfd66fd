"""What a manager does to the list of its account's devices: each change is the next manifest.

An account has at most five devices; one of them is always awake, and one is always a manager.
"""

from essaim.protocol.account import Account
from essaim.protocol.device import DORMANT, MANAGER, SLOTS
from essaim.protocol.errors import ProtocolError
from essaim.protocol.manifest import DeviceRecord, Entry, Manifest, next_manifest


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
