"""One simulated machine: does the effects of a StorageNode, and feeds back what comes of them."""

from collections.abc import Callable, Hashable
from random import Random

from essaim_storage import effects, events
from essaim_storage.effects import Effect
from essaim_storage.message import Message
from essaim_storage.node import StorageNode
from essaim_storage.placement import Range
from essaim_storage.tuning import Tuning
from simulated.disk import MemoryStore
from simulated.network import Network
from simulated.scheduler import Scheduler

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
        members: frozenset[bytes],
    ) -> None:
        self.node_id = node_id
        self._scheduler = scheduler
        self._rng = rng
        self._node_type = node_type
        self._disk_type = disk_type
        self._tuning = tuning
        self._members = members
        self.network: Network
        self.disk = disk_type(rng.randbytes)
        self.node: StorageNode | None = None
        self.skew_ms = 0
        self.disk_full = False
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
    def writes(self) -> bool:
        """A batch is on its way to the disk."""
        return self._under_way is not None

    def start(self) -> None:
        self._life += 1
        self._timers.clear()
        self._under_way = None
        self.node = self._node_type(self.node_id, self.disk, self._rng.randbytes, self._tuning)
        self.handle(events.Started())
        self.handle(events.ViewChanged(1, (Range.still(self._members),)))
        self._scrub()

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
        self.disk = self._disk_type(self._rng.randbytes)

    def spoil(self, record_id: bytes) -> None:
        """A bit flips on the disk, and the scrubber finds it."""
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

    def hear(self, sender: bytes, message: Message) -> None:
        self.handle(events.PeerMessage(sender, message, 1))

    def _do(self, effect: Effect) -> None:
        match effect:
            case effects.Send(to, message):
                self.network.send(self.node_id, to, message)
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

    def _commit(self, batch: int, changes: tuple[effects.Change, ...]) -> None:
        assert self._under_way is None, "a second commit while one is under way"
        self._under_way = changes
        life = self._life

        def synced() -> None:
            if self._life != life:
                return
            self._under_way = None
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
