"""The mailboxes of closed groups that this device is woken for, if its person asked for that.

Each epoch and day has a mailbox of its own, which takes registrations by the day's read key, under a name that only
this device can make. One speaks in the newest epoch that fits; in the one before it while somebody may not know.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from essaim.protocol.group.epoch import Epoch
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.rule import DAY_MS, PLACE_SIZE
from essaim_client.mailbox.access import Access

LABEL = b"essaim/push/place/v1"
NAME_BYTES = PLACE_SIZE // 4 * 3
LATE_DAYS = 1
"""So long after it was replaced an epoch may still be spoken in."""


class Group(Protocol):
    """What is asked of a group (`messaging.group_book`)."""

    @property
    def epochs(self) -> Mapping[bytes, Epoch]: ...
    @property
    def epoch(self) -> Epoch | None: ...


class Book(Protocol):
    """What is asked of the groups of this device."""

    def all(self) -> Iterable[Group]: ...
    def is_in(self, group: Any, /) -> bool: ...


def place_name(owner: SigningKey, mailbox_id: bytes) -> bytes:
    """32 printable bytes; of two mailboxes they have nothing in common."""
    return urlsafe_b64encode(hkdf(owner.seed, salt=LABEL, info=mailbox_id, length=NAME_BYTES))


def group_access(owner: SigningKey, epoch: Epoch, day: int) -> Access:
    """Where a device asks to be woken for a day of an epoch."""
    policy = epoch.mailbox(day)
    return Access(policy, place_name(owner, policy.mailbox_id), epoch.reader(day))


def wanted(group: Group, days: range, today: int) -> Iterator[tuple[Epoch, int]]:
    """The epoch in which one speaks, for all days; the last one before it until tomorrow."""
    current = group.epoch
    if current is not None:
        yield from ((current, day) for day in days if day >= begun(current))
    others = [each for each in group.epochs.values() if current is None or each.epoch_id != current.epoch_id]
    for before in sorted(others, key=lambda each: each.made_ms)[-1:]:
        yield from ((before, day) for day in days if begun(before) <= day <= today + LATE_DAYS)


def begun(epoch: Epoch) -> int:
    """The first day of which it has a mailbox: clocks differ, and none is long before it was made."""
    return epoch.made_ms // DAY_MS - 1
