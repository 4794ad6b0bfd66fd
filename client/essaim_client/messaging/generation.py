"""Whether this device's store is the one that was used last: checked before anything is sealed."""

import asyncio
import json

from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.generation import ENTRY, GenerationMailbox
from essaim.protocol.keys import VerifyKey
from essaim.protocol.mailbox.rule import DAY_MS
from essaim_client.mailbox.access import Access, Authority
from essaim_client.mailbox.reading import entry_versions
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.messaging.profile import Profile

STATE_KEY = "generation"
BROKEN_KEY = "broken-sessions"
ENTRY_LIFE_MS = 399 * DAY_MS
SEALED_MAX = 50
"""So many envelopes are sealed before the number is raised again: a copy of a running store shows, too."""


class Generation:
    """`current` before sealing. Where the store was an old copy, `broken` says with whom to begin anew."""

    def __init__(self, swarms: Swarms, profile: Profile) -> None:
        self._swarms = swarms
        self._profile = profile
        self._writer = Writer(swarms)
        self._mailbox = GenerationMailbox.of(profile.device.keys)
        self._turn = asyncio.Lock()
        self._checked = False
        self._sealed = 0

    async def current(self) -> None:
        """From here on no message key is used twice. Raises SwarmUnreachableError: then nothing may be sealed."""
        async with self._turn:
            if not self._checked:
                await self._check()
                self._checked = True
            elif self._sealed >= SEALED_MAX:
                await self._raise(self._kept())

    def sealed(self) -> None:
        """One more envelope is about to leave."""
        self._sealed += 1

    async def leave(self) -> None:
        """A good end: whatever copy was made of the store meanwhile is an old one now."""
        async with self._turn:
            if self._checked and self._sealed:
                await self._raise(self._kept())

    async def _check(self) -> None:
        kept, published = self._kept(), await self._published()
        if published > kept:
            self._discard()
        await self._raise(max(kept, published))

    def _discard(self) -> None:
        """End all sessions, and remember with whom they were."""
        device, store = self._profile.device, self._profile.store
        broken = [[peer.account.raw.hex(), peer.slot] for peer in device.peers()]
        with store.transaction():
            device.discard_sessions()
            store.put(BROKEN_KEY, json.dumps(broken).encode())
            self._profile.save()

    def broken(self) -> list[Peer] | None:
        """The devices with whom sessions are to be begun anew; None: the store was not an old copy."""
        kept = self._profile.store.get(BROKEN_KEY)
        if not kept:
            return None
        return [Peer(AccountId(VerifyKey(bytes.fromhex(account))), slot) for account, slot in json.loads(kept)]

    def mended(self) -> None:
        """They have been told."""
        self._profile.store.put(BROKEN_KEY, b"")

    def _kept(self) -> int:
        kept = self._profile.store.get(STATE_KEY)
        return int(kept) if kept else 0

    async def _published(self) -> int:
        """The highest that is genuine: a member can hold one back, but not make one."""
        numbers = [0]
        for envelope in await entry_versions(self._swarms, Access(self._mailbox.policy, ENTRY)):
            try:
                numbers.append(self._mailbox.open(envelope))
            except ProtocolError:
                continue
        return max(numbers)

    async def _raise(self, number: int) -> None:
        """The disk first: a number that is published and not kept would cost all sessions at the next start."""
        number += 1
        self._profile.store.put(STATE_KEY, b"%d" % number)
        now_ms = self._swarms.clock.now_ms()
        data = self._mailbox.seal(number, self._swarms.random)
        envelope = Outgoing(ENTRY, now_ms + ENTRY_LIFE_MS, data, version=number)
        await self._writer.store(self._mailbox.policy, [envelope], Authority(self._mailbox.signer))
        self._sealed = 0
