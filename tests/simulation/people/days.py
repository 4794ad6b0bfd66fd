"""Friends, and the days of their private inboxes: what the mailboxes were given, and where midnight is."""

from essaim.protocol.mailbox.policy import Kind
from essaim_client.messaging.events import Message
from people.town import DAY_MS, say

HOUR_MS = 3_600_000
NOON_MS = DAY_MS // 2


async def friends(here, count=2):
    """Everybody has written to the first and was answered; nothing is on its way."""
    first, *others = [await here.person() for _ in range(count)]
    for other in others:
        await say(other, first, "hello")
        await first.look()
        await say(first, other, "hello to you")
        await other.look()
        await first.look()
    await here.rest(first, *others)
    return [first, *others]


def kinds(here) -> dict[Kind, int]:
    """How many envelopes each kind of mailbox was given so far, in those that have any."""
    counted = dict.fromkeys(Kind, 0)
    for place in here.mailboxes.places.values():
        for record in place.kept:
            counted[record.policy.kind] += 1
    return counted


def given_since(here, before, kind) -> int:
    return kinds(here)[kind] - before[kind]


def to_midnight(here, offset_ms: int) -> None:
    """So long after (before) the next midnight but one."""
    now_ms = here.mailboxes.now_ms
    here.mailboxes.now_ms = (now_ms // DAY_MS + 2) * DAY_MS + offset_ms


def heard(events) -> list[str]:
    return [event.text for event in events if isinstance(event, Message)]
