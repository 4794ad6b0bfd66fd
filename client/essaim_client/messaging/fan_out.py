"""One content to every device that should have it: sealed for each in one transaction, stored until a quorum has it.

Those are the other side's devices and, of what makes the conversation, this account's other ones.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Change, Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.manifest import DeviceRecord, Manifest
from essaim.protocol.prekeys import Bundle, PrekeyRefusedError
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.address_book import AddressBook
from essaim_client.messaging.directory import Directory, UnknownAccountError
from essaim_client.messaging.events import Event
from essaim_client.messaging.generation import Generation
from essaim_client.messaging.outgoing_mail import OutgoingMail
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.renewals import Renewals
from essaim_client.messaging.vigil import Vigil

MESSAGE_ID_SIZE = 16
MESSAGE_LIFE_MS = 14 * DAY_MS - 600_000
"""The longest that an inbox keeps, less a margin for clocks."""
SHORTEST_LIFE_MS = 30_000
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Posting:
    """What goes to whom. `make` is called where the content is sealed, inside the transaction.

    `copy` makes of it what the own other devices get, if anything. `slots`: these devices only. `careful`: refuse while
    a new device is unacknowledged; else such devices get nothing.
    """

    account: AccountId
    make: Callable[[], content_pb2.Content]
    copy: Callable[[content_pb2.Content], content_pb2.Content] | None = None
    slots: frozenset[int] | None = None
    careful: bool = False
    life_ms: int = MESSAGE_LIFE_MS


@dataclass(frozen=True)
class Posted:
    """So many devices of the other side have it, as a quorum says."""

    content: content_pb2.Content
    devices: int
    changes: tuple[Change, ...]


class FanOut:
    """One posting at a time to one account, so that its order is the order of sending."""

    def __init__(
        self,
        swarms: Swarms,
        profile: Profile,
        directory: Directory,
        vigil: Vigil,
        generation: Generation,
        addresses: AddressBook,
        tell: Callable[[Event], None],
    ) -> None:
        self._swarms = swarms
        self._addresses = addresses
        self._profile = profile
        self._directory = directory
        self._vigil = vigil
        self._generation = generation
        self._renewals = Renewals(profile)
        self._changes: dict[bytes, tuple[Change, ...]] = {}
        self.mail = OutgoingMail(swarms, profile.store)
        self._tell = tell

    async def post(self, posting: Posting) -> Posted:
        """Returns when each envelope for the other side is acknowledged; what is for own devices may follow.

        Raises UnknownAccountError, KeysChangedError, and SwarmUnreachableError: if it was sealed, it is kept and sent.
        """
        await self._generation.current()
        queue = posting.account.raw
        async with self.mail.turn(queue):
            manifest = await self.manifest(posting.account)
            peers = self._peers(posting, manifest)
            copies = self._own_peers() if posting.copy else []
            bundles = await self._bundles(peers, manifest) | await self._own_bundles(copies)
            content = self._seal(posting, peers, copies, bundles)
            await self.mail.flush_queue(queue)
        if copies:
            with suppress(ProtocolError):  # kept, and stored later: the other side has it
                await self._flush(self._profile.account_id)
        return Posted(content, len(peers), self._changes.pop(posting.account.raw, ()))

    async def _flush(self, account: AccountId) -> None:
        async with self.mail.turn(account.raw):
            await self.mail.flush_queue(account.raw)

    # To whom

    async def manifest(self, account: AccountId) -> Manifest:
        """Observed before anything is sealed: sessions with revoked devices go, newcomers are told."""
        if account == self._profile.account_id:
            return self._profile.device.manifest
        manifest = await self._directory.manifest(account)
        with self._profile.store.transaction():
            changes = self._profile.device.observe(manifest)
            new = self._vigil.observe(manifest)
            self._profile.save()
        self._changes[account.raw] = tuple(dict.fromkeys((*self._changes.get(account.raw, ()), *changes)))
        for event in new:
            self._tell(event)
        return manifest

    def _peers(self, posting: Posting, manifest: Manifest) -> list[Peer]:
        if posting.account == self._profile.account_id:
            peers = self._own_peers()
        else:
            if posting.careful:
                self._vigil.check(posting.account)
            peers = self._known(posting.account, manifest)
        return [peer for peer in peers if posting.slots is None or peer.slot in posting.slots]

    def _own_peers(self) -> list[Peer]:
        """The account's other devices, but for those that this person has not acknowledged."""
        peers = self._known(self._profile.account_id, self._profile.device.manifest)
        return [peer for peer in peers if peer.slot != self._profile.device.slot]

    def _known(self, account: AccountId, manifest: Manifest) -> list[Peer]:
        """The acknowledged ones that do not sleep."""
        strangers = self._vigil.strangers(account)
        listed = (record for record in manifest.devices if record.device_id not in strangers)
        return [Peer(account, record.slot) for record in listed if not self._sleeps(account, record, manifest)]

    def _sleeps(self, account: AccountId, record: DeviceRecord, manifest: Manifest) -> bool:
        """One that is back says so before a manager has written it; who is silent until then leaves it in a session
        that may be none any more, and neither side would know."""
        return record.dormant and not self._renewals.said_after(Peer(account, record.slot), manifest.head.time_ms)

    # What begins a session

    async def _bundles(self, peers: list[Peer], manifest: Manifest) -> dict[Peer, Bundle]:
        """For those that need one. A device that has not published its keys yet is left out, unless all are so."""
        bundles, missing = {}, []
        for peer in filter(self._needs, peers):
            try:
                bundles[peer] = await self._directory.bundle(peer, manifest)
            except (UnknownAccountError, PrekeyRefusedError):  # none yet, or those of who was in its slot before
                missing.append(peer)
        if missing and len(missing) == len(peers) and peers[0].account != self._profile.account_id:
            raise UnknownAccountError("this account has not published its keys on this network")
        for peer in missing:
            peers.remove(peer)
        return bundles

    async def _own_bundles(self, peers: list[Peer]) -> dict[Peer, Bundle]:
        """The same for own devices; whatever fails there keeps nothing from the other side: they ask for it later."""
        try:
            return await self._bundles(peers, self._profile.device.manifest)
        except ProtocolError:
            peers[:] = [peer for peer in peers if not self._needs(peer)]
            return {}

    def _needs(self, peer: Peer) -> bool:
        return self._profile.device.needs_handshake(peer, self._swarms.clock.now_ms())

    # Sealing

    def _seal(
        self, posting: Posting, peers: list[Peer], copies: list[Peer], bundles: dict[Peer, Bundle]
    ) -> content_pb2.Content:
        """One transaction: sessions, envelopes and what the person sees. From here on nothing is sealed again."""
        with self._profile.store.transaction():
            content = posting.make()
            self._seal_for(peers, bundles, content, posting.life_ms)
            if posting.copy is not None:
                self._seal_for(copies, bundles, posting.copy(content), posting.life_ms)
            self._profile.save()
        return content

    def _seal_for(
        self, peers: Iterable[Peer], bundles: dict[Peer, Bundle], content: content_pb2.Content, life_ms: int
    ) -> None:
        device, now_ms, random = self._profile.device, self._swarms.clock.now_ms(), self._swarms.random
        encoded = content.SerializeToString() + self._addresses.reads(now_ms)
        for peer in peers:
            if peer in bundles:
                device.start(bundles[peer], now_ms, random)
            envelope = device.seal(peer, encoded, now_ms, random)
            self._enqueue(peer, envelope, now_ms, life_ms)

    def _enqueue(self, peer: Peer, envelope: bytes, now_ms: int, life_ms: int) -> None:
        address = self._addresses.address(peer.account, peer.slot, now_ms)
        self._profile.store.enqueue(
            address.policy.encoded,
            bytes((peer.slot,)),
            expiry(now_ms, life_ms),
            envelope,
            recipient=peer.account.raw,
            writer=address.writer,
            day=address.day,
        )
        self._generation.sealed()


def expiry(now_ms: int, life_ms: int) -> int:
    """Whole minutes, down where there is room: the expiry shall not tell the millisecond of sending.

    Never within SHORTEST_LIFE_MS: mailboxes take nothing that is about to expire, and it would be dropped unsent.
    """
    longest_ms = min(life_ms, MESSAGE_LIFE_MS)
    return (now_ms + max(longest_ms, SHORTEST_LIFE_MS + MINUTE_MS)) // MINUTE_MS * MINUTE_MS
