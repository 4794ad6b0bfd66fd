"""Every member's feed: what each has not acknowledged of what this node coordinates."""

from collections.abc import Callable, Collection, Sequence
from typing import ClassVar

from essaim.protocol.mailbox.record import Record
from essaim_storage.effects import CancelTimer, Effect
from essaim_storage.feed import AckTimer, Feed, RetryTimer
from essaim_storage.journal import Journal, Settled
from essaim_storage.message import Ack
from essaim_storage.receipts import Heard
from essaim_storage.store import Store
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning


class Hints:
    """Routes to the feeds. `random(n)` gives n bytes: the numbers of Writes start anywhere, so that an Ack for a Write
    of an earlier life of this process is never taken for one of this.
    """

    feed_type: ClassVar[type[Feed]] = Feed

    def __init__(
        self, swarm: Swarm, store: Store, journal: Journal, tuning: Tuning, random: Callable[[int], bytes]
    ) -> None:
        self._swarm = swarm
        self._store = store
        self._journal = journal
        self._tuning = tuning
        self._random = random
        self._feeds: dict[bytes, Feed] = {}
        self.receipted: set[bytes] = set()
        """Records that a client wants receipts for."""

    @property
    def behind(self) -> frozenset[bytes]:
        """Members that may miss something that was coordinated here."""
        return frozenset(member for member, feed in self._feeds.items() if feed.behind)

    @property
    def positions(self) -> Sequence[int]:
        """For each member: up to which arrival number it has all that was coordinated here."""
        return [feed.position for feed in self._feeds.values()]

    def view_changed(self) -> list[Effect]:
        """Feed the members there are."""
        effects: list[Effect] = []
        for gone in self._feeds.keys() - set(self._swarm.others):
            del self._feeds[gone]
            effects += [CancelTimer(AckTimer(gone)), CancelTimer(RetryTimer(gone))]
        for member in self._swarm.others:
            if member in self._feeds:
                effects += self._feeds[member].view_changed()
            else:
                self._feeds[member] = self._new(member)
                effects += self._feeds[member].link_up()
        return effects

    def offer(self, records: Sequence[Record], members: Collection[bytes]) -> list[Effect]:
        """New records, for all of these members at once."""
        feeds = [feed for member, feed in self._feeds.items() if member in members]
        return [effect for feed in feeds for effect in feed.offer(records)]

    def offer_again(self, records: Sequence[Record], members: Collection[bytes]) -> list[Effect]:
        """Records that no hint of this node's leads to, or not yet, to these members."""
        feeds = [feed for member, feed in self._feeds.items() if member in members]
        return [effect for feed in feeds for effect in feed.offer_again(records)]

    def settled(self, settled: Settled) -> list[Effect]:
        """A record that was offered is committed here, or will not be."""
        effects: list[Effect] = []
        where = self._swarm.range_of(settled.record.mailbox_id) if settled.record is not None else None
        for member, feed in self._feeds.items():
            if where is not None and member in where.members:
                effects += feed.settled(settled)
            elif settled.number:
                feed.passed(settled.number)
        return effects

    def acked(self, member: bytes, ack: Ack) -> tuple[list[Heard], list[Effect]]:
        """What the member says of each record of the Write, and what follows."""
        feed = self._feeds.get(member)
        return feed.acked(ack) if feed else ([], [])

    def link_up(self, member: bytes) -> list[Effect]:
        feed = self._feeds.get(member)
        return feed.link_up() if feed else []

    def link_down(self, member: bytes) -> list[Effect]:
        feed = self._feeds.get(member)
        return feed.link_down() if feed else []

    def ack_missing(self, member: bytes) -> list[Effect]:
        feed = self._feeds.get(member)
        return feed.ack_missing() if feed else []

    def retry(self, member: bytes) -> list[Effect]:
        feed = self._feeds.get(member)
        return feed.retry() if feed else []

    def _new(self, member: bytes) -> Feed:
        """A member that moves in has what was before from those that keep it now; hints begin here."""
        batch = int.from_bytes(self._random(7)) << 7
        joins = not any(member in each.now for each in self._swarm.ranges)
        position = self._store.last_number() if joins and not self._store.position(member) else 0
        feed = self.feed_type(member, self._swarm, self._store, self._journal, self._tuning, batch, position)
        feed.receipted = self.receipted
        return feed
