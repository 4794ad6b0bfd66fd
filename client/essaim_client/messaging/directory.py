"""Looking other people up: their manifest and what begins a session with one of their devices, from their outbox."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from essaim.protocol import outbox as entry
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.manifest import Head, Manifest
from essaim.protocol.prekeys import Bundle, SignedPrekeys
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.prekeys import PrekeyDesk
from essaim_client.mailbox.reading import entry_versions
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.addresses import entry_access, outbox
from essaim_client.messaging.profile import Profile

MANIFEST_FRESH_MS = 600_000
T = TypeVar("T")


class UnknownAccountError(ProtocolError):
    """The account has not published a device: mistyped by whoever gave it, never online, or gone for over a year."""

    reason = "UNKNOWN_ACCOUNT"


async def published_manifest(swarms: Swarms, account: AccountId, pinned: Head | None) -> Manifest | None:
    """The newest manifest that r - W + 1 members have, checked, never below the pinned one; None: there is none."""

    def read(sealed: bytes) -> Manifest:
        manifest = Manifest.decode(entry.open_entry(account.identity, entry.MANIFEST, sealed))
        manifest.check(account.identity)
        return manifest

    manifests = await _genuine(swarms, entry_access(account, entry.MANIFEST), read)
    newest = max((manifest for _, manifest in manifests), key=lambda each: each.version, default=None)
    if newest is not None:
        newest.check(account.identity, pinned)
    return newest


async def _genuine(swarms: Swarms, access: Access, read: Callable[[bytes], T]) -> list[tuple[bytes, T]]:
    """The versions of an entry that `read` accepts, with what it made of them; raises when it accepts none.

    So one member that forges an entry, or keeps an old one, neither stops nor misleads who reads from several.
    """
    genuine: list[tuple[bytes, T]] = []
    refusal: ProtocolError | None = None
    for sealed in await entry_versions(swarms, access):
        try:
            genuine.append((sealed, read(sealed)))
        except ProtocolError as error:
            refusal = error
    if refusal is not None and not genuine:
        raise refusal
    return genuine


class Directory:
    """What others have published. Raises UnknownAccountError, and what a forged entry is refused for."""

    def __init__(self, swarms: Swarms, profile: Profile) -> None:
        self._swarms = swarms
        self._profile = profile
        self._desk = PrekeyDesk(swarms)
        self._manifests: dict[bytes, tuple[int, Manifest]] = {}

    async def manifest(self, account: AccountId) -> Manifest:
        """The newest manifest; kept for ten minutes."""
        now_ms, pinned = self._swarms.clock.now_ms(), self._profile.device.pinned(account)
        read_ms, kept = self._manifests.get(account.raw, (0, None))
        known = pinned.version if pinned else 0  # a device that has begun a session may have shown a newer one
        if kept is not None and now_ms - read_ms < MANIFEST_FRESH_MS and kept.version >= known:
            return kept
        manifest = await published_manifest(self._swarms, account, pinned)
        if manifest is None:
            raise UnknownAccountError("this account has not published a device on this network")
        self._manifests[account.raw] = (now_ms, manifest)
        return manifest

    def forget(self, account: AccountId) -> None:
        """Look it up again next time."""
        self._manifests.pop(account.raw, None)

    async def bundle(self, peer: Peer, manifest: Manifest) -> Bundle:
        """Signed prekeys, and a one-time prekey where a member has one left."""
        name, device = entry.prekeys_name(peer.slot), manifest.certificate(peer.slot).device

        def read(sealed: bytes) -> SignedPrekeys:
            signed = SignedPrekeys.decode(entry.open_entry(peer.account.identity, name, sealed))
            signed.check(peer.account, device)
            return signed

        found, claimed = await asyncio.gather(
            _genuine(self._swarms, entry_access(peer.account, name), read),
            self._desk.claim(outbox(peer.account), peer.slot),
        )
        if not found:
            raise UnknownAccountError("this account has not published its keys on this network")
        prekeys, _ = max(found, key=lambda each: (each[1].created_ms, each[1].prekey_id))
        one_time, node_id = (claimed.prekey, claimed.node_id) if claimed else (b"", b"")
        return Bundle.under(peer.account, manifest, peer.slot, prekeys, one_time=one_time, node_id=node_id)
