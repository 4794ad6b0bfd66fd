"""The device's own outbox: manifest, signed prekeys, and a batch of one-time prekeys for each member of its swarm."""

import json
from contextlib import suppress

from essaim.protocol import outbox as entry
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.view import Node
from essaim_client.mailbox.prekeys import Batch, PrekeyDesk
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.messaging.own_manifest import OwnManifest
from essaim_client.messaging.profile import Profile

ENTRY_LIFE_MS = 399 * DAY_MS
ENTRY_RENEW_MS = 30 * DAY_MS
BATCH_SIZE = 20
BATCH_RENEW_MS = 7 * DAY_MS
REFILL_AFTER = 10
"""Sessions that others began since the batches were last filled: half of what one member may have given out."""
STATE_KEY = "published"


class Publisher:
    """Keeps the outbox current. What was published is remembered, so that a start writes only what is due."""

    def __init__(self, swarms: Swarms, profile: Profile, manifest: OwnManifest) -> None:
        self._swarms = swarms
        self._profile = profile
        self._manifest = manifest
        self._writer = Writer(swarms)
        self._desk = PrekeyDesk(swarms)
        self._mailboxes = OwnMailboxes(profile)
        self._policy = self._mailboxes.outbox_policy
        kept = profile.store.get(STATE_KEY)
        self._published: dict[str, int] = json.loads(kept) if kept else {}

    async def publish(self) -> None:
        """Everything that is due. Raises when the outbox cannot be written; a batch that fails is tried next time."""
        now_ms = self._swarms.clock.now_ms()
        renewed = self._profile.device.maintain(now_ms, self._swarms.random)
        self._save({"prekeys": 0} if renewed else {})
        await self._publish_entries(now_ms)
        for node in self._swarms.members(self._policy.mailbox_id):
            if self._due(f"batch/{node.node_id.hex()}", now_ms, BATCH_RENEW_MS):
                with suppress(ProtocolError):  # without a one-time prekey a handshake still works
                    await self._fill(node, now_ms)

    async def _publish_entries(self, now_ms: int) -> None:
        manager = self._profile.account is not None
        manifest_due = manager and self._due(self._manifest_name(), now_ms, ENTRY_RENEW_MS)
        prekeys_due = self._due("prekeys", now_ms, ENTRY_RENEW_MS)
        if not manifest_due and not prekeys_due:
            return
        if await self._manifest.follow():
            self._save({self._manifest_name(): now_ms})
            manifest_due = False
        device = self._profile.device
        if manifest_due:
            await self._manifest.publish()
            self._save({self._manifest_name(): now_ms})
        if prekeys_due:
            await self._store(entry.prekeys_name(device.slot), device.prekeys_entry(self._swarms.random), now_ms)
            self._save({"prekeys": now_ms})

    def forget(self) -> None:
        """Publish everything again: what others find may be of keys that this store does not have."""
        self._published = {}
        self._save({})

    def _manifest_name(self) -> str:
        return f"manifest/{self._profile.device.manifest.hash.hex()}"

    async def used_one(self) -> None:
        """Somebody began a session: fill the batches up when half may be gone."""
        used = self._published.get("used", 0) + 1
        self._save({"used": used})
        if used >= REFILL_AFTER:
            self._published = {name: at for name, at in self._published.items() if not name.startswith("batch/")}
            self._save({"used": 0})
            await self.publish()

    async def _store(self, name: bytes, data: bytes, now_ms: int) -> None:
        # The time is a version that grows also for a device restored from its phrase.
        envelope = Outgoing(name, now_ms + ENTRY_LIFE_MS, data, version=now_ms)
        await self._writer.store(self._policy, [envelope], self._mailboxes.own_entries())

    async def _fill(self, node: Node, now_ms: int) -> None:
        device = self._profile.device
        prekeys = device.new_one_time_batch(node.node_id, BATCH_SIZE, now_ms, self._swarms.random)
        self._save({})  # the private parts must be on disk before anybody can use the public ones
        batch = Batch(device.slot, now_ms, prekeys)
        await self._desk.publish(node, self._policy, self._mailboxes.own_entries(), batch)
        self._save({f"batch/{node.node_id.hex()}": now_ms})

    def _due(self, name: str, now_ms: int, every_ms: int) -> bool:
        return now_ms - self._published.get(name, 0) >= every_ms

    def _save(self, published: dict[str, int]) -> None:
        self._published |= published
        with self._profile.store.transaction():
            self._profile.save()
            self._profile.store.put(STATE_KEY, json.dumps(self._published).encode())
