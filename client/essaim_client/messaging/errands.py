"""What received contents set off in the background: answers, new sessions, new prekeys. Nobody waits for them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import Account
from essaim.protocol.conversation import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.slot_record import certified
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.configuration_sync import ConfigurationSync
from essaim_client.messaging.directory import Directory
from essaim_client.messaging.handing import Handing
from essaim_client.messaging.healing import Healing
from essaim_client.messaging.intake import Answer, Taken
from essaim_client.messaging.own_mailboxes import OwnMailboxes, record_key
from essaim_client.messaging.own_manifest import OwnManifest
from essaim_client.messaging.profile import SEED_KEY, Profile
from essaim_client.messaging.publisher import Publisher
from essaim_client.messaging.sender import Sender

RENEW_EVERY_MS = 60_000
"""At most one new session a minute with a device whose messages do not open: an enemy must not make us write."""


@dataclass(frozen=True)
class Hands:
    """Who does it."""

    directory: Directory
    sender: Sender
    publisher: Publisher
    manifest: OwnManifest
    configuration: ConfigurationSync
    healing: Healing
    handing: Handing


class Errands:
    """Everything here may fail: it is done again when it is next needed."""

    def __init__(self, swarms: Swarms, profile: Profile, agreement: Agreement, hands: Hands) -> None:
        self._swarms = swarms
        self._profile = profile
        self._agreement = agreement
        self._hands = hands
        self._renewed_ms: dict[Peer, int] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def finish(self) -> None:
        """Wait for all that has been begun, and what that begins."""
        while self._running:
            await asyncio.gather(*self._running)

    async def close(self) -> None:
        """Stop it."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def run(self, work: Callable[[], Awaitable[object]]) -> None:
        """Begin something that nobody waits for."""
        task = asyncio.create_task(_quietly(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def follow_manifest(self) -> None:
        """Raises SwarmUnreachableError, and ManifestRefusedError where this device is no longer listed."""
        await self._hands.manifest.follow()

    def after(self, taken: Taken, broken: Peer | None, *, initial: bool, in_public: Peer | None = None) -> None:
        """What an envelope that was dealt with asks for. `in_public`: who wrote it, if to the public inbox."""
        self._hands.healing.wake()
        if broken is not None and self._agreement.is_contact(broken.account):
            self.run(partial(self._renew, broken))
        if initial:
            self.run(self._hands.publisher.used_one)
        if in_public is not None and self._agreement.is_contact(in_public.account):
            self.run(partial(self._hands.handing.again, in_public, begun=initial))
        if taken.follow_manifest:
            self.run(self._hands.manifest.follow)
        for answer in taken.answers:
            self.run(partial(self._answer, answer))
        for secret in taken.secrets:
            self._take_secret(secret)

    async def _renew(self, peer: Peer) -> None:
        """A session that broke begins anew by itself."""
        now_ms = self._swarms.clock.now_ms()
        if now_ms - self._renewed_ms.get(peer, 0) > RENEW_EVERY_MS:
            self._renewed_ms[peer] = now_ms
            self._hands.directory.forget(peer.account)
            await self._hands.sender.renew(peer)

    async def _answer(self, answer: Answer) -> None:
        account, body = answer.peer.account, dict(answer.body)
        if "summary" in body:
            body["after"] = self._profile.store.history.heads(account.raw)
        await self._hands.sender.signal(account, frozenset({answer.peer.slot}), **body)

    def _take_secret(self, sync: content_pb2.Sync) -> None:
        """What a manager gives its account's other devices."""
        if sync.WhichOneof("body") == "configuration_key":
            self._hands.configuration.take_key(sync.configuration_key.made_ms, sync.configuration_key.key)
            self.run(self._hands.configuration.sync)
        if sync.WhichOneof("body") == "account_seed":
            self._become_manager(sync.account_seed.seed)
        for record in sync.slot_records.records:
            self._keep_record(record)

    def _become_manager(self, seed: bytes) -> None:
        with suppress(ValueError):
            account = Account(seed)
            if account.id == self._profile.account_id:
                self._profile.store.put(SEED_KEY, seed)
                self._profile.account = account

    def _keep_record(self, encoded: bytes) -> None:
        mailboxes, device = OwnMailboxes(self._profile), self._profile.device
        for policy in (mailboxes.inbox_policy, mailboxes.outbox_policy):
            with suppress(ProtocolError):
                record = certified(encoded, policy)
                if record.slot == device.slot and record.slot_key == device.slot_signer(policy.mailbox_id).public:
                    self._profile.store.put(record_key(policy.mailbox_id), encoded)


async def _quietly(work: Callable[[], Awaitable[object]]) -> None:
    with suppress(ProtocolError):
        await work()
