"""People with devices, for tests of groups: who signs which record."""

import random

from essaim.protocol.account import Account
from essaim.protocol.device import MANAGER, DeviceKeys
from essaim.protocol.group.log import GroupLog
from essaim.protocol.group.record import NO_GROUP, Act, Record, founding_argument
from essaim.protocol.keys import SigningKey
from essaim.protocol.manifest import DeviceRecord, first_manifest, next_manifest

NOW = 1_800_000_000_000


class Player:
    """An account with a first device, perhaps more."""

    def __init__(self, source: random.Random) -> None:
        self.random = source.randbytes
        self.account = Account(self.random(32))
        self.devices = [DeviceKeys.create(0, MANAGER, self.random)]
        self.manifests = [first_manifest(self.account, self.devices[0], NOW)]

    @property
    def raw(self) -> bytes:
        return self.account.id.raw

    def link(self) -> int:
        """One more device; its slot."""
        before, slot = self.manifests[-1], len(self.devices)
        keys = DeviceKeys.create(slot, MANAGER, self.random)
        self.devices.append(keys)
        entries = [*before.entries, (DeviceRecord.of(keys), keys.kem.public)]
        self.manifests.append(next_manifest(self.account, before, entries, NOW))
        return slot

    def revoke(self, slot: int) -> None:
        before = self.manifests[-1]
        entries = [each for each in before.entries if each[0].slot != slot]
        self.manifests.append(next_manifest(self.account, before, entries, NOW))

    def certificate(self, slot: int = 0, version: int = -1):
        return self.manifests[version].certificate(slot)

    def found(self, name: str = "us", admin: SigningKey | None = None) -> Record:
        admin = admin or SigningKey(self.random(32))
        argument = founding_argument(self.random(32), admin.public, name)
        return Record.sign(self.devices[0], self.certificate(), NO_GROUP, [], Act.FOUND, argument, NOW)

    def record(self, log: GroupLog, act: Act, argument: bytes = b"", *, heads=None, slot=0, version=-1) -> Record:
        parents = log.parents_for(self.raw, act) if heads is None else heads
        certificate = self.certificate(slot, version)
        return Record.sign(self.devices[slot], certificate, log.group_id, parents, act, argument, NOW)

    def does(self, log: GroupLog, act: Act, argument: bytes = b"", **named) -> Record:
        """Signs it, and adds it to this log."""
        record = self.record(log, act, argument, **named)
        log.add([record])
        return record


def founded(founder: Player) -> GroupLog:
    record = founder.found()
    log = GroupLog(record.group)
    log.add([record])
    return log


def copy(log: GroupLog) -> GroupLog:
    other = GroupLog(log.group_id)
    other.add(log)
    return other


def group_of(players, admins: int = 1) -> GroupLog:
    """The first founds it, the others have joined, the first `admins` are admins, in their order."""
    founder, *others = players
    log = founded(founder)
    for each in others:
        founder.does(log, Act.INVITE, each.raw)
        each.does(log, Act.JOIN)
    for each in players[1:admins]:
        founder.does(log, Act.PROMOTE, each.raw)
    return log
