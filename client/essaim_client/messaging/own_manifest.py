"""The list of the own account's devices: kept in step with what the outbox holds, and published by managers."""

import asyncio
from collections.abc import Callable

from essaim.protocol import outbox as entry
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.manifest import Manifest
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.messaging.directory import published_manifest
from essaim_client.messaging.events import DevicesChanged, Event
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.vigil import Vigil

ENTRY_LIFE_MS = 399 * DAY_MS


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
        if published is None or published.version <= self._profile.device.manifest.version:
            return False
        self._adopt(published)
        return True

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
            self._profile.device.adopt(manifest)
            events: list[Event] = [*self._vigil.observe(manifest)]
            self._profile.save()
        if manifest.head.slots != before:
            events.append(DevicesChanged(tuple(slot for slot, _ in manifest.head.slots)))
        for event in events:
            self._tell(event)
