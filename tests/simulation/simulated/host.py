"""One simulated machine: does the effects of a StorageNode, and feeds back what comes of them."""

from collections.abc import Callable, Hashable
from functools import partial
from random import Random

from essaim_storage import effects, events
from essaim_storage.effects import Effect
from essaim_storage.message import Message
from essaim_storage.node import StorageNode
from essaim_storage.tuning import Tuning
from simulated.authority import NO_VIEW, Authority
from simulated.disk import MemoryStore
from simulated.network import Network
from simulated.scheduler import Scheduler

CALM_MS = 10_000
Answer = effects.Reply | effects.Notify
Listener = Callable[[Answer | None], None]
"""Gets each answer to a request, and None when the node dies."""


class Host:
    """Survives crashes of its process with its disk; `skew_ms` is how wrong its clock is."""

    def __init__(
        self,
        node_id: bytes,
        scheduler: Scheduler,
        rng: Random,
        node_type: type[StorageNode],
        disk_type: type[MemoryStore],
        tuning: Tuning,
        authority: Authority,
    ) -> None:
        self.node_id = node_id
        self._scheduler = scheduler
        self._rng = rng
        self._node_type = node_type
        self._disk_type = disk_type
        self._tuning = tuning
        self._authority = authority
        self.view = NO_VIEW
        """The newest that it knows; on its volume."""
        self.blind = False
        """Cut off from discovery: it hears of no view."""
        self.retired = False
        """It is gone for good."""
        self.lost = False
        """It lost something that it had acknowledged, and has not mended it yet."""
        self._spare_in = -1
        """In this life of its process it was shown to be a spare."""
        self._calm_ms = 0
        """Since then its disk took what it was given."""
        self.seen_ms = 0
        """When it last told discovery that it lives."""
        self.network: Network
        self.disk = disk_type(rng.randbytes)
        self.node: StorageNode | None = None
        self.skew_ms = 0
        self.disk_full = False
        self.disk_broken = False
        self.snapshot: MemoryStore | None = None
        self.wake: Callable[[Host, effects.Wake], None] = _to_nobody
        """What it tells push hosts."""
        self.die: Callable[[], object] = self.crash
        """An error of the disk ends the process."""
        self._life = 0
        self._timers: dict[Hashable, int] = {}
        self._timer_serial = 0
        self._requests = 0
        self._listeners: dict[int, Listener] = {}
        self._under_way: tuple[effects.Change, ...] | None = None

    @property
    def runs(self) -> bool:
        return self.node is not None

    @property
    def life(self) -> int:
        """Of its process; another after every crash."""
        return self._life

    @property
    def counts(self) -> bool:
        """Its disk is whole for all that anybody can know: it has said so, or had the time to, were the rule kept."""
        had_time = self._scheduler.now_ms - self._calm_ms > CALM_MS
        return self.disk.settled() or (self._spare_in == self._life and had_time)

    @property
    def writes(self) -> bool:
        """A batch is on its way to the disk."""
        return self._under_way is not None

    def start(self) -> None:
        self._life += 1
        self._timers.clear()
        self._under_way = None
        self.node = self._node_type(self.node_id, self.disk, self._rng.randbytes, self._tuning)
        self.handle(events.Started())
        if not self.disk.settled() and not self.disk.all_ids():
            self.view = NO_VIEW  # it went with the disk
        self._register()
        self._show()
        self._scrub()
        self.hear_of_views()

    def _register(self) -> None:
        if not self.blind:
            self._authority.register(self.node_id, self._life)

    def hear_of_views(self) -> None:
        """The newest view arrives, some time, if nothing keeps it off."""
        life = self._life

        def hear() -> None:
            if self._life == life and not self.blind and self._authority.view.serial > self.view.serial:
                self.view = self._authority.view
                self._show()

        self._scheduler.after(self._rng.choice((5, 100, 1_000, 4_000)), hear)

    def _show(self) -> None:
        if self.view.serial:
            spare = self.view.spares(self.node_id, self._life)
            if spare:
                self._spare_in, self._calm_ms = self._life, max(self._calm_ms, self._scheduler.now_ms)
            self.handle(events.ViewChanged(self.view.serial, self.view.ranges(self.node_id), spare))

    def crash(self) -> None:
        """Un-synced writes are lost, or just made it; never in part."""
        if self._under_way is not None and self._rng.random() < 0.3:
            self.disk.apply(self._under_way)
        self._life += 1
        self.node = None
        self._under_way = None
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            listener(None)

    def lose_disk(self) -> None:
        """While it is down."""
        assert not self.runs
        self.lost = True
        self.disk = self._disk_type(self._rng.randbytes)

    def restore(self) -> bool:
        """While it is down: the disk is what it was when the snapshot was made. False: there is none."""
        assert not self.runs
        if self.snapshot is None:
            return False
        self.lost = True
        self.disk = self.snapshot.restored()
        self.snapshot = None
        return True

    def tend(self) -> None:
        """From time to time: tell discovery that it lives, note whether it is whole, stop when it has left."""
        if self.node is None:
            return
        if self.disk_full:
            self._calm_ms = self._scheduler.now_ms
        if not self.blind:
            self.seen_ms = self._scheduler.now_ms
            self._register()
        if self.disk.settled() and not self.disk.bad and not self.node.incomplete:
            self.lost = False

    def spoil(self, record_id: bytes) -> None:
        """A bit flips on the disk, and the scrubber finds it."""
        self.lost = True
        self.disk.spoil(record_id)
        self._scrub()

    def _scrub(self) -> None:
        for record_id in sorted(self.disk.bad):
            self.handle(events.RecordBad(record_id))

    def ask(self, make: Callable[[int], events.Event], listener: Listener) -> int:
        """A client's request; the listener hears at once, the network to the client is the caller's."""
        self._requests += 1
        request = self._requests
        self._listeners[request] = listener
        self.handle(make(request))
        return request

    def handle(self, event: events.Event) -> None:
        if self.node is None:
            return
        for effect in self.node.handle(event, self._scheduler.now_ms + self.skew_ms):
            self._do(effect)

    def hear(self, sender: bytes, message: Message, view_serial: int) -> None:
        self.handle(events.PeerMessage(sender, message, view_serial))

    def _do(self, effect: Effect) -> None:
        match effect:
            case effects.Send(to, message):
                self.network.send(self.node_id, to, message, self.view.serial)
            case effects.Wake() | effects.TransferDone():
                self._tell_outside(effect)
            case effects.Commit(batch, changes):
                self._commit(batch, changes)
            case effects.SetTimer(timer, after_ms):
                self._set_timer(timer, after_ms)
            case effects.CancelTimer(timer):
                self._timers.pop(timer, None)
            case effects.Reply(request):
                listener = self._listeners.pop(request, None)
                if listener is not None:
                    listener(effect)
            case effects.Notify(request):
                listener = self._listeners.get(request)
                if listener is not None:
                    listener(effect)

    def _tell_outside(self, effect: effects.Wake | effects.TransferDone) -> None:
        if isinstance(effect, effects.Wake):
            self.wake(self, effect)
        else:
            self._tell_discovery(effect.swarm_id, effect.move_serial)

    def _tell_discovery(self, swarm_id: int, move_serial: int) -> None:
        """It may get lost."""
        if not self.blind and self._rng.random() < 0.8:
            tell = partial(self._authority.complete, self.node_id, swarm_id, move_serial)
            self._scheduler.after(self._rng.randrange(10, 400), tell)

    def _commit(self, batch: int, changes: tuple[effects.Change, ...]) -> None:
        assert self._under_way is None, "a second commit while one is under way"
        self._under_way = changes
        life = self._life

        def synced() -> None:
            if self._life != life:
                return
            self._under_way = None
            if self.disk_broken:
                self.disk_broken = False
                self.die()
                return
            if self.disk_full:
                self.handle(events.CommitRefused(batch))
                return
            self.disk.apply(changes)
            self.handle(events.Committed(batch))

        slow = self._rng.random() < 0.05
        self._scheduler.after(self._rng.randrange(300, 3_000) if slow else self._rng.randrange(2, 60), synced)

    def _set_timer(self, timer: Hashable, after_ms: int) -> None:
        self._timer_serial += 1
        serial, life = self._timer_serial, self._life
        self._timers[timer] = serial

        def fire() -> None:
            if self._life == life and self._timers.get(timer) == serial:
                del self._timers[timer]
                self.handle(events.Fired(timer))

        self._scheduler.after(after_ms, fire)


def _to_nobody(_host: Host, _wake: effects.Wake) -> None:
    """There is no push host."""
