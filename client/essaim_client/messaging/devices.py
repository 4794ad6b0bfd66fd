"""The devices of the own account: listed, named, linked, revoked, put to sleep. Changes are a manager's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import Account
from essaim.protocol.device import MANAGER
from essaim.protocol.errors import ProtocolError
from essaim.protocol.linking import Approval
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.mailbox.slot_record import Signer, SlotRecord
from essaim.protocol.manifest import DeviceRecord, Manifest
from essaim.protocol.succession import NoSuchDeviceError, flagging, free_slot, listing, revoking
from essaim_client.mailbox.access import Authority
from essaim_client.mailbox.notices import Notices
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.configuration_sync import ConfigurationSync
from essaim_client.messaging.linking import Candidate, Sponsoring
from essaim_client.messaging.own_inbox import OwnInbox
from essaim_client.messaging.own_mailboxes import OwnMailboxes, slot_record
from essaim_client.messaging.own_manifest import OwnManifest
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.sender import Sender
from essaim_client.messaging.vigil import Vigil

DORMANT_AFTER_DAYS = 30
AT_ONCE = 4
"""Days of the private inbox in which a slot is dropped."""

Change = Callable[[Account, Manifest, int, int], Manifest]
"""Of the keys, the manifest before, the slot and the time."""


class OwnDeviceError(ProtocolError):
    """A device does not revoke itself: wipe it, or revoke it from another."""

    reason = "OWN_DEVICE"


@dataclass(frozen=True)
class OwnDevice:
    """One device of the account. `this`: the one that this program runs on; `new`: not acknowledged yet."""

    slot: int
    name: str
    manager: bool
    dormant: bool
    this: bool
    new: bool


class Devices:
    """Raises NotAManagerError for every change on a device that does not hold the account's keys."""

    def __init__(
        self,
        swarms: Swarms,
        profile: Profile,
        agreement: Agreement,
        *,
        manifest: OwnManifest,
        configuration: ConfigurationSync,
        sender: Sender,
        vigil: Vigil,
        inbox: OwnInbox,
    ) -> None:
        self._swarms = swarms
        self._profile = profile
        self._agreement = agreement
        self._manifest = manifest
        self._configuration = configuration
        self._sender = sender
        self._vigil = vigil
        self._inbox = inbox
        self._mailboxes = OwnMailboxes(profile)
        self._notices = Notices(swarms)

    def all(self) -> list[OwnDevice]:
        """By slot."""
        strangers = self._vigil.strangers(self._profile.account_id)
        own = self._profile.device.keys.device_id
        return [
            OwnDevice(
                record.slot,
                self._agreement.device_name(record.device_id),
                record.manager,
                record.dormant,
                record.device_id == own,
                record.device_id in strangers,
            )
            for record in self._profile.device.manifest.devices
        ]

    def name(self, slot: int, name: str) -> None:
        """Raises NoSuchDeviceError, NameRefusedError."""
        self._agreement.name_device(self._record(slot).device_id, name)

    def _record(self, slot: int) -> DeviceRecord:
        record = self._profile.device.manifest.device(slot)
        if record is None:
            raise NoSuchDeviceError("the account has no device in this slot")
        return record

    # Linking

    def sponsor(self, code: str) -> Sponsoring:
        """For a code that a new device shows. Raises CodeRefusedError, NotAManagerError, DevicesFullError."""
        _ = self._profile.keys
        free_slot(self._profile.device.manifest)
        return Sponsoring(self._swarms, self._profile, code)

    async def approve(self, sponsoring: Sponsoring, candidate: Candidate, *, manager: bool = False) -> int:
        """List the device, give it what it needs, tell the others; its slot. Raises DevicesFullError."""
        request, flags = candidate.request, MANAGER if manager else 0

        def listed(before: Manifest) -> Manifest:
            entry = request.record(free_slot(before), flags), request.kem
            return listing(self._profile.keys, before, entry, self._swarms.clock.now_ms())

        await self._configuration.sync()
        manifest = await self._manifest.change(listed)
        self._vigil.acknowledge(self._profile.account_id)
        slot = next(each.slot for each in manifest.devices if each.device_id == request.device_id)
        self._inbox.keep(self._swarms.clock.now_ms())
        await self._configuration.sync()  # so that it finds the slot records that were just signed for it
        await sponsoring.give(self._approval(candidate, manifest, slot, manager=manager))
        if candidate.name:
            self._agreement.name_device(request.device_id, candidate.name)
        await self._tell()
        return slot

    def _approval(self, candidate: Candidate, manifest: Manifest, slot: int, *, manager: bool) -> Approval:
        request, account, version = candidate.request, self._profile.keys, manifest.head.time_ms
        kept = self._configuration.kept_key()
        assert kept is not None  # `sync` has made one
        return Approval(
            manifest,
            slot_record(account, self._mailboxes.inbox_policy, slot, request.inbox_key, version),
            slot_record(account, self._mailboxes.outbox_policy, slot, request.outbox_key, version),
            account.seed if manager else b"",
            self._profile.authorship_key,
            *kept,
        )

    # Changes

    async def revoke(self, slot: int) -> None:
        """The device is no part of the account any more: nothing is sealed for it, and its keys open no mailbox.

        What it knew it knows. Raises NoSuchDeviceError, LastDeviceError, OwnDeviceError.
        """
        if slot == self._profile.device.slot:
            raise OwnDeviceError("revoke this device from another one, or wipe it")
        self._record(slot)
        await self._wake()
        await self._change(revoking, slot)
        await self._shut_out(frozenset({slot}))

    async def _shut_out(self, slots: frozenset[int]) -> None:
        """Whoever was there: slots that nobody else has now are dropped, and what they knew is replaced."""
        manifest, now_ms = self._profile.device.manifest, self._swarms.clock.now_ms()
        # Every slot record has the time of a manifest that lists its device: this one is above them all.
        version, empty = manifest.head.time_ms, sorted(slot for slot in slots if manifest.device(slot) is None)
        days = [day for slot in empty for day in self._inbox.drops(slot, version, now_ms)]
        for slot in empty:
            await self._drop(self._mailboxes.inbox_policy, self._mailboxes.inbox_owner(), slot, version)
            await self._drop(self._mailboxes.outbox_policy, self._mailboxes.manifest().signer, slot, version)
        await self._configuration.rotate()  # before the new secret, which would be written where the old key opens
        self._inbox.replace(now_ms)
        few = asyncio.Semaphore(AT_ONCE)
        results = await asyncio.gather(*(self._drop_day(few, *each) for each in days), return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

    async def _wake(self) -> None:
        """Who revokes is there: another manager may have taken this device for asleep, and it would be the last."""
        self._agreement.is_alive(self._profile.device.keys.device_id)
        await self._manifest.follow()
        own = self._profile.device.own_record
        if own.dormant:
            await self.sleep(own.slot, dormant=False)

    async def _drop_day(self, few: asyncio.Semaphore, policy: Policy, owner: Authority, record: bytes) -> None:
        async with few:
            await self._notices.drop_slot(policy, owner, record)

    async def _drop(self, policy: Policy, owner: Signer, slot: int, version: int) -> None:
        record = SlotRecord.sign(owner, policy.mailbox_id, slot, None, version)
        await self._notices.drop_slot(policy, Authority(owner), record.encoded)

    async def promote(self, slot: int) -> None:
        """Make a device a manager: it is given the account's keys, which cannot be taken back."""
        record = self._record(slot)
        await self._change(partial(flagging, manager=True, dormant=record.dormant), slot)
        seed = content_pb2.AccountSeed(seed=self._profile.keys.seed)
        await self._sender.sync(frozenset({slot}), account_seed=seed)

    async def sleep(self, slot: int, *, dormant: bool) -> None:
        """A dormant device is listed and receives nothing."""
        record = self._record(slot)
        await self._change(partial(flagging, manager=record.manager, dormant=dormant), slot)

    async def _change(self, make: Change, slot: int) -> Manifest:
        now_ms = self._swarms.clock.now_ms()
        manifest = await self._manifest.change(lambda before: make(self._profile.keys, before, slot, now_ms))
        await self._tell()
        return manifest

    async def _tell(self) -> None:
        """The own other devices look at the manifest."""
        await self._sender.sync(manifest_changed=content_pb2.ManifestChanged())

    # Asleep and awake

    async def look_after(self) -> None:
        """This device is there; a manager marks those dormant that were not for 30 days, and wakes those that are."""
        self._agreement.is_alive(self._profile.device.keys.device_id)
        if self._profile.account is None:
            return
        if left_out := self._manifest.to_shut_out():
            await self._tell()
            await self._shut_out(left_out)
            self._manifest.shut_out()
        today = self._swarms.clock.now_ms() // DAY_MS
        for record in self._profile.device.manifest.devices:
            alive = self._agreement.alive_day(record.device_id)
            away = alive != 0 and today - alive > DORMANT_AFTER_DAYS
            if away != record.dormant:
                await self.sleep(record.slot, dormant=away)
