"""Every member's feed: what each has not acknowledged of what this node coordinates."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from essaim.protocol.mailbox.record import Record
from essaim_storage.effects import CancelTimer, Effect
from essaim_storage.feed import AckTimer, Feed, RetryTimer
from essaim_storage.journal import Journal, Settled
from essaim_storage.message import Ack
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

    @property
    def behind(self) -> frozenset[bytes]:
        """Members that may miss something that was coordinated here."""
        return frozenset(member for member, feed in self._feeds.items() if feed.behind)

    @property
    def positions(self) -> Sequence[int]:
        """For each member: up to which arrival number it has all that was coordinated here."""
        return [feed.position for feed in self._feeds.values()]

    def members_changed(self) -> list[Effect]:
        """Feed the members there are."""
        effects: list[Effect] = []
        for gone in self._feeds.keys() - set(self._swarm.others):
            del self._feeds[gone]
            effects += [CancelTimer(AckTimer(gone)), CancelTimer(RetryTimer(gone))]
        for member in self._swarm.others:
            if member not in self._feeds:
                self._feeds[member] = self._new(member)
                effects += self._feeds[member].link_up()
        return effects

    def offer(self, records: Sequence[Record]) -> list[Effect]:
        """New records, for every member at once."""
        return [effect for feed in self._feeds.values() for effect in feed.offer(records)]

    def offer_again(self, records: Sequence[Record], member: bytes | None = None) -> list[Effect]:
        """Records that are here already, not by this node's coordination, to one member or to all."""
        feeds = [feed for of_id, feed in self._feeds.items() if member in (None, of_id)]
        return [effect for feed in feeds for effect in feed.offer_again(records)]

    def settled(self, settled: Settled) -> list[Effect]:
        """A record that was offered is committed here, or will not be."""
        return [effect for feed in self._feeds.values() for effect in feed.settled(settled)]

    def acked(self, member: bytes, ack: Ack) -> tuple[list[tuple[bytes, str]], list[Effect]]:
        """(record id, reason or "") for each record of the Write, and what follows."""
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
        batch = int.from_bytes(self._random(7)) << 7
        return self.feed_type(member, self._swarm, self._store, self._journal, self._tuning, batch)
