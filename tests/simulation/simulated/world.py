"""One run: a swarm, its clients, its misfortunes, an end to them, and what must be true then."""

from dataclasses import dataclass
from functools import partial
from random import Random

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.policy import Policy
from essaim_storage import effects, events
from essaim_storage.arc import Arcs
from essaim_storage.message import Message
from essaim_storage.node import StorageNode
from essaim_storage.reconcile import Reconciler
from essaim_storage.tuning import Tuning
from simulated.client import Mailbox, Reader, Site, claim_prekeys, read, write
from simulated.disk import MemoryStore
from simulated.fault import ABSENCES, ALL, Fault, end_all, join_all, misfortune
from simulated.history import BrokenPromiseError, History
from simulated.host import Host
from simulated.network import Network
from simulated.process import Ask, Client, Clients, Sleep
from simulated.scheduler import Scheduler

ACTIVE_MS = 100_000
REST_MS = 300_000
"""How long everything may take to be the same at all members after the last fault."""
TUNING = Tuning(
    background_ms=20_000,
    digest_ids=16,
    fetch_ids=8,
    late_records=8,
    message_records=8,
    page_entries=12,
    unwanted_turns=3,
)
"""Small, so that every limit is reached by a small run; times as in production, but the background's."""


@dataclass(frozen=True)
class Scenario:
    """What is tried, and what must hold at the end."""

    node_type: type[StorageNode] = StorageNode
    disk_type: type[MemoryStore] = MemoryStore
    faults: tuple[Fault, ...] = ALL
    sizes: tuple[int, ...] = (3, 3, 3, 5)
    attempts: int = 4
    """Members that a client tries for one request."""
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


HINTS_ONLY = Scenario(HintsOnlyNode, faults=ABSENCES, attempts=1, same=False)


@dataclass(frozen=True)
class Report:
    """What a run did."""

    acknowledged: int
    removed: int
    quorum_reads: int
    notes: int
    claims: int
    steps: int


class World:
    """Everything follows from the seed."""

    def __init__(self, seed: int, scenario: Scenario | None = None) -> None:
        self.scenario = scenario or Scenario()
        self.rng = Random(seed)
        self.scheduler = Scheduler()
        size = self.rng.choice(self.scenario.sizes)
        members = frozenset(self.rng.randbytes(32) for _ in range(size))
        self.hosts = [
            Host(node_id, self.scheduler, self.rng, self.scenario.node_type, self.scenario.disk_type, TUNING, members)
            for node_id in sorted(members)
        ]
        self.network = Network(self.scheduler, self.rng, self._deliver, self._up, self._down)
        for host in self.hosts:
            host.network = self.network
        clients = Clients(self.scheduler, self.rng)
        read_quorum = size - size // 2
        self.site = Site(self.scheduler, self.rng, self.hosts, clients, History(), read_quorum, self.scenario.attempts)
        self.mailboxes = _mailboxes(self.rng)
        self.readers = [Reader(mailbox) for mailbox in self.mailboxes for _ in range(2)]

    def run(self) -> Report:
        """Raises BrokenPromiseError."""
        self._begin()
        self.scheduler.run_until(self.scheduler.now_ms + ACTIVE_MS)
        self.site.quiet = True
        end_all(self.site, self.network)
        self._rest()
        self._read_at_rest()
        history = self.site.history
        return Report(
            acknowledged=len(history.acknowledged),
            removed=len(history.removed),
            quorum_reads=history.quorum_reads,
            notes=history.notes,
            claims=len(history.claims),
            steps=self.scheduler.steps,
        )

    def _begin(self) -> None:
        for host in self.hosts:
            host.start()
        join_all(self.site, self.network)
        self.scheduler.run_until(self.scheduler.now_ms + self.rng.choice((0, 4_000)))
        start = self.site.clients.start
        for mailbox in self.mailboxes:
            start(write(self.site, mailbox, 5_000))
        for reader in self.readers:
            start(read(self.site, reader, 6_000))
        start(claim_prekeys(self.site, self.mailboxes[1]))
        start(misfortune(self.site, self.network, self.scenario.faults))

    def _rest(self) -> None:
        """Until all clients ended and all members are the same."""
        until = self.scheduler.now_ms + REST_MS
        while self.scheduler.now_ms < until:
            self.scheduler.run_until(self.scheduler.now_ms + 5_000)
            end_all(self.site, self.network)
            if self.site.clients.running == 0 and self._has_converged():
                return
        raise BrokenPromiseError("the members do not become the same")

    def _has_converged(self) -> bool:
        return self._same() if self.scenario.same else self._acknowledged_everywhere()

    def _acknowledged_everywhere(self) -> bool:
        history, now_ms = self.site.history, self.scheduler.now_ms
        due = {each for mailbox in self.mailboxes for each in history.due(mailbox.policy.mailbox_id, now_ms)}
        return all(due <= (ids := host.disk.all_ids()) and not history.removed & ids for host in self.hosts)

    def _same(self) -> bool:
        """Every member is complete and has the same records, but those that one has purged before the other."""
        now_ms = self.scheduler.now_ms
        alive = [frozenset(each for each in host.disk.all_ids() if _lives(host, each, now_ms)) for host in self.hosts]
        complete = all(host.node is not None and not host.node.incomplete for host in self.hosts)
        return complete and len(set(alive)) == 1

    def _read_at_rest(self) -> None:
        """Every member alone gives every reader what it misses, and nothing that is gone."""
        self.site.quiet = False
        for reader in self.readers:
            for host in self.hosts:
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

    def _deliver(self, to: bytes, sender: bytes, message: Message) -> None:
        self._host(to).hear(sender, message)

    def _up(self, node_id: bytes, peer: bytes) -> None:
        self._host(node_id).handle(events.LinkUp(peer))

    def _down(self, node_id: bytes, peer: bytes) -> None:
        self._host(node_id).handle(events.LinkDown(peer))

    def _host(self, node_id: bytes) -> Host:
        return next(host for host in self.hosts if host.node_id == node_id)


def _retrieve(query: events.Query, request: int) -> events.Event:
    return events.RetrieveAsked(request, query)


def _lives(host: Host, record_id: bytes, now_ms: int) -> bool:
    record = host.disk.record(record_id)
    return record is not None and record.expires_ms > now_ms


def _mailboxes(rng: Random) -> list[Mailbox]:
    """One of each kind."""
    keys = [(SigningKey(rng.randbytes(32)), SigningKey(rng.randbytes(32))) for _ in range(3)]
    policies = [
        Policy.public_inbox(keys[0][0].public),
        Policy.outbox(keys[1][0].public),
        Policy.private_inbox(keys[2][0].public, keys[2][1].public),
    ]
    writers = [keys[0][1], keys[1][0], keys[2][1]]
    return [Mailbox(policy, owner, writer) for policy, (owner, _), writer in zip(policies, keys, writers, strict=True)]
