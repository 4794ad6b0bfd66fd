"""Devices that want to be woken, and a push host that is often away, in the same swarm with the same misfortunes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from random import Random

from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.payload import registration_hash
from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.mailbox.record import EnvelopeRecord, RegistrationRecord
from essaim.protocol.mailbox.registration import DAYS_AFTER
from essaim.protocol.push.registration import Registration
from essaim_storage import effects, events
from essaim_storage.effects import Effect
from essaim_storage.node import StorageNode
from essaim_storage.waker import Waker
from simulated.client import DAY_MS, Mailbox, Site
from simulated.fault import ALL, MOVES, days
from simulated.history import BrokenPromiseError
from simulated.host import Host
from simulated.keeper import done
from simulated.process import Client, Sleep
from simulated.scheduler import Scheduler
from simulated.world import TUNING, Scenario, World

HOST_ID = b"p" * 32
SLOT = b"\x00"
AHEAD = 2
"""Days that a device registers for: nobody sleeps through more here."""
WOKEN = Scenario(
    moves=tuple(each for each in MOVES if each is not days),
    faults=ALL,
    tuning=replace(TUNING, wake_tick_ms=100, wake_answer_ms=4_000, purge_every_ms=8_000),
)
"""Days that pass make what comes late too old to be woken for."""


class PushHost:
    """Has durably what it took. It may be away, hear nothing, have no time, or lose an answer."""

    def __init__(self, scheduler: Scheduler, rng: Random, hosts: Callable[[], list[Host]]) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._hosts = hosts
        self._linked: dict[bytes, int] = {}
        self.up = True
        self.told: dict[bytes, list[int]] = {}
        """Push id to the times of its wakes."""
        self.repeats = 0
        self._seen: set[bytes] = set()

    def tend(self) -> None:
        """Links come and go, noticed some time later."""
        for host in self._hosts():
            linked = self._linked.get(host.node_id) == host.life
            if self.up and host.runs and not linked:
                self._linked[host.node_id] = host.life
                host.handle(events.HostUp(HOST_ID))
            elif not self.up and linked:
                del self._linked[host.node_id]
                host.handle(events.HostDown(HOST_ID))
        self._scheduler.after(self._rng.randrange(100, 800), self.tend)

    def hear(self, host: Host, wake: effects.Wake) -> None:
        life, chance = host.life, self._rng.random()

        def arrive() -> None:
            if not self.up or chance < 0.1:
                return
            if chance < 0.2:
                self._answer(host, life, wake.batch.batch, tuple(range(len(wake.batch.wakes))))
                return
            for each in wake.batch.wakes:
                self.repeats += each.wake_id in self._seen
                self._seen.add(each.wake_id)
                self.told.setdefault(each.push_id, []).append(self._scheduler.now_ms)
            if chance < 0.9:
                self._answer(host, life, wake.batch.batch)

        self._scheduler.after(self._rng.choice((5, 50, 400, 3_000)), arrive)

    def _answer(self, host: Host, life: int, batch: int, again: tuple[int, ...] = ()) -> None:
        def answer() -> None:
            if host.life == life:
                host.handle(events.WakesTaken(HOST_ID, batch, again, 700))

        self._scheduler.after(self._rng.randrange(1, 40), answer)


@dataclass
class Registered:
    """What devices asked for, and when it was acknowledged."""

    since: dict[tuple[bytes, int], int] = field(default_factory=dict)
    begun: dict[bytes, int] = field(default_factory=dict)
    """When each envelope was stored first."""


class Begun(dict[bytes, EnvelopeRecord]):
    """Of a history: notes when an envelope came in."""

    def __init__(self, site: Site, registered: Registered) -> None:
        super().__init__()
        self._site = site
        self._registered = registered

    def update(self, new: Iterable[tuple[bytes, EnvelopeRecord]]) -> None:  # type: ignore[override]
        for envelope_id, record in new:
            self._registered.begun.setdefault(envelope_id, self._site.now_ms)
            self[envelope_id] = record


class WokenWorld(World):
    """`World` with devices that register, and a host that they are woken by."""

    def __init__(self, seed: int, scenario: Scenario = WOKEN) -> None:
        super().__init__(seed, scenario)
        self.registered = Registered()
        self.site.history.stored = Begun(self.site, self.registered)
        self.push = PushHost(self.scheduler, self.rng, lambda: self.site.hosts)
        for host in self.site.hosts:
            host.wake = self.push.hear
        self.due = 0

    def _add_host(self) -> None:
        super()._add_host()
        if hasattr(self, "push"):
            self.site.hosts[-1].wake = self.push.hear

    def _begin(self) -> None:
        super()._begin()
        self.push.tend()
        for mailbox in self.mailboxes:
            if mailbox.policy.kind is not Kind.OUTBOX:
                self.site.clients.start(register(self.site, self.registered, mailbox))
        self.site.clients.start(absences(self.site, self.push))

    def _read_at_rest(self) -> None:
        self.push.up = True
        self.scheduler.run_until(self.scheduler.now_ms + 60_000)
        super()._read_at_rest()
        self._check_wakes()

    def _check_wakes(self) -> None:
        """For each envelope that nobody removed a wake came, not before it was first stored."""
        history = self.site.history
        for envelope_id in sorted(history.acknowledged - history.removing):
            record, begun_ms = history.stored[envelope_id], self.registered.begun[envelope_id]
            day = begun_ms // DAY_MS
            since = self.registered.since.get((record.mailbox_id, day))
            if since is None or since > begun_ms or record.expires_ms <= self.scheduler.now_ms:
                continue
            self.due += 1
            days_after = range(day - DAYS_AFTER, day + AHEAD + 1)
            told = [at for each in days_after for at in self.push.told.get(push_id(record.mailbox_id, each), ())]
            if not any(at >= begun_ms for at in told):
                raise BrokenPromiseError("nobody was woken for an acknowledged envelope")


def push_id(mailbox_id: bytes, day: int) -> bytes:
    return blake2b256(mailbox_id, day.to_bytes(4))


def register(site: Site, registered: Registered, mailbox: Mailbox) -> Client:
    """For today and some days ahead; and now and then again."""
    policy = mailbox.policy
    while not site.quiet:
        today = site.now_ms // DAY_MS
        for day in range(today, today + AHEAD + 1):
            new = Registration(push_id(policy.mailbox_id, day), (HOST_ID,), prompt=site.rng.random() < 0.5).encoded
            act = Act(policy, Method.REGISTER_PUSH, SLOT, registration_hash(SLOT, day, new))
            signed = act.authorize(mailbox.owner, site.now_ms, site.rng.randbytes(16))
            if (yield from done(site, mailbox, RegistrationRecord(policy, SLOT, day, new, signed))):
                registered.since.setdefault((policy.mailbox_id, day), site.now_ms)
        yield Sleep(site.rng.randrange(5_000, 60_000))


def absences(site: Site, push: PushHost) -> Client:
    """The push host comes and goes."""
    while not site.quiet:
        yield Sleep(site.rng.randrange(15_000))
        push.up = False
        yield Sleep(site.rng.choice((500, 4_000, 15_000)))
        push.up = True


# ---- planted bugs, for the proof that the check above can fail


class Forgetful(Waker):
    """Knows nothing of what was owed before a start."""

    def view_changed(self, now_ms: int) -> list[Effect]:
        self._derived = True
        return []


class Hasty(Waker):
    """Takes what it has said for heard."""

    def _tell(self, node_id: bytes, wakes: list) -> list[Effect]:  # type: ignore[type-arg]
        told = super()._tell(node_id, wakes)
        batches = [each.batch.batch for each in told if isinstance(each, effects.Wake)]
        return [*told, *(more for each in batches for more in self.taken(events.WakesTaken(node_id, each), 0))]


BUGS: dict[type[Waker], int] = {Forgetful: 118, Hasty: 1}
"""Each with the seed that found it last: the search begins there. (test_storage_waker.py has more.)"""


def node_with(bug: type[Waker]) -> type[StorageNode]:
    return type(bug.__name__, (StorageNode,), {"waker_type": bug})
