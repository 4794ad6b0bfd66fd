"""Giving contacts what lets them write to the private inbox, and keeping what the account's devices agree on of it."""

import asyncio
from contextlib import suppress

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.private_inbox import Capability
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.configuration_sync import ConfigurationSync
from essaim_client.messaging.own_inbox import OwnInbox
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.sender import Sender

AT_ONCE = 4
AGAIN_MS = 12 * 3_600_000
BEGUN_ANEW_MS = 3_600_000
"""A device that begins a session may be a new one, and is given it sooner."""


class Handing:
    """`settle` whenever something changed that it depends on; it does what is due and nothing else."""

    def __init__(
        self, swarms: Swarms, profile: Profile, own: OwnInbox, configuration: ConfigurationSync, sender: Sender
    ) -> None:
        self._swarms = swarms
        self._profile = profile
        self._own = own
        self._configuration = configuration
        self._sender = sender
        self._turn = asyncio.Lock()

    async def settle(self) -> None:
        """The capability is current, and every contact has it or gets it. Who cannot be reached gets it next time."""
        async with self._turn:
            if self._own.current() is None and not self._configuration.known:
                return  # another device may have made one
            self._own.keep(self._swarms.clock.now_ms())
            few = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._give(account, few) for account in self._own.lacking()))

    async def _give(self, account: AccountId, few: asyncio.Semaphore) -> None:
        capability = self._own.current()
        assert capability is not None  # somebody lacks it
        async with few:
            with suppress(ProtocolError):
                await self._sender.signal(account, private_inbox=_message(capability))
                self._own.gave(account, capability)
                self._profile.store.put(_key(account), b"%d" % self._swarms.clock.now_ms())

    async def again(self, peer: Peer, *, begun: bool) -> None:
        """A contact's device wrote to the public inbox: if it may lack the capability, it gets it once more."""
        capability, now_ms = self._own.current(), self._swarms.clock.now_ms()
        if capability is None or peer.account == self._profile.account_id or not self._own.has(peer.account):
            return
        kept = map(self._profile.store.get, (_key(peer.account), _key(peer.account, peer.slot)))
        to_all_ms, to_it_ms = (int(each or b"0") for each in kept)
        due = now_ms - to_it_ms > BEGUN_ANEW_MS if begun else now_ms - max(to_all_ms, to_it_ms) > AGAIN_MS
        if due:
            await self._sender.signal(peer.account, frozenset({peer.slot}), private_inbox=_message(capability))
            self._profile.store.put(_key(peer.account, peer.slot), b"%d" % now_ms)


def _message(capability: Capability) -> content_pb2.PrivateInbox:
    return content_pb2.PrivateInbox(capability=capability.encode())


def _key(account: AccountId, slot: int | None = None) -> str:
    """When it was given to all devices of an account, or again to one."""
    return f"inbox-given/{account.raw.hex()}" + (f"/{slot}" if slot is not None else "")
