"""The list of the own account's devices: kept in step with what the outbox holds, and published by managers."""

import asyncio
from collections.abc import Callable

from essaim.protocol import outbox as entry
from essaim.protocol.device import DEVICE_ID_SIZE
from essaim.protocol.kdf import HASH_SIZE
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
SEEN_KEY, SEEN_MAX = "devices-seen", 64
"""Of each device that was ever listed its id, and the hash of the manifest that this one first saw it in."""


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
            return False
        if not published.follows(own.head) and self._may_join(published):
            published = await self._join(own, published)
        elif published.version < own.version:
            return False
        self._adopt(published)
        return True

    def _may_join(self, theirs: Manifest) -> bool:
        """Not one that is no manager, nor one that was revoked meanwhile."""
        return self._profile.account is not None and theirs.head.lists_device(self._profile.device.own_record)

    async def _join(self, ours: Manifest, theirs: Manifest) -> Manifest:
        """Two managers went on without hearing of each other: one list out of both, published."""
        now_ms, slot = self._swarms.clock.now_ms(), self._profile.device.slot
        joined = joining(self._profile.keys, ours, theirs, slot, self._seen(), now_ms)
        await self._store(joined)
        return joined

    def _seen(self) -> dict[bytes, bytes]:
        kept, size = self._profile.store.get(SEEN_KEY) or b"", DEVICE_ID_SIZE + HASH_SIZE
        rows = (kept[at : at + size] for at in range(0, len(kept), size))
        return {row[:DEVICE_ID_SIZE]: row[DEVICE_ID_SIZE:] for row in rows}

    def _see(self, manifest: Manifest) -> None:
        """What stood in the list before anything was noted has stood there for nobody knows how long."""
        before = {record.device_id: bytes(HASH_SIZE) for record in self._profile.device.manifest.devices}
        now = {record.device_id: manifest.hash for record in manifest.devices}
        seen = now | before | self._seen()
        rows = [device_id + found for device_id, found in seen.items()]
        self._profile.store.put(SEEN_KEY, b"".join(rows[:SEEN_MAX]))

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
            self._see(manifest)
            self._profile.device.adopt(manifest)
            events: list[Event] = [*self._vigil.observe(manifest)]
            self._profile.save()
        if manifest.head.slots != before:
            events.append(DevicesChanged(tuple(slot for slot, _ in manifest.head.slots)))
        for event in events:
            self._tell(event)
