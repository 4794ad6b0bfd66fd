"""One run: a swarm, its clients, its misfortunes, an end to them, and what must be true then."""

from dataclasses import dataclass
from functools import partial
from random import Random

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.view import SwarmSizes
from essaim_storage import effects, events
from essaim_storage.arc import Arcs
from essaim_storage.message import Message
from essaim_storage.node import StorageNode
from essaim_storage.reconcile import Reconciler
from essaim_storage.tuning import Tuning
from simulated.authority import Authority, View
from simulated.client import DAY_MS, Mailbox, Reader, Site, claim_prekeys, read, write
from simulated.disk import MemoryStore
from simulated.fault import ABSENCES, ALL, MOVES, Fault, end_all, join_all, misfortune, stop
from simulated.history import BrokenPromiseError, History
from simulated.host import Host
from simulated.network import Network
from simulated.process import Ask, Client, Clients, Sleep
from simulated.remembered import RememberedKey
from simulated.scheduler import Scheduler

ACTIVE_MS = 100_000
SMALL = 3
AWAY_MS = 15_000
"""Discovery takes a node that was silent for so long for dead."""
REST_MS = 400_000
"""How long everything may take to be the same at all members after the last fault."""
TUNING = Tuning(
    background_ms=20_000,
    digest_ids=16,
    fetch_ids=8,
    late_records=8,
    message_records=8,
    page_entries=12,
    unwanted_turns=3,
    foreign_ms=20_000,
)
"""Small, so that every limit is reached by a small run; times as in production, but the background's."""


@dataclass(frozen=True)
class Scenario:
    """What is tried, and what must hold at the end."""

    node_type: type[StorageNode] = StorageNode
    disk_type: type[MemoryStore] = MemoryStore
    faults: tuple[Fault, ...] = ALL
    moves: tuple[Fault, ...] = MOVES
    """Beside the faults, in two of three runs."""
    always_moves: bool = False
    pace_ms: int = 9_000
    """Most time between two faults."""
    sizes: tuple[int, ...] = (3, 3, 3, 5)
    reads_next: bool = False
    attempts: int = 4
    """Members that a client tries for one request."""
    tuning: Tuning = TUNING
    same: bool = True
    """All members have the same at the end; else: every acknowledged store and removal is at every member."""


class HintsOnly(Reconciler):
    """Compares with nobody."""

    def _begin(self, member: bytes, among: Arcs | None = None) -> list[effects.Effect]:
        return []

    @property
    def incomplete(self) -> bool:
        return False


class HintsOnlyNode(StorageNode):
    """Hints alone must bring every acknowledged envelope to every member, where disks keep what they have."""

    reconciler_type = HintsOnly


HINTS_ONLY = Scenario(HintsOnlyNode, faults=ABSENCES, moves=(), attempts=1, same=False)


@dataclass(frozen=True)
class Report:
    """What a run did."""

    acknowledged: int
    removed: int
    quorum_reads: int
    notes: int
    claims: int
    moves: int
    """That ended, or were taken back."""
    days: int
    """That passed while a node was away."""
    steps: int


class World:
    """Everything follows from the seed."""

    def __init__(self, seed: int, scenario: Scenario | None = None) -> None:
        self.scenario = scenario or Scenario()
        self.rng = Random(seed)
        self.scheduler = Scheduler()
        size = self.rng.choice(self.scenario.sizes)
        moving = bool(self.scenario.moves) and (self.scenario.always_moves or seed % 3 > 0)
        self.faults = (*self.scenario.faults, *self.scenario.moves) if moving else self.scenario.faults
        self.network = Network(self.scheduler, self.rng, self._deliver, self._up, self._down)
        self._by_id: dict[bytes, Host] = {}
        self.authority = Authority(self.rng, SwarmSizes(size, size, size + 2), self._is_alive)
        clients = Clients(self.scheduler, self.rng)
        self.site = Site(
            self.scheduler, self.rng, [], clients, History(), self.authority, self.scenario.attempts,
            most_hosts=9 if size == SMALL else 8, fewest_hosts=size, add_host=self._add_host,
            reads_next=self.scenario.reads_next,
        )  # fmt: skip
        for _ in range(self.rng.choice((size, size + 1, 2 * size)) if moving and size == SMALL else size):
            self._add_host()
        self.mailboxes = _mailboxes(self.rng)
        self.readers = [Reader(mailbox) for mailbox in self.mailboxes for _ in range(2)]

    @property
    def hosts(self) -> list[Host]:
        """Those that are not gone for good."""
        return self.site.hosts

    def _add_host(self) -> None:
        node_id = self.rng.randbytes(32)
        types = (self.scenario.node_type, self.scenario.disk_type)
        host = Host(node_id, self.scheduler, self.rng, *types, self.scenario.tuning, self.authority)
        host.network = self.network
        host.die = partial(stop, self.site, self.network, host)
        self._by_id[node_id] = host
        self.site.hosts.append(host)
        self.authority.add(node_id)
        if self.authority.view.serial:
            host.start()

    def _is_alive(self, node_id: bytes) -> bool:
        host = self._by_id[node_id]
        return not host.retired and self.scheduler.now_ms - host.seen_ms < AWAY_MS

    def _tick(self) -> None:
        """Discovery, every second."""
        for host in self.hosts:
            host.tend()
            if host.runs and self.authority.is_leaving(host.node_id) and not self._is_placed(host):
                stop(self.site, self.network, host)
                host.retired = True
        before = self.authority.view
        if self.authority.turn(self.scheduler.now_ms):
            self.site.former = before
            for host in self.hosts:
                host.hear_of_views()
        self.site.hosts = [host for host in self.hosts if not host.retired]
        self.scheduler.after(1_000, self._tick)

    def _is_placed(self, host: Host) -> bool:
        return host.node_id in host.view.places or host.node_id in self.authority.view.places

    def run(self) -> Report:
        """Raises BrokenPromiseError."""
        self._begin()
        self.scheduler.run_until(self.scheduler.now_ms + ACTIVE_MS)
        self.site.quiet = True
        end_all(self.site, self.network)
        self.settle()
        history = self.site.history
        return Report(
            acknowledged=len(history.acknowledged),
            removed=len(history.removed),
            quorum_reads=history.quorum_reads,
            notes=history.notes,
            claims=len(history.claims),
            moves=self.authority.ended + self.authority.aborted,
            days=self.scheduler.slept_ms // DAY_MS,
            steps=self.scheduler.steps,
        )

    def settle(self) -> None:
        """Raises BrokenPromiseError unless all comes to rest, and nothing is missing then."""
        self._rest()
        self._read_at_rest()

    def _begin(self) -> None:
        for host in self.hosts:
            host.start()
        self._tick()
        join_all(self.site, self.network)
        self.scheduler.run_until(self.scheduler.now_ms + self.rng.choice((0, 4_000)))
        start = self.site.clients.start
        for mailbox in self.mailboxes:
            start(write(self.site, mailbox, 5_000))
        for reader in self.readers:
            start(read(self.site, reader, 6_000))
        start(claim_prekeys(self.site, self.mailboxes[1]))
        start(misfortune(self.site, self.network, self.faults, self.scenario.pace_ms))

    def _rest(self) -> None:
        """Until all clients ended and all members are the same."""
        for _ in range(REST_MS // 5_000):
            self.scheduler.run_until(self.scheduler.now_ms + 5_000)
            end_all(self.site, self.network)
            if self.site.clients.running == 0 and self._has_converged():
                return
        raise BrokenPromiseError("the members do not become the same")

    def _has_converged(self) -> bool:
        return self._same() if self.scenario.same else self._acknowledged_everywhere()

    def _keepers(self, mailbox: Mailbox) -> list[Host]:
        members = self.authority.view.now(mailbox.policy.mailbox_id)
        return [self._by_id[node_id] for node_id in sorted(members)]

    def _acknowledged_everywhere(self) -> bool:
        history, now_ms = self.site.history, self.scheduler.now_ms
        due = {each for mailbox in self.mailboxes for each in history.due(mailbox.policy.mailbox_id, now_ms)}
        return all(due <= (ids := host.disk.all_ids()) and not history.removed & ids for host in self.hosts)

    def _same(self) -> bool:
        """Every node is in its place; and the members of each mailbox are complete and have the same records, but those
        that one has purged before the other."""
        return self._all_placed() and all(self._is_same(mailbox) for mailbox in self.mailboxes)

    def _all_placed(self) -> bool:
        """No move is under way, every node knows the newest view and has nothing foreign."""
        view = self.authority.view
        if view.moves or not all(host.runs and host.view.serial == view.serial for host in self.hosts):
            return False
        return not any(host.disk.holds_outside(_kept(view, host)) for host in self.hosts)

    def _is_same(self, mailbox: Mailbox) -> bool:
        hosts, now_ms = self._keepers(mailbox), self.scheduler.now_ms
        alive = {host.disk.living_ids(mailbox.policy.mailbox_id, now_ms) for host in hosts}
        return len(alive) == 1 and all(host.node is not None and not host.node.incomplete for host in hosts)

    def _read_at_rest(self) -> None:
        """Every member alone gives every reader what it misses, and nothing that is gone."""
        self.site.quiet = False
        for reader in self.readers:
            for host in self._keepers(reader.mailbox):
                self.site.clients.start(self._check(reader, host, reader.cursor, set(reader.seen)))
                self.site.clients.start(self._check(reader, host, b"", set()))
        self.scheduler.run_until(self.scheduler.now_ms + 10_000)
        if self.site.clients.running:
            raise BrokenPromiseError("a reader had no answer")

    def _check(self, reader: Reader, host: Host, cursor: bytes, seen: set[bytes]) -> Client:
        history, now_ms = self.site.history, self.scheduler.now_ms
        got: set[bytes] = set()
        more = True
        while more:
            query = events.Query(reader.mailbox_id, b"", Cursor.parse(cursor), 16_384)
            page = yield Ask(host, partial(_retrieve, query))
            if not isinstance(page, effects.Retrieved) or page.incomplete:
                raise BrokenPromiseError("no complete answer at rest")
            got.update(each.envelope_id for each in page.envelopes)
            cursor, more = page.cursor, page.more
            yield Sleep(0)
        if history.due(reader.mailbox_id, now_ms) - got - seen:
            raise BrokenPromiseError("an acknowledged envelope is lost, or skipped by a cursor")
        if any(history.must_be_gone(history.stored[each], now_ms) for each in got):
            raise BrokenPromiseError("a removed or expired envelope came back")

    def _deliver(self, to: bytes, sender: bytes, message: Message, serial: int) -> None:
        self._by_id[to].hear(sender, message, serial)

    def _up(self, node_id: bytes, peer: bytes) -> None:
        self._by_id[node_id].handle(events.LinkUp(peer))

    def _down(self, node_id: bytes, peer: bytes) -> None:
        self._by_id[node_id].handle(events.LinkDown(peer))


def _kept(view: View, host: Host) -> Arcs:
    return Arcs.of(part for each in view.ranges(host.node_id) for part in each.arcs.parts)


def _retrieve(query: events.Query, request: int) -> events.Event:
    return events.RetrieveAsked(request, query)


def _mailboxes(rng: Random) -> list[Mailbox]:
    """One of each kind."""
    keys = [(SigningKey(rng.randbytes(32)), SigningKey(rng.randbytes(32))) for _ in range(3)]
    public = [(RememberedKey(owner.public.raw), RememberedKey(writer.public.raw)) for owner, writer in keys]
    policies = [Policy.public_inbox(public[0][0]), Policy.outbox(public[1][0]), Policy.private_inbox(*public[2])]
    writers = [keys[0][1], keys[1][0], keys[2][1]]
    return [Mailbox(policy, owner, writer) for policy, (owner, _), writer in zip(policies, keys, writers, strict=True)]
