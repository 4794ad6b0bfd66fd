"""A storage node without its I/O: takes each event to the machines that it concerns, gives back what is to be done."""

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, SlotMark, verify_record
from essaim_storage import events
from essaim_storage.adoption import Adoption, AdoptWaits
from essaim_storage.challenge import Challenger, ExamineTimer
from essaim_storage.coordinator import ClientWaits, Coordinator, QuorumTimer
from essaim_storage.delivery import Readers
from essaim_storage.effects import Effect, Purge, SetTimer
from essaim_storage.feed import AckTimer, RetryTimer
from essaim_storage.foreign import Foreign, ForeignTimer
from essaim_storage.hints import Hints
from essaim_storage.journal import CommitTimer, Journal, Settled, Verdict
from essaim_storage.message import (
    Ack,
    Challenge,
    Digest,
    Fetch,
    Hello,
    Message,
    Proofs,
    Question,
    Records,
    Woken,
    Write,
)
from essaim_storage.prekeys import ClaimWaits, Prekeys, PublishWaits
from essaim_storage.reconcile import (
    BackgroundTimer,
    ForgetWaits,
    Reconciler,
    RepairWaits,
    RoundTimer,
    SettleWaits,
    TransferTimer,
)
from essaim_storage.replica import PeerWaits, Replica, Sign, Verify
from essaim_storage.store import Store
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning
from essaim_storage.waker import AnswerTimer, Waker, WakeTimer

PURGE_TIMER = "purge"


class StorageNode:
    """`handle` every event in the order in which it happened. Nothing else may be called.

    `random(n)` gives n random bytes; `verify` raises a ProtocolError for a record that no member may keep;
    `sign` signs receipts for this node, without it none is given.
    """

    coordinator_type: ClassVar[type[Coordinator]] = Coordinator
    hints_type: ClassVar[type[Hints]] = Hints
    replica_type: ClassVar[type[Replica]] = Replica
    prekeys_type: ClassVar[type[Prekeys]] = Prekeys
    readers_type: ClassVar[type[Readers]] = Readers
    reconciler_type: ClassVar[type[Reconciler]] = Reconciler
    adoption_type: ClassVar[type[Adoption]] = Adoption
    foreign_type: ClassVar[type[Foreign]] = Foreign
    swarm_type: ClassVar[type[Swarm]] = Swarm
    challenger_type: ClassVar[type[Challenger]] = Challenger
    waker_type: ClassVar[type[Waker]] = Waker

    def __init__(
        self,
        own_id: bytes,
        store: Store,
        random: Callable[[int], bytes],
        tuning: Tuning | None = None,
        verify: Verify = verify_record,
        sign: Sign | None = None,
    ) -> None:
        self._tuning = tuning or Tuning()
        self._store = store
        self._swarm = self.swarm_type(own_id)
        self._journal = Journal(store, self._tuning)
        self._adoption = self.adoption_type(self._swarm, store, self._journal)
        self._foreign = self.foreign_type(self._swarm, store, self._journal, self._tuning)
        self._hints = self.hints_type(self._swarm, store, self._journal, self._tuning, random)
        self._coordinator = self.coordinator_type(self._swarm, store, self._journal, self._hints, self._tuning)
        self._sign = sign
        self._replica = self.replica_type(self._swarm, self._journal, verify)
        self._replica.sign = sign
        self._reconciler = self.reconciler_type(self._swarm, store, self._journal, self._replica, self._tuning, random)
        self._readers = self.readers_type(self._swarm, store, lambda: self._reconciler.incomplete, self._tuning)
        self._readers.missed = self._reconciler.missed
        self._prekeys = self.prekeys_type(self._swarm, store, self._journal, self._tuning)
        self._challenger = self.challenger_type(self._swarm, store, self._tuning, lambda: self.incomplete)
        self.waker = self.waker_type(self._swarm, store, self._journal, self._tuning, random)
        """What it owes push hosts; for metrics."""

    @property
    def incomplete(self) -> bool:
        """Whether this node is back from an absence and has not fetched yet what it missed."""
        return self._reconciler.incomplete

    @property
    def behind(self) -> frozenset[bytes]:
        """Members that may miss something that this node took from clients."""
        return self._hints.behind

    @property
    def positions(self) -> Sequence[int]:
        """For each other member: up to which arrival number it has all that this node took from clients."""
        return self._hints.positions

    @property
    def view_serial(self) -> int:
        """Of the newest view that it was told."""
        return self._swarm.serial

    def handle(self, event: events.Event, now_ms: int) -> list[Effect]:
        """What is to be done because of this, in order. `now_ms`: unix milliseconds; may jump."""
        before = self._reconciler.incomplete
        effects = self._take(event, now_ms)
        if self._reconciler.incomplete is not before:
            effects = [*effects, *self._readers.completeness_changed(now_ms)]
        return [*effects, *self._journal.flush(now_ms)]

    def _take(self, event: events.Event, now_ms: int) -> list[Effect]:
        match event:
            case events.PeerMessage(node_id, message, view_serial):
                return self._hear(node_id, message, view_serial, now_ms)
            case events.Committed(batch):
                return self._settle(self._journal.committed(batch), now_ms)
            case events.CommitRefused(batch):
                return self._settle(self._journal.refused(batch), now_ms)
            case events.Fired(timer):
                return self._fire(timer, now_ms)
            case events.LinkUp() | events.LinkDown() | events.ViewChanged() | events.Started() | events.RecordBad():
                return self._turn(event, now_ms)
            case _:
                return self._serve(event, now_ms)

    def _serve(self, event: events.Event, now_ms: int) -> list[Effect]:
        """A client's request."""
        match event:
            case events.StoreAsked():
                return self._coordinator.store(event)
            case events.RemoveAsked():
                return self._coordinator.remove(event)
            case events.RetrieveAsked():
                return self._readers.retrieve(event, now_ms)
            case events.ExpiriesAsked():
                return self._readers.expiries(event, now_ms)
            case events.SubscribeAsked():
                return self._readers.subscribe(event, now_ms)
            case events.Taken(request):
                return self._readers.taken(request, now_ms)
            case events.Cancelled(request):
                self._readers.cancelled(request)
                self._challenger.cancelled(request)
                return self._coordinator.cancelled(request)
            case _:
                return self._serve_more(event, now_ms)

    def _serve_more(self, event: events.Event, now_ms: int) -> list[Effect]:
        match event:
            case events.PublishAsked():
                return self._prekeys.publish(event, now_ms)
            case events.ClaimAsked():
                return self._prekeys.claim(event, now_ms)
            case events.ExamineAsked():
                return self._challenger.ask(event, now_ms)
            case events.WakesTaken():
                return self.waker.taken(event, now_ms)
            case events.HostUp(node_id):
                return self.waker.host_up(node_id)
            case events.HostDown(node_id):
                return self.waker.host_down(node_id)
        raise AssertionError(f"not an event: {type(event).__name__}")

    def _turn(self, event: events.Event, now_ms: int) -> list[Effect]:
        """Something about this node, its links or its view."""
        match event:
            case events.Started():
                return [SetTimer(PURGE_TIMER, self._tuning.purge_every_ms), *self._reconciler.started()]
            case events.LinkUp(node_id):
                self._swarm.linked.add(node_id)
                effects = [*self._reconciler.link_up(node_id), *self._hints.link_up(node_id)]
                return [*effects, *self._coordinator.link_up(node_id)]
            case events.LinkDown(node_id):
                self._swarm.linked.discard(node_id)
                effects = [*self._reconciler.link_down(node_id), *self._hints.link_down(node_id)]
                return [*effects, *self._challenger.link_down(node_id)]
            case events.RecordBad(record_id):
                self._coordinator.lost(self._swarm.own_id, record_id)
                return self._reconciler.bad(record_id)
            case events.ViewChanged():
                return [*self._turn_to(event), *self.waker.view_changed(now_ms)]
        raise AssertionError(f"not an event: {type(event).__name__}")

    def _turn_to(self, view: events.ViewChanged) -> list[Effect]:
        """A newer view, to every machine that it concerns."""
        if view.serial < self._swarm.serial:
            return []
        before, next_view = self._swarm.ranges, view.serial <= self._swarm.serial + 1
        self._swarm.turn_to(view.serial, view.ranges)
        self._adoption.view_changed()
        effects = [*self._hints.view_changed(), *self._coordinator.view_changed()]
        effects += self._reconciler.view_changed(before, next_view=next_view)
        if view.spare and not view.ranges:
            self._reconciler.spare()
        effects += [*self._readers.members_changed(), *self._foreign.view_changed()]
        return [*effects, *self._challenger.view_changed()]

    def _hear(self, node_id: bytes, message: Message, view_serial: int, now_ms: int) -> list[Effect]:
        """A message counts from members of the swarm alone."""
        if node_id not in self._swarm.members or node_id == self._swarm.own_id:
            return []
        match message:
            case Write():
                return self._replica.write(node_id, message, now_ms, view_serial)
            case Ack():
                heard, effects = self._hints.acked(node_id, message)
                told = [effect for each in heard for effect in self._coordinator.heard(node_id, each)]
                return [*told, *effects]
            case Hello():
                self._challenger.hello(node_id, message)
                if message.fresh:
                    self._coordinator.lost(node_id)
                return self._reconciler.hello(node_id, message)
            case Challenge():
                return self._challenger.challenged(node_id, message)
            case Proofs():
                return self._challenger.proofs(node_id, message, now_ms)
            case Woken():
                self.waker.woken(message)
                return []
            case _:
                return self._compare(node_id, message, now_ms)

    def _compare(self, node_id: bytes, message: Question | Digest | Fetch | Records, now_ms: int) -> list[Effect]:
        match message:
            case Question():
                return self._reconciler.question(node_id, message)
            case Digest():
                return self._reconciler.digest(node_id, message)
            case Fetch():
                return self._reconciler.fetch(node_id, message, now_ms)
            case Records():
                tested = self._challenger.fetched(node_id, message.number, now_ms)
                return [*tested, *self._reconciler.records(node_id, message, now_ms)]

    def _settle(self, settled: tuple[Settled, ...], now_ms: int) -> list[Effect]:
        """A batch came to its end: everyone who waited for it goes on, then the readers of what is new."""
        if self._sign is not None:
            self._coordinator.sign(settled, now_ms, self._sign)
        effects = [effect for each in settled for effect in self._settle_one(each, now_ms)]
        kept = [each.record for each in settled if each.verdict is Verdict.KEPT]
        mailboxes = dict.fromkeys(each.mailbox_id for each in kept if isinstance(each, EnvelopeRecord | ExpiryRecord))
        ended = [effect for each in kept if isinstance(each, SlotMark) for effect in self._readers.marked(each)]
        woken = self.waker.arrived(settled, now_ms)
        return [*effects, *ended, *self._readers.arrived(mailboxes, now_ms), *woken]

    def _settle_one(self, settled: Settled, now_ms: int) -> list[Effect]:
        match settled.waiter:
            case PeerWaits():
                return self._replica.settled(settled, now_ms)
            case ClientWaits():
                return self._coordinator.settled(settled)
            case RepairWaits() | SettleWaits() | ForgetWaits():
                return self._reconciler.settled(settled)
            case AdoptWaits():
                return self._reconciler.adopted() if self._adoption.settled(settled) else []
            case PublishWaits() | ClaimWaits():
                return self._prekeys.settled(settled)
        return []

    def _fire(self, timer: Hashable, now_ms: int) -> list[Effect]:
        match timer:
            case CommitTimer():
                return self._journal.go_on()
            case QuorumTimer(request):
                return self._coordinator.time_is_up(request)
            case AckTimer(member):
                return self._hints.ack_missing(member)
            case RetryTimer(member):
                return self._hints.retry(member)
            case RoundTimer(member):
                return self._reconciler.round_missing(member)
            case BackgroundTimer():
                self._adoption.write()
                return self._reconciler.time_is_come()
            case TransferTimer():
                return self._reconciler.tell_again()
        return self._fire_more(timer, now_ms)

    def _fire_more(self, timer: Hashable, now_ms: int) -> list[Effect]:
        match timer:
            case ExamineTimer(member):
                return self._challenger.time_is_up(member, now_ms)
            case ForeignTimer():
                return self._foreign.time_is_up()
            case WakeTimer():
                return self.waker.tick(now_ms)
            case AnswerTimer(host, batch):
                return self.waker.answer_missing(host, batch)
        return self._purge(now_ms)

    def _purge(self, now_ms: int) -> list[Effect]:
        """What expired long enough ago leaves the disk."""
        self.waker.tidy()
        oldest, limit = self._store.next_expiry(), now_ms - self._tuning.purge_margin_ms
        if oldest is not None and oldest <= limit:
            self._journal.change(Purge(limit))
        return [SetTimer(PURGE_TIMER, self._tuning.purge_every_ms)]
