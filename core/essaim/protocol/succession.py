"""What a manager does to the list of its account's devices: each change is the next manifest.

An account has at most five devices; one of them is always awake, and one is always a manager.
"""

from collections.abc import Mapping

from essaim.protocol.account import Account
from essaim.protocol.device import DORMANT, MANAGER, SLOTS
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import HASH_SIZE
from essaim.protocol.manifest import DeviceRecord, Entry, Manifest, joint_manifest, next_manifest

Lists = Mapping[bytes, frozenset[bytes]]
"""Which devices (ids) stood in manifests that a manager held, by their hashes."""


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


def joining(
    account: Account, ours: Manifest, theirs: Manifest, slot: int, held: Lists, now: int, least: int = 0
) -> Manifest:
    """One history out of two that managers began without hearing of each other, made by the one in `slot`.

    A device that one side alone lists stays if it was not in the last manifest that both follow: there it was added,
    here taken off otherwise. Where that manifest was not held (`held`) none of them stays: what was revoked is not
    listed again. Of two in one slot theirs stays; a manager in either is one; who joins is awake. Its version is above
    `least`, too.
    """
    base = _common(ours, theirs, held)
    here, there = ({record.device_id for record in each.devices} for each in (ours, theirs))
    managers = {record.device_id for each in (ours, theirs) for record in each.devices if record.manager}

    def stays(entry: Entry) -> bool:
        device_id = entry[0].device_id
        return device_id in here & there or (base is not None and device_id not in base)

    by_slot = {entry[0].slot: entry for each in (ours, theirs) for entry in each.entries if stays(entry)}
    entries = [
        (record.flagged(MANAGER * (record.device_id in managers) | DORMANT * (record.dormant and at != slot)), kem)
        for at, (record, kem) in by_slot.items()
    ]
    return joint_manifest(account, (ours, theirs), entries, now, least)


def _common(ours: Manifest, theirs: Manifest, held: Lists) -> frozenset[bytes] | None:
    """Who stood in the newest manifest that both follow; None: none is known, or not what it said."""
    known = {theirs.hash, *theirs.previous} - {bytes(HASH_SIZE)}
    newest = next((each for each in (ours.hash, *ours.previous) if each in known), None)
    return held.get(newest) if newest is not None else None


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
