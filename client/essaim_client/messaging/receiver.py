"""Receiving: open, keep plaintext and session in one transaction, and only then confirm to the swarm."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from essaim.protocol.conversation import ManifestBehindError, Peer, SessionBrokenError
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.following import Follower
from essaim_client.mailbox.reading import Reader, Reading
from essaim_client.mailbox.swarm_call import Swarms, SwarmUnreachableError
from essaim_client.mailbox.writing import Writer
from essaim_client.messaging.errands import Errands
from essaim_client.messaging.events import Event
from essaim_client.messaging.intake import Intake, Taken
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.messaging.profile import Profile

ENVELOPE_MEMORY_MS = 16 * DAY_MS
CONFIRM_AT_ONCE = 64
LATER_MAX = 256
"""Envelopes that wait for a newer manifest of the own account to be fetched."""


@dataclass
class _Opened:
    taken: Taken
    broken: Peer | None = None
    initial: bool = False


class Receiver:
    """The own inbox. Each content counts once, whatever the swarm repeats."""

    def __init__(self, swarms: Swarms, profile: Profile, intake: Intake, errands: Errands) -> None:
        self._swarms = swarms
        self._profile = profile
        self._intake = intake
        self._errands = errands
        self._writer = Writer(swarms)
        self._access: Access = OwnMailboxes(profile).inbox()
        self._follower = Follower(swarms, self._access)
        self._wake = asyncio.Event()
        self._later: list[mailbox_pb2.StoredEnvelope] = []

    @property
    def live(self) -> asyncio.Event:
        """Set while the inbox is followed live and nothing older waits."""
        return self._follower.live

    async def receive(self) -> list[Event]:
        """All that waits now, read from a quorum, confirmed before it returns.

        Raises SwarmUnreachableError where too few members answer, unless there is something to give out even so.
        """
        events: list[Event] = []
        try:
            async with aclosing(Reader(self._swarms, self._access).read(Reading())) as envelopes:
                async for envelope in envelopes:
                    events += await self._take(envelope)
            await self._confirm_all()
        except SwarmUnreachableError:
            if not events:
                raise
        return events

    async def follow(self) -> AsyncGenerator[Event, None]:
        """What waits, then what arrives, until it is closed."""
        confirming = asyncio.create_task(self._confirm_always())
        try:
            async with aclosing(self._follower.envelopes()) as envelopes:
                async for envelope in envelopes:
                    for event in await self._take(envelope):
                        yield event
        finally:
            confirming.cancel()
            await asyncio.gather(confirming, return_exceptions=True)

    async def _take(self, envelope: mailbox_pb2.StoredEnvelope) -> list[Event]:
        """Deal with one envelope: after this its content is on disk, and it may be confirmed."""
        waiting, self._later = [*self._later, envelope], []
        return [event for each in waiting for event in await self._take_one(each)]

    async def _take_one(self, envelope: mailbox_pb2.StoredEnvelope) -> list[Event]:
        self._wake.set()
        if self._profile.store.dealt_with(envelope.envelope_id):
            return []
        try:
            opened = self._open(envelope, patient=True)
        except ManifestBehindError:
            opened = await self._open_later(envelope)
        self._errands.after(opened.taken, opened.broken, initial=opened.initial)
        return opened.taken.events

    async def _open_later(self, envelope: mailbox_pb2.StoredEnvelope) -> "_Opened":
        """Sealed under a manifest of ours that is newer than what this device has: fetch it first."""
        try:
            await self._errands.follow_manifest()
        except SwarmUnreachableError:
            self._later = [*self._later, envelope][-LATER_MAX:]
            return _Opened(Taken())
        except ProtocolError:
            pass  # no part of the account any more: the envelope is not for this device
        return self._open(envelope, patient=False)

    def _open(self, envelope: mailbox_pb2.StoredEnvelope, *, patient: bool) -> "_Opened":
        """One transaction. What does not open is dealt with, too: a repeat, or not for us; there is nothing to show."""
        now_ms, store = self._swarms.clock.now_ms(), self._profile.store
        result = _Opened(Taken())
        with store.transaction():
            try:
                opened = self._profile.device.open(envelope.data, now_ms, self._swarms.random)
                result = _Opened(self._intake.take(opened, now_ms), initial=opened.initial)
            except ManifestBehindError:
                if patient:
                    raise
            except SessionBrokenError as error:
                result.broken = error.peer
            except ProtocolError:
                pass
            store.deal_with(envelope.envelope_id, envelope.slot, now_ms + ENVELOPE_MEMORY_MS)
            self._profile.save()
        return result

    async def _confirm_always(self) -> None:
        """Confirms in the background, so that a message is shown before the swarm has answered."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._confirm_all()
            except ProtocolError:
                self._wake.set()
                await asyncio.sleep(1.0)  # back-off: ask_any has already tried every member several times

    async def _confirm_all(self) -> None:
        while ids := self._profile.store.unconfirmed(CONFIRM_AT_ONCE):
            await self._writer.confirm(self._access, ids)
            self._profile.store.confirmed(ids)
        self._profile.store.forget_envelopes(self._swarms.clock.now_ms())
