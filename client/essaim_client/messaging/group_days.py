"""The mailboxes of groups: one for each epoch and mailbox day, read to the end of its day and once more after it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from essaim.protocol.blinding import mailbox_day
from essaim.protocol.errors import ProtocolError
from essaim.protocol.group.epoch import Epoch
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.private_inbox import EDGE_MS, days_open
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.reading import Reader, Reading
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.watch import Watch
from essaim_client.messaging.errands import Errands
from essaim_client.messaging.events import Event
from essaim_client.messaging.group_book import ClosedGroup, GroupBook
from essaim_client.messaging.group_intake import GroupIntake
from essaim_client.messaging.profile import Profile

KEPT_DAYS = 14
MEMORY_MS = 16 * DAY_MS
AT_ONCE = 4
ROUNDS = 4
"""A new epoch that is found while one reads has mailboxes of its own."""
LOOK_SECONDS = 30.0
AGAIN_SECONDS = 5.0


@dataclass(frozen=True)
class Place:
    """One mailbox of a group."""

    group: ClosedGroup
    epoch: Epoch
    day: int

    @property
    def access(self) -> Access:
        """All of its entries."""
        return Access(self.epoch.mailbox(self.day), b"", self.epoch.reader(self.day))


class GroupDays:
    """`receive` reads what is due; `follow` goes on with the days that are written to now."""

    def __init__(
        self,
        swarms: Swarms,
        profile: Profile,
        book: GroupBook,
        intake: GroupIntake,
        errands: Errands,
        tell: Callable[[Event], None],
    ) -> None:
        self._swarms = swarms
        self._profile = profile
        self._book = book
        self._intake = intake
        self._errands = errands
        self._tell = tell
        self._woken = asyncio.Event()
        self.on_change: Callable[[], None] = _nothing
        self.live = asyncio.Event()
        """Set while all groups are followed live."""

    def wake(self) -> None:
        """There may be another group, or another epoch."""
        self._woken.set()
        self.on_change()

    # Which

    def _places(self, days: range) -> Iterator[Place]:
        """Of all groups that this account is in, older days first."""
        for group in self._book.all():
            if self._book.is_in(group):
                epochs = sorted(group.epochs.values(), key=lambda each: each.made_ms)
                yield from (Place(group, epoch, day) for day in days for epoch in epochs if _begun(epoch) <= day)

    def _due(self) -> list[Place]:
        """Those that are written to, and those of days that are over and not read since."""
        now_ms, open_days = self._now_ms(), days_open(self._now_ms())
        places = self._places(range(mailbox_day(now_ms) - KEPT_DAYS + 1, open_days[-1] + 1))
        return [place for place in places if place.day in open_days or not self._read_out(place)]

    def _read_out(self, place: Place) -> bool:
        over_ms = (place.day + 1) * DAY_MS + EDGE_MS
        return self._book.store.read_ms(place.access.policy.mailbox_id) >= over_ms

    # Once

    async def receive(self) -> list[Event]:
        """All that waits. A mailbox that cannot be read now is read next time."""
        events: list[Event] = []
        seen: set[bytes] = set()
        for _ in range(ROUNDS):
            places = [each for each in self._due() if each.access.policy.mailbox_id not in seen]
            if not places:
                break
            seen |= {each.access.policy.mailbox_id for each in places}
            by_group: dict[bytes, list[Place]] = {}
            for place in places:
                by_group.setdefault(place.group.group_id, []).append(place)
            few = asyncio.Semaphore(AT_ONCE)
            for found in await asyncio.gather(*(self._read_all(each, few) for each in by_group.values())):
                events += found
        return events

    async def _read_all(self, places: list[Place], few: asyncio.Semaphore) -> list[Event]:
        """Of one group, one after the other: what is announced comes before what is said."""
        events: list[Event] = []
        async with few:
            for place in places:
                with suppress(ProtocolError):
                    await self._read(place, events)
        return events

    async def _read(self, place: Place, events: list[Event]) -> None:
        access = place.access
        known = self._book.store.cursors(access.policy.mailbox_id)
        reading = Reading(cursors=dict(known))
        async with aclosing(Reader(self._swarms, access).read(reading)) as envelopes:
            async for envelope in envelopes:
                events += self._take(place, envelope)
        if known != reading.cursors or place.day not in days_open(self._now_ms()):
            with self._profile.store.transaction():
                self._book.store.read(access.policy.mailbox_id, reading.cursors, self._now_ms())

    def _take(self, place: Place, envelope: mailbox_pb2.StoredEnvelope) -> list[Event]:
        store, now_ms = self._profile.store, self._now_ms()
        if store.dealt_with(envelope.envelope_id):
            return []
        epochs = len(place.group.epochs)
        with store.transaction():
            taken = self._intake.take(place.group, place.epoch, place.day, envelope, now_ms)
            store.deal_with(envelope.envelope_id, envelope.slot, now_ms + MEMORY_MS)
            store.confirmed([envelope.envelope_id])  # nothing is to be confirmed here: it goes by its time
        self._errands.after(taken, None, initial=False)
        if len(place.group.epochs) != epochs:
            self.wake()
        return taken.events

    # Live

    async def follow(self) -> None:
        """Until it is cancelled: events are told."""
        while True:
            with suppress(ProtocolError):
                await self._follow()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self) -> None:
        watch, places = Watch(self._swarms, self.live), dict[bytes, Place]()
        keeping = asyncio.create_task(self._keep(watch, places))
        try:
            async with aclosing(watch.found()) as found:
                async for access, envelope in found:
                    place = places.get(access.policy.mailbox_id)
                    for event in self._take(place, envelope) if place else ():
                        self._tell(event)
                    self._woken.set()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await watch.close()

    async def _keep(self, watch: Watch, places: dict[bytes, Place]) -> None:
        """The watch is at the right mailboxes as days and epochs go."""
        while True:
            self._woken.clear()
            now = {each.access.policy.mailbox_id: each for each in self._places(days_open(self._now_ms()))}
            if now.keys() != places.keys():
                for event in await self.receive():
                    self._tell(event)
                places.clear()
                places.update(now)
                watch.follow([place.access for place in now.values()])
            watch.ready()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()

    def _now_ms(self) -> int:
        return self._swarms.clock.now_ms()


def _nothing() -> None:
    """Nobody waits for another group or epoch."""


def _begun(epoch: Epoch) -> int:
    """The day before it was made: clocks differ."""
    return mailbox_day(max(0, epoch.made_ms - EDGE_MS))
