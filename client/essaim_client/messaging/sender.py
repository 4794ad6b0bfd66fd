"""Sending: seal for each device of the recipient, keep the envelopes on disk, store them until a quorum has them."""

from dataclasses import dataclass

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Change, Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.manifest import Manifest
from essaim.protocol.prekeys import Bundle
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.addresses import public_inbox
from essaim_client.messaging.directory import Directory
from essaim_client.messaging.outgoing_mail import OutgoingMail
from essaim_client.messaging.profile import Profile
from essaim_client.store.local_store import Shown

MESSAGE_ID_SIZE = 16
MESSAGE_LIFE_MS = 14 * DAY_MS - 600_000
"""The longest that an inbox keeps, less a margin for clocks."""


class OwnAccountError(ProtocolError):
    """An account does not write to itself."""

    reason = "OWN_ACCOUNT"


class TextRefusedError(ProtocolError):
    """Not a text: half of a surrogate pair, as bytes in another encoding become."""

    reason = "TEXT_REFUSED"


@dataclass(frozen=True)
class Sent:
    """A message that a quorum has for each device of the recipient; `changes` warn of new devices and keys."""

    message_id: bytes
    sent_ms: int
    devices: int
    changes: tuple[Change, ...] = ()


class Sender:
    """Seals and stores. One message at a time to one account, so that its order is the order of sending."""

    def __init__(self, swarms: Swarms, profile: Profile) -> None:
        self._swarms = swarms
        self._profile = profile
        self._directory = Directory(swarms, profile)
        self._changes: dict[bytes, tuple[Change, ...]] = {}
        self.mail = OutgoingMail(swarms, profile.store)

    async def send_text(self, account: AccountId, text: str) -> Sent:
        """Returns when each envelope is acknowledged. Raises OwnAccountError, UnknownAccountError, what is refused.

        After a SwarmUnreachableError the message may still arrive: it is kept, and stored when the swarm returns.
        """
        if account == self._profile.account.id:
            raise OwnAccountError("that is your own account: an account does not write to itself")
        _check_text(text)
        now_ms = self._swarms.clock.now_ms()
        content = content_pb2.Content(
            message_id=self._swarms.random(MESSAGE_ID_SIZE), sent_ms=now_ms, text=content_pb2.Text(text=text)
        )
        shown = Shown(account.raw, content.message_id, True, now_ms, now_ms, text)
        devices, changes = await self._send(account, content, shown)
        return Sent(content.message_id, now_ms, devices, changes)

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
    ) -> tuple[int, tuple[Change, ...]]:
        policy = public_inbox(account).encoded
        async with self.mail.turn(policy):
            manifest = await self._directory.manifest(account)
            self._observe(account, manifest)
            peers = [only] if only else [Peer(account, device.slot) for device in manifest.devices]
            bundles = {peer: await self._directory.bundle(peer, manifest) for peer in peers if self._needs(peer)}
            self._seal(peers, bundles, content, shown)
            await self.mail.flush_mailbox(policy)
        return len(peers), self._changes.pop(account.raw, ())

    def _observe(self, account: AccountId, manifest: Manifest) -> None:
        """Before anything is sealed: sessions with revoked devices go. What is new is told with the next success."""
        with self._profile.store.transaction():
            changes = self._profile.device.observe(manifest)
            self._profile.save()
        self._changes[account.raw] = tuple(dict.fromkeys((*self._changes.get(account.raw, ()), *changes)))

    def _needs(self, peer: Peer) -> bool:
        return self._profile.device.needs_handshake(peer, self._swarms.clock.now_ms())

    def _seal(
        self,
        peers: list[Peer],
        bundles: dict[Peer, Bundle],
        content: content_pb2.Content,
        shown: Shown | None,
    ) -> None:
        """One transaction: sessions, envelopes and what the person sees. From here on nothing is sealed again."""
        device, now_ms = self._profile.device, self._swarms.clock.now_ms()
        # Whole minutes: the expiry shall not tell the millisecond of sending.
        expires_ms = (now_ms + MESSAGE_LIFE_MS) // 60_000 * 60_000
        with self._profile.store.transaction():
            for peer in peers:
                if peer in bundles:
                    device.start(bundles[peer], now_ms, self._swarms.random)
                envelope = device.seal(peer, content.SerializeToString(), now_ms, self._swarms.random)
                policy = public_inbox(peer.account).encoded
                self._profile.store.enqueue(policy, bytes((peer.slot,)), expires_ms, envelope)
            if shown is not None:
                self._profile.store.show(shown)
            self._profile.save()


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TextRefusedError("the text is not valid Unicode") from None
