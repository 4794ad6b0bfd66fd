"""Looking other people up: their manifest and what begins a session with one of their devices, from their outbox."""

import asyncio

from essaim.protocol import outbox as entry
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.manifest import Head, Manifest
from essaim.protocol.prekeys import Bundle
from essaim_client.mailbox.prekeys import PrekeyDesk
from essaim_client.mailbox.reading import newest_entry
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.addresses import entry_access, outbox
from essaim_client.messaging.profile import Profile

MANIFEST_FRESH_MS = 600_000


class UnknownAccountError(ProtocolError):
    """The account has not published a device: mistyped by whoever gave it, never online, or gone for over a year."""

    reason = "UNKNOWN_ACCOUNT"


async def published_manifest(swarms: Swarms, account: AccountId, pinned: Head | None) -> Manifest | None:
    """The newest manifest that r - W + 1 members have, checked, never below the pinned one; None: there is none."""
    sealed = await newest_entry(swarms, entry_access(account, entry.MANIFEST))
    if sealed is None:
        return None
    manifest = Manifest.decode(entry.open_entry(account.identity, entry.MANIFEST, sealed))
    manifest.check(account.identity, pinned)
    return manifest


class Directory:
    """What others have published. Raises UnknownAccountError, and what a forged entry is refused for."""

    def __init__(self, swarms: Swarms, profile: Profile) -> None:
        self._swarms = swarms
        self._profile = profile
        self._desk = PrekeyDesk(swarms)
        self._manifests: dict[bytes, tuple[int, Manifest]] = {}

    async def manifest(self, account: AccountId) -> Manifest:
        """The newest manifest; kept for ten minutes."""
        now_ms = self._swarms.clock.now_ms()
        read_ms, kept = self._manifests.get(account.raw, (0, None))
        if kept is not None and now_ms - read_ms < MANIFEST_FRESH_MS:
            return kept
        manifest = await published_manifest(self._swarms, account, self._profile.device.pinned(account))
        if manifest is None:
            raise UnknownAccountError("this account has not published a device on this network")
        self._manifests[account.raw] = (now_ms, manifest)
        return manifest

    async def bundle(self, peer: Peer, manifest: Manifest) -> Bundle:
        """Signed prekeys, and a one-time prekey where a member has one left."""
        name = entry.prekeys_name(peer.slot)
        prekeys, claimed = await asyncio.gather(
            newest_entry(self._swarms, entry_access(peer.account, name)),
            self._desk.claim(outbox(peer.account), peer.slot),
        )
        if prekeys is None:
            raise UnknownAccountError("this account has not published its keys on this network")
        one_time, node_id = (claimed.prekey, claimed.node_id) if claimed else (b"", b"")
        return Bundle.under(peer.account, manifest, peer.slot, prekeys, one_time=one_time, node_id=node_id)
