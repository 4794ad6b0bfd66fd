"""Which mailboxes make up this device's inbox now, and when each is read.

Public inbox, today's private inbox and at the edges of the day yesterday's or tomorrow's are written to: they are
followed. Those of days that are over are read to their end once, and again now and then, each at times of its own.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.private_inbox import EDGE_MS
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.watch import Watch
from essaim_client.messaging.own_inbox import OwnInbox
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.messaging.profile import Profile
from essaim_client.network.poisson import next_in

AGAIN_MS = 12 * 3_600_000
"""On average: a day that is over is read again, in case that something was stored late and nobody said so."""
RETRY_MS = 60_000
FORGET_MS = 20 * DAY_MS


class InboxDays:
    """`written`, `due` and `over` name mailboxes; `follow` keeps a watch at the right ones as time goes on."""

    def __init__(self, swarms: Swarms, profile: Profile, own: OwnInbox) -> None:
        self._swarms = swarms
        self._own = own
        self._inboxes = profile.store.inboxes
        self._mailboxes = OwnMailboxes(profile)
        self._again_ms: dict[bytes, float] = {}
        self._late = False
        self._woken = asyncio.Event()

    @property
    def public(self) -> Access:
        """This device's slot of the public inbox."""
        return self._mailboxes.inbox()

    def is_private(self, access: Access) -> bool:
        return access.policy != self._mailboxes.inbox_policy

    def access_of(self, mailbox: bytes) -> Access | None:
        """By its id, b"" being the public inbox; None: it is none of the inbox's, or no more."""
        return self._own.access_of(mailbox, self._now_ms()) if mailbox else self.public

    def waiting(self) -> list[Access]:
        """Everything that may hold something that was not read yet, older days first."""
        return [self.public, *self.due(), *self._own.open(self._now_ms())]

    def written(self) -> list[Access]:
        """What is written to now, the public inbox first."""
        return [self.public, *self._own.open(self._now_ms())]

    def over(self) -> list[Access]:
        """The days that are over and may hold something."""
        return self._own.over(self._now_ms())

    def due(self) -> list[Access]:
        """Those of them that were not read to their end since they are over, or whose time has come again."""
        now_ms = self._now_ms()
        return [each for each in self.over() if self._next_ms(each) <= now_ms]

    def _next_ms(self, access: Access) -> float:
        """When a day that is over is to be read."""
        mailbox = access.policy.mailbox_id
        read_ms = self._inboxes.read_ms(mailbox)
        if read_ms == 0:
            return 0
        if mailbox not in self._again_ms:
            self._again_ms[mailbox] = read_ms + next_in(AGAIN_MS, self._swarms.random)
        return self._again_ms[mailbox]

    def read(self, accesses: Iterable[Access]) -> None:
        """They were read to their end. (That of a day that is not over counts for nothing.)"""
        now_ms, over = self._now_ms(), {each.policy.mailbox_id for each in self.over()}
        for access in accesses:
            mailbox = access.policy.mailbox_id
            if mailbox in over:
                self._inboxes.read(mailbox, now_ms, now_ms - FORGET_MS)
                self._again_ms.pop(mailbox, None)

    # What was stored late

    def came_late(self) -> None:
        """Somebody says that something was: all days that are over are read again."""
        self._late = True
        self._woken.set()

    def take_late(self) -> bool:
        """Whether somebody did since the last call."""
        late, self._late = self._late, False
        return late

    def wake(self) -> None:
        """The inbox was replaced, or became known: look again at which mailboxes it is."""
        self._woken.set()

    # Live

    async def follow(self, watch: Watch) -> None:
        """Until it is cancelled. The day to come is followed before the one that ends is left; that is then read."""
        while True:
            watch.follow(self.written())
            waiting = self.over() if self.take_late() else self.due()
            read = await watch.sweep(waiting) if waiting else []
            self.read(read)
            watch.ready()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_ms(complete=len(read) == len(waiting)) / 1_000):
                    await self._woken.wait()
            self._woken.clear()

    def _pause_ms(self, *, complete: bool) -> float:
        """Until the next edge of a day, the next reading of one that is over, or the next try of what failed."""
        now_ms = self._now_ms()
        edge_ms = min(at + (at <= now_ms) * DAY_MS for at in _edges(now_ms))
        nexts = [edge_ms, *(self._next_ms(each) for each in self.over())] if complete else [edge_ms, now_ms + RETRY_MS]
        return max(0.0, min(nexts) - now_ms)

    def _now_ms(self) -> int:
        return self._swarms.clock.now_ms()


def _edges(now_ms: int) -> tuple[int, int]:
    """When yesterday is over and when tomorrow begins to be written to, on this day."""
    midnight_ms = now_ms // DAY_MS * DAY_MS
    return midnight_ms + EDGE_MS, midnight_ms + DAY_MS - EDGE_MS
