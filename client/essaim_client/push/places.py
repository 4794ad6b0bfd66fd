"""Where this device is written to, today and on days to come: what it registers push ids with."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.private_inbox import Capability
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.push.subscribed import Subscribed, place_key

AHEAD_DAYS = 14
"""For a device that is off for so long, or asleep, and then wants to be woken still."""
PUBLIC_LANE = 0


class PrivateInbox(Protocol):
    """What is asked of the account's private inbox (`messaging.own_inbox`)."""

    def current(self) -> Capability | None: ...
    def reached_by(self, now_ms: int) -> list[tuple[Capability, range]]: ...
    def access(self, capability: Capability, day: int) -> Access | None: ...


@dataclass(frozen=True)
class Place:
    """A mailbox of this device on a day, and the lane of its push ids."""

    access: Access
    day: int
    lane: int

    @property
    def key(self) -> str:
        return place_key(self.access.policy.mailbox_id, self.day)


class Places:
    """Of this device."""

    def __init__(self, swarms: Swarms, mailboxes: OwnMailboxes, inbox: PrivateInbox) -> None:
        self._swarms = swarms
        self._mailboxes = mailboxes
        self._inbox = inbox

    def all(self, kept: Subscribed) -> list[Place]:
        """The mailboxes that this device reads, from yesterday on, those to come too."""
        today = self._swarms.clock.now_ms() // DAY_MS
        days = range(today - 1, today + AHEAD_DAYS + 1)
        public = [Place(self._mailboxes.inbox(), day, PUBLIC_LANE) for day in days]
        return [*public, *self._private(kept, days)]

    def _private(self, kept: Subscribed, days: range) -> Iterable[Place]:
        """Those of a replaced inbox as long as somebody may write there."""
        current = self._inbox.current()
        for capability, reached in self._inbox.reached_by(self._swarms.clock.now_ms()):
            last = capability.until_day if capability == current else reached[-1]
            for day in range(max(reached.start, days.start), min(last, days[-1]) + 1):
                access = self._inbox.access(capability, day)
                if access is not None:
                    yield Place(access, day, kept.lane_of(capability.name))
