"""Keeping what the devices agree on in step: changes at once over sessions, the whole in a mailbox of their own."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from essaim.messaging.v1 import content_pb2
from essaim.protocol.configuration import Configuration
from essaim.protocol.configuration_mailbox import ENTRY, KEY_SIZE, RECOVERY, ConfigurationMailbox
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.rule import DAY_MS
from essaim_client.mailbox.access import Access, Authority
from essaim_client.mailbox.reading import entry_versions
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.messaging.events import Event
from essaim_client.messaging.intake import Intake
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.sender import Sender

KEY_STATE = "configuration-key"
PUBLISHED_STATE = "configuration-published"
ENTRY_LIFE_MS = 399 * DAY_MS
RENEW_MS = 30 * DAY_MS
TIME_SIZE = 8


class ConfigurationSync:
    """`changed` tells the other devices, `sync` reads, merges and writes the whole."""

    def __init__(
        self, swarms: Swarms, profile: Profile, intake: Intake, sender: Sender, tell: Callable[[Event], None]
    ) -> None:
        self._swarms = swarms
        self._profile = profile
        self._intake = intake
        self._sender = sender
        self._tell = tell
        self._writer = Writer(swarms)
        self._mailboxes = OwnMailboxes(profile)
        self._turn = asyncio.Lock()
        self._changed: Configuration | None = None
        self.found = False
        """The mailbox held a state when it was read: what was agreed on before, deletions too, is known here."""

    @property
    def known(self) -> bool:
        """Whether what was agreed on before, if anything, is known here."""
        return self.found or self._profile.store.get(PUBLISHED_STATE) is not None

    # The key

    def kept_key(self) -> tuple[int, bytes] | None:
        """(when it was made, the key)."""
        kept = self._profile.store.get(KEY_STATE)
        return (int.from_bytes(kept[:TIME_SIZE], "big"), kept[TIME_SIZE:]) if kept else None

    def take_key(self, made_ms: int, key: bytes) -> None:
        """A newer key, from a manager."""
        kept = self.kept_key()
        if len(key) == KEY_SIZE and (kept is None or made_ms > kept[0]):
            self._profile.store.put(KEY_STATE, made_ms.to_bytes(TIME_SIZE, "big") + key)

    async def rotate(self) -> None:
        """A new key, so that a revoked device reads nothing more; the others are told (NotAManagerError).

        What lies under the old one is taken over before: the device that goes may have told nobody else.
        """
        kept, key = self.kept_key(), self._swarms.random(KEY_SIZE)
        if kept is not None:
            with suppress(ProtocolError):  # who has the old key may have spoilt it, and keeps nobody from a new one
                await self._merge(ConfigurationMailbox(kept[1]))
        made_ms = max(self._swarms.clock.now_ms(), kept[0] + 1 if kept else 0)
        await self._publish_recovery(made_ms, key)
        self.take_key(made_ms, key)
        await self._sender.sync(configuration_key=content_pb2.ConfigurationKey(key=key, made_ms=made_ms))
        await self.sync()

    async def _key(self) -> bytes | None:
        """The key; a manager finds the account's, or makes its first. Others are given it."""
        kept = self.kept_key()
        if kept is not None:
            return kept[1]
        if self._profile.account is None:
            return None
        recovered = await self._recovered()
        if recovered is None:
            recovered = self._swarms.clock.now_ms(), self._swarms.random(KEY_SIZE)
            await self._publish_recovery(*recovered)
        self.take_key(*recovered)
        return recovered[1]

    async def look_for_key(self) -> None:
        """A manager's: a newer key than the one that is kept, for the store is an old copy or was away for long."""
        if self._profile.account is not None:
            recovered = await self._recovered()
            if recovered is not None:
                self.take_key(*recovered)

    async def _recovered(self) -> tuple[int, bytes] | None:
        """What the outbox keeps for who has the phrase: the newest that is genuine."""
        recovery, found = self._recovery(), []
        for envelope in await entry_versions(self._swarms, Access(self._mailboxes.outbox_policy, RECOVERY)):
            try:
                content = recovery.open(RECOVERY, envelope)
            except ProtocolError:
                continue
            found.append((int.from_bytes(content[:TIME_SIZE], "big"), content[TIME_SIZE:]))
        return max(found, default=None)

    async def _publish_recovery(self, made_ms: int, key: bytes) -> None:
        content = made_ms.to_bytes(TIME_SIZE, "big") + key
        data, now_ms = self._recovery().seal(RECOVERY, content, self._swarms.random), self._swarms.clock.now_ms()
        envelope = Outgoing(RECOVERY, now_ms + ENTRY_LIFE_MS, data, version=now_ms)
        await self._writer.store(self._mailboxes.outbox_policy, [envelope], self._mailboxes.manifest())

    def _recovery(self) -> ConfigurationMailbox:
        return ConfigurationMailbox(self._profile.keys.backup_key)

    # The whole

    async def sync(self) -> None:
        """Merge what the mailbox holds; write it when it lacks something, or is getting old."""
        async with self._turn:
            key = await self._key()
            if key is None:
                return
            mailbox = ConfigurationMailbox(key)
            whole = await self._merge(mailbox)
            state = self._profile.configuration.encode()
            now_ms = self._swarms.clock.now_ms()
            if state == whole and now_ms - self._published_ms(mailbox) < RENEW_MS:
                return
            data = mailbox.seal(ENTRY, state, self._swarms.random)
            envelope = Outgoing(ENTRY, now_ms + ENTRY_LIFE_MS, data, version=now_ms)
            await self._writer.store(mailbox.policy, [envelope], Authority(mailbox.signer))
            published = {"mailbox": mailbox.policy.mailbox_id.hex(), "ms": now_ms}
            self._profile.store.put(PUBLISHED_STATE, json.dumps(published).encode())

    async def _merge(self, mailbox: ConfigurationMailbox) -> bytes | None:
        """The state there, if all members that were asked have the same."""
        states = []
        for envelope in await entry_versions(self._swarms, Access(mailbox.policy, ENTRY)):
            try:
                states.append(mailbox.open(ENTRY, envelope))
            except ProtocolError:
                continue
        self.found = self.found or bool(states)
        for state in states:
            for event in self._intake.merge(state):
                self._tell(event)
        return states[0] if len(set(states)) == 1 else None

    def _published_ms(self, mailbox: ConfigurationMailbox) -> int:
        published = json.loads(self._profile.store.get(PUBLISHED_STATE) or b"{}")
        return int(published.get("ms", 0)) if published.get("mailbox") == mailbox.policy.mailbox_id.hex() else 0

    # Changes

    def changed(self, change: Configuration) -> None:
        """Something was agreed on here: `tell` will tell."""
        if self._changed is None:
            self._changed = change
        else:
            self._changed.merge(change)

    async def tell(self) -> None:
        """The other devices now, the mailbox then."""
        change, self._changed = self._changed, None
        if change is not None:
            await self._sender.sync(configuration=change.encode())
            await self.sync()
