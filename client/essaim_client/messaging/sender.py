"""Sending: seal for each device of the recipient, keep the envelopes on disk, store them until a quorum has them."""

import asyncio
from dataclasses import dataclass

from essaim.messaging.v1 import content_pb2
from essaim.protocol import outbox as entry
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.manifest import Manifest
from essaim.protocol.prekeys import Bundle
from essaim_client.mailbox.prekeys import PrekeyDesk
from essaim_client.mailbox.reading import newest_entry
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.messaging.addresses import entry_access, outbox, public_inbox
from essaim_client.messaging.profile import Profile
from essaim_client.network.failure import DestinationRefusedError
from essaim_client.store.local_store import Shown, Waiting

MESSAGE_ID_SIZE = 16
MESSAGE_LIFE_MS = 14 * DAY_MS - 600_000
"""The longest that an inbox keeps, less a margin for clocks."""
MANIFEST_FRESH_MS = 600_000


class UnknownAccountError(ProtocolError):
    """The account has not published a device: mistyped by whoever gave it, never online, or gone for over a year."""

    reason = "UNKNOWN_ACCOUNT"


@dataclass(frozen=True)
class Sent:
    """A message that a quorum has for each device of the recipient."""

    message_id: bytes
    sent_ms: int
    devices: int


class Sender:
    """Seals and stores. One message at a time to one account, so that its order is the order of sending."""

    def __init__(self, swarms: Swarms, profile: Profile) -> None:
        self._swarms = swarms
        self._profile = profile
        self._writer = Writer(swarms)
        self._desk = PrekeyDesk(swarms)
        self._manifests: dict[bytes, tuple[int, Manifest]] = {}
        self._locks: dict[bytes, asyncio.Lock] = {}
        self._flushing: set[int] = set()

    async def send_text(self, account: AccountId, text: str) -> Sent:
        """Returns when each envelope is acknowledged. Raises UnknownAccountError and what the swarm refuses."""
        now_ms = self._swarms.clock.now_ms()
        content = content_pb2.Content(
            message_id=self._swarms.random(MESSAGE_ID_SIZE), sent_ms=now_ms, text=content_pb2.Text(text=text)
        )
        shown = Shown(account.raw, content.message_id, True, now_ms, now_ms, text)
        devices = await self._send(account, content, shown)
        return Sent(content.message_id, now_ms, devices)

    async def renew(self, peer: Peer) -> None:
        """Begin a new session with a device whose messages no longer open; nothing is shown."""
        self._profile.device.renew(peer)
        content = content_pb2.Content(
            message_id=self._swarms.random(MESSAGE_ID_SIZE),
            sent_ms=self._swarms.clock.now_ms(),
            renewal=content_pb2.Renewal(),
        )
        await self._send(peer.account, content, None, only=peer)

    async def _send(
        self, account: AccountId, content: content_pb2.Content, shown: Shown | None, only: Peer | None = None
    ) -> int:
        async with self._locks.setdefault(account.raw, asyncio.Lock()):
            manifest = await self._manifest(account)
            peers = [only] if only else [Peer(account, device.slot) for device in manifest.devices]
            bundles = {peer: await self._bundle(peer, manifest) for peer in peers if self._needs(peer)}
            numbers = self._seal(peers, bundles, content, shown)
            await self.flush(numbers)
        return len(peers)

    def _needs(self, peer: Peer) -> bool:
        return self._profile.device.needs_handshake(peer, self._swarms.clock.now_ms())

    def _seal(
        self, peers: list[Peer], bundles: dict[Peer, Bundle], content: content_pb2.Content, shown: Shown | None
    ) -> list[int]:
        """One transaction: sessions, envelopes and what the person sees. From here on nothing is sealed again."""
        device, store, now_ms = self._profile.device, self._profile.store, self._swarms.clock.now_ms()
        # Whole minutes: the expiry shall not tell the millisecond of sending.
        expires_ms = (now_ms + MESSAGE_LIFE_MS) // 60_000 * 60_000
        with store.transaction():
            numbers = []
            for peer in peers:
                if peer in bundles:
                    device.start(bundles[peer], now_ms, self._swarms.random)
                envelope = device.seal(peer, content.SerializeToString(), now_ms, self._swarms.random)
                policy = public_inbox(peer.account)
                numbers.append(store.enqueue(policy.encoded, bytes((peer.slot,)), expires_ms, envelope))
            if shown is not None:
                store.show(shown)
            self._profile.save()
        return numbers

    async def flush(self, numbers: list[int] | None = None) -> None:
        """Store what is waiting (or these alone) until a quorum has it; what the mailbox refuses for good is raised."""
        waiting = [
            each
            for each in self._profile.store.waiting()
            if each.number not in self._flushing and (numbers is None or each.number in numbers)
        ]
        self._flushing |= {each.number for each in waiting}
        try:
            await asyncio.gather(*(self._flush_one(each) for each in waiting))
        finally:
            self._flushing -= {each.number for each in waiting}

    async def _flush_one(self, waiting: Waiting) -> None:
        envelope = Outgoing(waiting.slot, waiting.expires_ms, waiting.data)
        try:
            await self._writer.store(Policy.parse(waiting.policy), [envelope])
        except DestinationRefusedError as error:
            if error.refused_reason != "EXPIRY_REFUSED":
                raise
        self._profile.store.acknowledged(waiting.number)

    async def _manifest(self, account: AccountId) -> Manifest:
        """The newest manifest, from r - W + 1 members, never below the pinned one; kept for ten minutes."""
        now_ms = self._swarms.clock.now_ms()
        read_ms, manifest = self._manifests.get(account.raw, (0, None))
        if manifest is not None and now_ms - read_ms < MANIFEST_FRESH_MS:
            return manifest
        sealed = await self._entry(account, entry.MANIFEST)
        manifest = Manifest.decode(entry.open_entry(account.identity, entry.MANIFEST, sealed))
        manifest.check(account.identity, self._profile.device.pinned(account))
        self._manifests[account.raw] = (now_ms, manifest)
        return manifest

    async def _bundle(self, peer: Peer, manifest: Manifest) -> Bundle:
        policy = outbox(peer.account)
        prekeys, claimed = await asyncio.gather(
            self._entry(peer.account, entry.prekeys_name(peer.slot)), self._desk.claim(policy, peer.slot)
        )
        return Bundle.assemble(
            peer.account,
            peer.slot,
            entry.seal_entry(peer.account.identity, entry.MANIFEST, manifest.encode(), self._swarms.random),
            prekeys,
            one_time=claimed.prekey if claimed else b"",
            node_id=claimed.node_id if claimed else b"",
            pinned=self._profile.device.pinned(peer.account),
        )

    async def _entry(self, account: AccountId, name: bytes) -> bytes:
        sealed = await newest_entry(self._swarms, entry_access(account, name))
        if sealed is None:
            raise UnknownAccountError("this account has not published a device on this network")
        return sealed
