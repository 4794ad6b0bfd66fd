"""Receiving: open, keep plaintext and session in one transaction, and only then confirm to the swarm.

The inbox is the public inbox and the private inbox of each mailbox day: those that are written to now are followed,
days that are over are read once to their end, and again when something was stored late, or from time to time.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from essaim.protocol.conversation import ManifestBehindError, Peer, SessionBrokenError
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.round import Round
from essaim_client.mailbox.swarm_call import Swarms, SwarmUnreachableError
from essaim_client.mailbox.watch import Watch
from essaim_client.mailbox.writing import Writer
from essaim_client.messaging.errands import Errands
from essaim_client.messaging.events import Event
from essaim_client.messaging.inbox_days import InboxDays
from essaim_client.messaging.intake import Intake, Taken
from essaim_client.messaging.profile import Profile

ENVELOPE_MEMORY_MS = 16 * DAY_MS
CONFIRM_AT_ONCE = 64
LATER_MAX = 256
"""Envelopes that wait for a newer manifest of the own account to be fetched."""


@dataclass
class _Opened:
    taken: Taken
    broken: Peer | None = None
    sender: Peer | None = None
    initial: bool = False


class Receiver:
    """The own inbox. Each content counts once, whatever the swarm repeats."""

    def __init__(self, swarms: Swarms, profile: Profile, intake: Intake, errands: Errands, days: InboxDays) -> None:
        self._swarms = swarms
        self._profile = profile
        self._intake = intake
        self._errands = errands
        self._days = days
        self._writer = Writer(swarms)
        self._wake = asyncio.Event()
        self._held: list[Callable[[], None]] | None = None
        self._later: list[tuple[Access, mailbox_pb2.StoredEnvelope]] = []
        self.watch: Watch | None = None
        """What is followed now, while somebody listens."""
        self.live = asyncio.Event()
        """Set while the inbox is followed live and nothing older waits."""

    async def receive(self) -> list[Event]:
        """All that waits now, read from a quorum, confirmed before it returns.

        Raises SwarmUnreachableError where too few members answer, unless there is something to give out even so.
        """
        events, problems = await self._read(self._days.waiting())
        if self._days.take_late():
            more, late_problems = await self._read(self._days.over())
            events, problems = events + more, problems + late_problems
        try:
            await self._confirm_all()
        except SwarmUnreachableError as error:
            problems.append(error)
        if problems and not (events and isinstance(problems[0], SwarmUnreachableError)):
            raise problems[0]
        return events

    async def _read(self, accesses: list[Access]) -> tuple[list[Event], list[ProtocolError]]:
        reading, events, self._held = Round(self._swarms, accesses), list[Event](), []
        try:
            async with aclosing(reading.envelopes()) as found:
                async for access, envelope in found:
                    events += await self._take(access, envelope)
        finally:
            held, self._held = self._held, None
            for follow_up in held:
                follow_up()
        self._days.read(reading.read)
        return events, reading.problems

    async def follow(self) -> AsyncGenerator[Event, None]:
        """What waits, then what arrives, until it is closed."""
        self.watch = watch = Watch(self._swarms, self.live)
        background = [asyncio.create_task(each) for each in (self._confirm_always(), self._days.follow(watch))]
        try:
            async with aclosing(watch.found()) as found:
                async for access, envelope in found:
                    for event in await self._take(access, envelope):
                        yield event
        finally:
            self.watch = None
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await watch.close()

    async def _take(self, access: Access, envelope: mailbox_pb2.StoredEnvelope) -> list[Event]:
        """Deal with one envelope: after this its content is on disk, and it may be confirmed."""
        waiting, self._later = [*self._later, (access, envelope)], []
        return [event for each in waiting for event in await self._take_one(*each)]

    async def _take_one(self, access: Access, envelope: mailbox_pb2.StoredEnvelope) -> list[Event]:
        self._wake.set()
        if self._profile.store.dealt_with(envelope.envelope_id):
            return []
        try:
            opened = self._open(access, envelope, patient=True)
        except ManifestBehindError:
            opened = await self._open_later(access, envelope)
        in_public = None if self._days.is_private(access) else opened.sender
        self._follow_up(
            partial(self._errands.after, opened.taken, opened.broken, initial=opened.initial, in_public=in_public)
        )
        if opened.taken.late:
            self._days.came_late()
        return opened.taken.events

    def _follow_up(self, work: Callable[[], None]) -> None:
        """Now, or when all that waits was read: a summary that is sent in the midst of it would lack the rest."""
        if self._held is None:
            work()
        else:
            self._held.append(work)

    async def _open_later(self, access: Access, envelope: mailbox_pb2.StoredEnvelope) -> "_Opened":
        """Sealed under a manifest of ours that is newer than what this device has: fetch it first."""
        try:
            await self._errands.follow_manifest()
        except SwarmUnreachableError:
            self._later = [*self._later, (access, envelope)][-LATER_MAX:]
            return _Opened(Taken())
        except ProtocolError:
            pass  # no part of the account any more: the envelope is not for this device
        return self._open(access, envelope, patient=False)

    def _open(self, access: Access, envelope: mailbox_pb2.StoredEnvelope, *, patient: bool) -> "_Opened":
        """One transaction. What does not open is dealt with, too: a repeat, or not for us; there is nothing to show."""
        now_ms, store = self._swarms.clock.now_ms(), self._profile.store
        result = _Opened(Taken())
        with store.transaction():
            try:
                opened = self._profile.device.open(envelope.data, now_ms, self._swarms.random)
                taken = self._intake.take(opened, now_ms)
                result = _Opened(taken, sender=opened.sender, initial=opened.initial)
            except ManifestBehindError:
                if patient:
                    raise
            except SessionBrokenError as error:
                result.broken = error.peer
            except ProtocolError:
                pass
            mailbox = access.policy.mailbox_id if self._days.is_private(access) else b""
            store.deal_with(envelope.envelope_id, envelope.slot, now_ms + ENVELOPE_MEMORY_MS, mailbox)
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
        """Each mailbox by itself: one that cannot be reached keeps nothing in the others."""
        mailboxes = self._profile.store.unconfirmed_mailboxes()
        results = await asyncio.gather(*map(self._confirm_in, mailboxes), return_exceptions=True)
        self._profile.store.forget_envelopes(self._swarms.clock.now_ms())
        for result in results:
            if result is not None:
                raise result

    async def _confirm_in(self, mailbox: bytes) -> None:
        access = self._days.access_of(mailbox)
        while ids := self._profile.store.unconfirmed_in(mailbox, CONFIRM_AT_ONCE):
            if access is not None:  # else its day is long over: nothing is there any more
                await self._writer.confirm(access, ids)
            self._profile.store.confirmed(ids)
