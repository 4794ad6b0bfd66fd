"""The list of the own account's devices: kept in step with what the outbox holds, and published by managers."""

import asyncio
import json
from collections.abc import Callable

from essaim.protocol import outbox as entry
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.manifest import Manifest
from essaim.protocol.succession import joining
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.messaging.directory import published_manifest
from essaim_client.messaging.events import DevicesChanged, Event
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.vigil import Vigil

ENTRY_LIFE_MS = 399 * DAY_MS
HELD_KEY, HELD_MAX = "manifests-held", 64
"""The last manifests of this device, by hash, each with the ids of the devices in it."""
SHUT_KEY = "devices-to-shut-out"
"""Slots, one byte each, of whom two lists that were joined left out; there while that is not done."""


class OwnManifest:
    """Raises ManifestRefusedError on a device that is no longer listed: it is no part of the account any more."""

    def __init__(self, swarms: Swarms, profile: Profile, vigil: Vigil, tell: Callable[[Event], None]) -> None:
        self._swarms = swarms
        self._profile = profile
        self._vigil = vigil
        self._writer = Writer(swarms)
        self._mailboxes = OwnMailboxes(profile)
        self._turn = asyncio.Lock()
        self._tell = tell
        self._followed_ms = 0

    async def follow(self, fresh_ms: int = 0) -> bool:
        """Adopt a newer manifest; whether there was one. Not again if one was looked for so short a time ago."""
        async with self._turn:
            if self._swarms.clock.now_ms() - self._followed_ms < fresh_ms:
                return False
            return await self._follow()

    async def _follow(self) -> bool:
        published = await published_manifest(self._swarms, self._profile.account_id, None)
        self._followed_ms = self._swarms.clock.now_ms()
        own = self._profile.device.manifest
        if published is None or own.follows(published.head):
            if published is not None and published.version < own.version and self._profile.account is not None:
                await self._store(own)  # nothing else would tell contacts who know it
            return False
        if not published.follows(own.head) and self._may_join(published):
            await self._join(own, published)
        elif published.version <= own.version:
            return False  # until one that follows both is there
        else:
            self._adopt(published)
        return True

    def _may_join(self, theirs: Manifest) -> bool:
        """Not one that is no manager, nor one that was revoked meanwhile."""
        return self._profile.account is not None and theirs.head.lists_device(self._profile.device.own_record)

    async def _join(self, ours: Manifest, theirs: Manifest) -> None:
        """Two managers went on without hearing of each other: one list out of both, published before it is kept."""
        now_ms, slot = self._swarms.clock.now_ms(), self._profile.device.slot
        pinned = self._profile.device.pinned(self._profile.account_id)
        least = pinned.version if pinned is not None else 0
        joined = joining(self._profile.keys, ours, theirs, slot, self._held(), now_ms, least)
        here = {record.device_id for record in joined.devices}
        gone = {record.slot for each in (ours, theirs) for record in each.devices if record.device_id not in here}
        # Before others find the list: whoever dies now finds it too, and would not know that it was joined.
        self._profile.store.put(SHUT_KEY, bytes(sorted(self.to_shut_out() | gone)))
        await self._store(joined)
        self._adopt(joined)

    def to_shut_out(self) -> frozenset[int]:
        """Slots whose devices a joined list left out: what they knew is still to be replaced."""
        return frozenset(self._profile.store.get(SHUT_KEY) or b"")

    def shut_out(self) -> None:
        """That is done."""
        self._profile.store.put(SHUT_KEY, b"")

    def _held(self) -> dict[bytes, frozenset[bytes]]:
        kept = json.loads(self._profile.store.get(HELD_KEY) or b"{}")
        return {bytes.fromhex(name): frozenset(map(bytes.fromhex, ids)) for name, ids in kept.items()}

    def _hold(self, *manifests: Manifest) -> None:
        held = self._held() | {each.hash: frozenset(one.device_id for one in each.devices) for each in manifests}
        rows = {name.hex(): sorted(map(bytes.hex, ids)) for name, ids in list(held.items())[-HELD_MAX:]}
        self._profile.store.put(HELD_KEY, json.dumps(rows).encode())

    async def change(self, make: Callable[[Manifest], Manifest]) -> Manifest:
        """A manager's next manifest, made from the newest one, published before it is kept (NotAManagerError)."""
        async with self._turn:
            _ = self._mailboxes.manifest()
            await self._follow()
            manifest = make(self._profile.device.manifest)
            await self._store(manifest)
            self._adopt(manifest)
            return manifest

    async def publish(self) -> None:
        """The manifest as it stands."""
        await self._store(self._profile.device.manifest)

    async def _store(self, manifest: Manifest) -> None:
        now_ms = self._swarms.clock.now_ms()
        data = entry.seal_entry(manifest.identity, entry.MANIFEST, manifest.encode(), self._swarms.random)
        # The time is a version that grows also for a device restored from its phrase.
        envelope = Outgoing(entry.MANIFEST, now_ms + ENTRY_LIFE_MS, data, version=now_ms)
        await self._writer.store(self._mailboxes.outbox_policy, [envelope], self._mailboxes.manifest())

    def _adopt(self, manifest: Manifest) -> None:
        before = self._profile.device.manifest.head.slots
        with self._profile.store.transaction():
            self._hold(self._profile.device.manifest, manifest)
            self._profile.device.adopt(manifest)
            events: list[Event] = [*self._vigil.observe(manifest)]
            self._profile.save()
        if manifest.head.slots != before:
            events.append(DevicesChanged(tuple(slot for slot, _ in manifest.head.slots)))
        for event in events:
            self._tell(event)
