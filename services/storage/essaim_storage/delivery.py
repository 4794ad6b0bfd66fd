"""Reading: pages for Retrieve, and subscriptions that go on.

A cursor names an arrival number of this node; a page is what has a higher one, in order. A subscriber is always served
from the store after its own number, one Notify at a time, so nothing can be skipped, however slow it is. Numbers
become visible with their commit only, and commits come one at a time: there is never a lower one still to come.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.envelope import have_prefix
from essaim.protocol.mailbox.record import SlotMark
from essaim.protocol.mailbox.refusal import SlotRecordRefusedError
from essaim_storage.effects import Delivery, Effect, Expiries, Notify, Refused, Reply, Retrieved
from essaim_storage.events import ExpiriesAsked, Query, RetrieveAsked, SubscribeAsked
from essaim_storage.page import Page, Room
from essaim_storage.refusal import WrongSwarmError
from essaim_storage.store import Entry, Store
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning


@dataclass
class _Subscriber:
    request: int
    query: Query
    cursor: Cursor
    number: int
    busy: bool = False
    told_incomplete: bool | None = None


class Readers:
    """Answers readers from the store; `incomplete()` says whether this node is.

    `missed(mailbox id)`, set by the node: read repair, for a reader knows of something that is not here.
    """

    missed: Callable[[bytes], list[Effect]] = staticmethod(lambda _mailbox_id: [])

    def __init__(self, swarm: Swarm, store: Store, incomplete: Callable[[], bool], tuning: Tuning) -> None:
        self._swarm = swarm
        self._store = store
        self._incomplete = incomplete
        self._tuning = tuning
        self._incarnation = store.incarnation()
        self._subscribers: dict[int, _Subscriber] = {}
        self._by_mailbox: dict[bytes, dict[int, _Subscriber]] = {}

    def retrieve(self, event: RetrieveAsked, now_ms: int) -> list[Effect]:
        query = event.query
        if not self._swarm.serves(query.mailbox_id):
            return [Reply(event.request, Refused(WrongSwarmError("the mailbox lives in another swarm")))]
        if event.envelope_ids:
            page, cursor = self._named(query, event.envelope_ids, now_ms), query.cursor
        else:
            page = self._page(query, self._start(query.cursor), now_ms)
            cursor = self._advanced(query.cursor, page.number)
        incomplete = page.damaged or self._incomplete()
        reply = Reply(event.request, Retrieved(tuple(page.envelopes), cursor.encoded, page.more, incomplete))
        return [reply, *(self.missed(query.mailbox_id) if self._is_missed(event, page) else [])]

    def _is_missed(self, event: RetrieveAsked, page: Page) -> bool:
        """Whether the reader has, or names, envelopes that are not here. (Some may be gone: it costs a comparison.)"""
        query = event.query
        if event.envelope_ids:
            return not all(self._store.has(each) or self._store.naming(each) for each in event.envelope_ids)
        return not page.more and not self._start(query.cursor) and page.known < len(query.have)

    def subscribe(self, event: SubscribeAsked, now_ms: int) -> list[Effect]:
        """The first Notify comes at once, empty if there is nothing: it brings the cursor."""
        query = event.query
        if not self._swarm.serves(query.mailbox_id):
            return [Reply(event.request, Refused(WrongSwarmError("the mailbox lives in another swarm")))]
        subscriber = _Subscriber(event.request, query, query.cursor, self._start(query.cursor))
        self._subscribers[event.request] = subscriber
        self._by_mailbox.setdefault(query.mailbox_id, {})[event.request] = subscriber
        return self._serve(subscriber, now_ms)

    def taken(self, request: int, now_ms: int) -> list[Effect]:
        """The subscriber has room again."""
        subscriber = self._subscribers.get(request)
        if subscriber is None:
            return []
        subscriber.busy = False
        return self._serve(subscriber, now_ms)

    def arrived(self, mailbox_ids: Iterable[bytes], now_ms: int) -> list[Effect]:
        """Envelopes were committed in these mailboxes."""
        waiting = (each for mailbox_id in mailbox_ids for each in self._by_mailbox.get(mailbox_id, {}).values())
        return [effect for subscriber in tuple(waiting) for effect in self._serve(subscriber, now_ms)]

    def completeness_changed(self, now_ms: int) -> list[Effect]:
        """Tell every subscriber."""
        return [effect for each in tuple(self._subscribers.values()) for effect in self._serve(each, now_ms)]

    def members_changed(self) -> list[Effect]:
        """End the subscriptions of mailboxes that live elsewhere now."""
        gone = [each for each in self._subscribers.values() if not self._swarm.serves(each.query.mailbox_id)]
        for each in gone:
            self.cancelled(each.request)
        return [Reply(each.request, Refused(WrongSwarmError("the mailbox moved to another swarm"))) for each in gone]

    def expiries(self, event: ExpiriesAsked, now_ms: int) -> list[Effect]:
        """When those of the asked that live here go."""
        if not self._swarm.serves(event.mailbox_id):
            return [Reply(event.request, Refused(WrongSwarmError("the mailbox lives in another swarm")))]
        damage = self._store.damage()
        entries = (self._store.entry(event.mailbox_id, each) for each in event.envelope_ids)
        live = [each for each in entries if each is not None and each.until_ms > now_ms]
        found = tuple((each.envelope_id, each.until_ms) for each in live if event.slot in (b"", each.slot))
        incomplete = self._incomplete() or self._store.damage() != damage
        return [Reply(event.request, Expiries(found, incomplete))]

    def marked(self, mark: SlotMark) -> list[Effect]:
        """End the subscriptions of a slot's key that counts no more."""
        readers = self._by_mailbox.get(mark.mailbox_id, {}).values()
        signed = [each for each in readers if each.query.slot_record]
        gone = [each.request for each in signed if mark.rejects(each.query.slot_record)]
        for request in gone:
            self.cancelled(request)
        refused = Refused(SlotRecordRefusedError("the owner has dropped this slot's key"))
        return [Reply(request, refused) for request in gone]

    def cancelled(self, request: int) -> None:
        subscriber = self._subscribers.pop(request, None)
        if subscriber is None:
            return
        peers = self._by_mailbox[subscriber.query.mailbox_id]
        del peers[request]
        if not peers:
            del self._by_mailbox[subscriber.query.mailbox_id]

    def _serve(self, subscriber: _Subscriber, now_ms: int) -> list[Effect]:
        if subscriber.busy:
            return []
        page = self._page(subscriber.query, subscriber.number, now_ms)
        subscriber.number = page.number
        incomplete = page.damaged or self._incomplete()
        if not page.envelopes and subscriber.told_incomplete is incomplete:
            return []
        subscriber.busy, subscriber.told_incomplete = True, incomplete
        subscriber.cursor = self._advanced(subscriber.cursor, page.number)
        return [Notify(subscriber.request, tuple(page.envelopes), subscriber.cursor.encoded, incomplete)]

    def _start(self, cursor: Cursor) -> int:
        """Where to resume; from the start if the cursor has nothing of this disk, or more than this disk has."""
        number = cursor.number_at(self._swarm.own_id, self._incarnation)
        return number if number <= self._store.last_number() else 0

    def _advanced(self, cursor: Cursor, number: int) -> Cursor:
        return cursor.advanced(self._swarm.own_id, self._incarnation, number) if number else cursor

    def _page(self, query: Query, number: int, now_ms: int) -> Page:
        """What comes after `number`, as much as fits."""
        damage = self._store.damage()
        page = Page(number, query.max_bytes, self._tuning.page_entries)
        while self._fill(page, query, now_ms):
            pass
        page.damaged |= self._store.damage() != damage
        return page

    def _fill(self, page: Page, query: Query, now_ms: int) -> bool:
        """One listing into the page; whether there is more to list and room for it."""
        limit = self._tuning.page_entries
        entries = self._store.entries_after(query.mailbox_id, query.slot, page.number, limit)
        for entry in entries:
            has = self._has(query, entry)
            if entry.until_ms > now_ms and not has and not self._add(page, entry):
                return False
            page.known += has
            page.number = entry.number
        return len(entries) == limit

    def _named(self, query: Query, envelope_ids: Iterable[bytes], now_ms: int) -> Page:
        """Just these, if they are in the mailbox and slot and live."""
        page = Page(0, query.max_bytes, self._tuning.page_entries)
        for each in envelope_ids:
            entry = self._store.entry(query.mailbox_id, each)
            if entry is None or entry.until_ms <= now_ms or query.slot not in (b"", entry.slot):
                continue
            if not self._add(page, entry):
                break
        return page

    def _add(self, page: Page, entry: Entry) -> bool:
        """False when the page is full. What turns out bad is left out: mended, it comes with a new number."""
        room = page.room_for(entry.size)
        if room is Room.NONE:
            return False
        data = self._store.data(entry.envelope_id) if room is Room.WHOLE else b""
        page.damaged |= data is None
        if data is not None:
            put_off = entry.until_ms if entry.until_ms != entry.expires_ms else 0
            columns = (entry.envelope_id, entry.slot, entry.expires_ms, entry.version, entry.size)
            page.add(Delivery(*columns, data, put_off))
        return True

    def _has(self, query: Query, entry: Entry) -> bool:
        return bool(query.have) and have_prefix(query.have_salt, entry.envelope_id) in query.have
