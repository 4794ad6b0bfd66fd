"""Where this device is written to, today and on days to come: what it registers push ids with."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from essaim.protocol.group.epoch import Epoch
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.private_inbox import Capability
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.push.group_places import Book, group_access, wanted
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

    def __init__(self, swarms: Swarms, mailboxes: OwnMailboxes, inbox: PrivateInbox, groups: Book) -> None:
        self._swarms = swarms
        self._mailboxes = mailboxes
        self._inbox = inbox
        self._groups = groups

    def all(self, kept: Subscribed) -> list[Place]:
        """The mailboxes that this device reads, from yesterday on, those to come too; of groups if it is to."""
        days = self._days
        public = [Place(self._mailboxes.inbox(), day, PUBLIC_LANE) for day in days]
        return [*public, *self._private(kept, days), *self._of_groups(kept, days)]

    def former(self, kept: Subscribed) -> list[Place]:
        """Of groups: what is registered and wakes for nothing any more."""
        due, days = {each.key for each in self._of_groups(kept, self._days)}, self._days
        epochs = [each for group in self._groups.all() for each in group.epochs.values() if kept.knows(each.epoch_id)]
        known = (self._of_epoch(kept, epoch, day) for epoch in epochs for day in days)
        return [each for each in known if each.key in kept.registered and each.key not in due]

    @property
    def _days(self) -> range:
        today = self._swarms.clock.now_ms() // DAY_MS
        return range(today - 1, today + AHEAD_DAYS + 1)

    def _of_groups(self, kept: Subscribed, days: range) -> list[Place]:
        """Of those that this account is in."""
        mine = [each for each in self._groups.all() if kept.groups and self._groups.is_in(each)]
        return [self._of_epoch(kept, *each) for group in mine for each in wanted(group, days, days.start + 1)]

    @staticmethod
    def _of_epoch(kept: Subscribed, epoch: Epoch, day: int) -> Place:
        return Place(group_access(kept.signer, epoch, day), day, kept.lane_of(epoch.epoch_id))

    def _private(self, kept: Subscribed, days: range) -> Iterable[Place]:
        """Those of a replaced inbox as long as somebody may write there."""
        current = self._inbox.current()
        for capability, reached in self._inbox.reached_by(self._swarms.clock.now_ms()):
            last = capability.until_day if capability == current else reached[-1]
            for day in range(max(reached.start, days.start), min(last, days[-1]) + 1):
                access = self._inbox.access(capability, day)
                if access is not None:
                    yield Place(access, day, kept.lane_of(capability.name))
