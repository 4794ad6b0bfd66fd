"""Rounds of node tests on paper: discovery's real `apply`, real storage nodes that challenge each other, links that a
round may cut or slow, in simulated time.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from functools import partial
from random import Random

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.record import EnvelopeRecord, Record
from essaim.protocol.view import Genesis, NodeState, Parameters, Role, SwarmSizes
from essaim.protocol.view.testers import TestKind
from essaim.runtime.examiner import BEGIN_SHARE, END_SHARE, Subject, Word, doubt
from essaim.runtime.reachability import TRIES
from essaim.testing.registrant import Registrant
from essaim_discovery.apply import apply
from essaim_discovery.state import State
from essaim_discovery.transaction import BeginView, Tick
from essaim_storage import effects, events
from essaim_storage.effects import HoldingOutcome
from essaim_storage.message import Ack, Digest, Fetch, Message, Proofs, Records
from essaim_storage.node import StorageNode
from essaim_storage.placement import Range
from simulated.disk import MemoryStore
from simulated.network import Network
from simulated.scheduler import START_MS, Scheduler
from simulated.stage import DAY_MS, envelope, tombstone

STORES, RELAYS = 5, 6
PARAMETERS = Parameters(swarm_sizes=SwarmSizes(STORES, STORES, 2 * STORES))
KEY = SigningKey(bytes(31) + b"\7")
GENESIS = Genesis.create("paper", [KEY], PARAMETERS, [], START_MS)
ROUND_MS = PARAMETERS.away_seconds * 1_000
PAUSE_MS = 20_000
EXPIRES_MS = START_MS + 10 * DAY_MS
WORDS = {HoldingOutcome.HELD: Word.PASSED, HoldingOutcome.MISSING: Word.FAILED, HoldingOutcome.SILENT: Word.SILENT}
TRAFFIC_MS = 120_000
ANSWERS = (Ack, Digest, Records, Proofs)
TICK_MS = 5_000


class LyingStore(MemoryStore):
    """Says in every comparison that it has all its records, but the bytes of some are gone."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        super().__init__(random)
        self.dropped: set[bytes] = set()

    def record(self, record_id: bytes) -> Record | None:
        return None if record_id in self.dropped else super().record(record_id)


class Store:
    """A storage node on simulated time. `lag_ms`: most by which it is late in hearing each message."""

    def __init__(self, node_id: bytes, scheduler: Scheduler, rng: Random) -> None:
        self.node_id = node_id
        self.disk = LyingStore(rng.randbytes)
        self.node = StorageNode(node_id, self.disk, rng.randbytes)
        self.network: Network
        self.lag_ms = 0
        self.mute = False
        """It answers members nothing, be it what they store, compare or ask for."""
        self.looks = 0
        """Times that somebody whose challenge it left without an answer for long asked for something else."""
        self.outcomes: list[HoldingOutcome] = []
        self._scheduler = scheduler
        self._rng = rng
        self._heard_ms = 0
        self._timers: dict[Hashable, int] = {}
        self._answers: dict[int, Callable[[HoldingOutcome], None]] = {}
        self._requests = 0

    def handle(self, event: events.Event) -> None:
        for effect in self.node.handle(event, self._scheduler.now_ms):
            self._do(effect)

    def hear(self, sender: bytes, message: Message, serial: int) -> None:
        """One after the other, as late as this node is."""
        late = self._rng.randrange(self.lag_ms) if self.lag_ms else 0
        self.looks += isinstance(message, Fetch) and not message.names
        self._heard_ms = max(self._heard_ms, self._scheduler.now_ms + late)
        event = events.PeerMessage(sender, message, serial)
        self._scheduler.after(self._heard_ms - self._scheduler.now_ms, partial(self.handle, event))

    def request(self) -> int:
        self._requests += 1
        return self._requests

    def examine(self, member: bytes, seed: bytes, nonce: bytes, then: Callable[[HoldingOutcome], None]) -> None:
        request = self.request()
        self._answers[request] = then
        self.handle(events.ExamineAsked(request, member, seed, nonce))

    def _do(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Send(to, message) if not (self.mute and isinstance(message, ANSWERS)):
                self.network.send(self.node_id, to, message, self.node.view_serial)
            case effects.Commit(batch, changes):
                self._scheduler.after(5, partial(self._commit, batch, changes))
            case effects.SetTimer(timer, after_ms):
                self._set_timer(timer, after_ms)
            case effects.CancelTimer(timer):
                self._timers.pop(timer, None)
            case effects.Reply(request, effects.Examined(outcome)):
                self.outcomes.append(outcome)
                self._answers.pop(request)(outcome)

    def _commit(self, batch: int, changes: tuple[effects.Change, ...]) -> None:
        self.disk.apply(changes)
        self.handle(events.Committed(batch))

    def _set_timer(self, timer: Hashable, after_ms: int) -> None:
        serial = self._timers[timer] = self.request()

        def fire() -> None:
            if self._timers.get(timer) == serial:
                del self._timers[timer]
                self.handle(events.Fired(timer))

        self._scheduler.after(after_ms, fire)


class Town:
    """A swarm of five and six relays, whose nodes know each other long enough to be drawn."""

    def __init__(self, seed: int, records: int = 300) -> None:
        self.rng = Random(seed)
        self.scheduler = Scheduler()
        roles = [Role.STORAGE] * STORES + [Role.RELAY] * RELAYS
        self.nodes = [Registrant(GENESIS, number, role) for number, role in enumerate(roles)]
        self.network = Network(self.scheduler, self.rng, self._deliver, self._up, self._down)
        ids = [node.node_id for node in self.nodes[:STORES]]
        self.stores = {node_id: Store(node_id, self.scheduler, self.rng) for node_id in ids}
        self.liars: dict[bytes, Word] = {}
        """What they say of everybody."""
        self.number = 0
        self.living: list[EnvelopeRecord] = []
        self._words: dict[bytes, dict[Subject, Word]] = {}
        self._fill(records)
        self.state, _ = apply(State.of(GENESIS), Tick(START_MS))
        for node in self.nodes:
            self.do(node.register(self.state.now_ms))
        for _ in range(2):
            self.view()
        self._pass()
        self.view()

    def do(self, transaction: discovery_pb2.SignedTransaction | Tick | BeginView) -> None:
        self.state, _ = apply(self.state, transaction)

    def view(self) -> None:
        self.do(BeginView(self.state.serial + 1, self.rng.randbytes(32)))

    def _fill(self, records: int) -> None:
        self.living = [replace(envelope(str(at), EXPIRES_MS), received_ms=START_MS - ROUND_MS) for at in range(records)]
        ids = frozenset(self.stores)
        for store in self.stores.values():
            store.network = self.network
            store.disk.apply([effects.PutEnvelope(at + 1, each, False) for at, each in enumerate(self.living)])
            store.disk.apply([effects.SetSettled()])
            store.node = StorageNode(store.node_id, store.disk, self.rng.randbytes)
            store.handle(events.Started())
            store.handle(events.ViewChanged(1, (Range.still(ids),)))
        self._join()
        self._write()

    def _join(self) -> None:
        for one in self.stores:
            for other in self.stores:
                if one < other:
                    self.network.join(one, other)
        self.scheduler.after(TICK_MS, self._join)

    def _write(self) -> None:
        """Traffic: envelopes come and go at any member."""
        self.number += 1
        store = self.stores[self.rng.choice(sorted(self.stores))]
        record = replace(envelope(f"new {self.number}", EXPIRES_MS), received_ms=self.scheduler.now_ms)
        self.living.append(record)
        store.handle(events.StoreAsked(store.request(), (record,)))
        old = self.living.pop(self.rng.randrange(len(self.living)))
        store.handle(events.RemoveAsked(store.request(), tombstone(old, nonce=self.number.to_bytes(16))))
        self.scheduler.after(TRAFFIC_MS, self._write)

    def cut_off(self, node_id: bytes) -> None:
        """From all others, but not from discovery."""
        for other in self.nodes:
            if other.node_id != node_id:
                self.network.cut.add(frozenset((node_id, other.node_id)))
                self.network.part(node_id, other.node_id)

    # ---- rounds

    def round(self) -> None:
        """Everybody tests whom it was drawn for and reports, time passes, a view judges and draws anew."""
        drawn, self._words = self.state.round, {}
        for (kind, subject), testers in drawn.draw.items():
            for tester in testers:
                begin = self.rng.randrange(int(ROUND_MS * BEGIN_SHARE))
                test = partial(self._test, drawn.seed, tester, (kind, subject))
                self.scheduler.after(begin, test)
        end = self.scheduler.now_ms + int(ROUND_MS * END_SHARE)
        self.scheduler.run_until(end)
        self._report(drawn.serial)
        self._pass(ROUND_MS - int(ROUND_MS * END_SHARE))
        self.view()
        assert self.state.round.serial > drawn.serial

    def _pass(self, ms: int = ROUND_MS) -> None:
        self.scheduler.run_until(self.scheduler.now_ms + ms - 1)
        self.do(Tick(self.scheduler.now_ms))
        for node in self.nodes:
            self.do(node.prove())
        self.scheduler.run_until(self.scheduler.now_ms + 1)
        self.do(Tick(self.scheduler.now_ms))

    def _test(self, seed: bytes, tester: bytes, subject: Subject, tries: int = TRIES) -> None:
        kind, node_id = subject
        if kind == TestKind.STORAGE:
            nonce = self.rng.randbytes(32)
            self.stores[tester].examine(node_id, seed, nonce, partial(self._note, tester, subject))
        elif frozenset((tester, node_id)) not in self.network.cut:
            self._say(tester, subject, Word.PASSED)
        elif tries > 1:
            self.scheduler.after(PAUSE_MS, partial(self._test, seed, tester, subject, tries - 1))
        else:
            self._say(tester, subject, Word.FAILED)

    def _note(self, tester: bytes, subject: Subject, outcome: HoldingOutcome) -> None:
        self._say(tester, subject, WORDS.get(outcome, Word.UNSAID))

    def _say(self, tester: bytes, subject: Subject, word: Word) -> None:
        self._words.setdefault(tester, {})[subject] = self.liars.get(tester, word)

    def _report(self, serial: int) -> None:
        for node in self.nodes:
            words = self._words.get(node.node_id, {})
            if node.node_id not in self.liars:
                doubt(words)
            results = list(_results(words.items()))
            silent = [node_id for (_, node_id), word in words.items() if word is Word.SILENT]
            if results or silent:
                self.do(node.report(serial, *results, silent=silent))

    def expelled(self) -> set[bytes]:
        return {key for key, member in self.state.members.items() if member.state == NodeState.DECOMMISSIONED}

    def credit(self, node_id: bytes) -> int:
        return self.state.members[node_id].credit

    # ---- the network

    def _deliver(self, to: bytes, sender: bytes, message: Message, serial: int) -> None:
        self.stores[to].hear(sender, message, serial)

    def _up(self, node_id: bytes, peer: bytes) -> None:
        self.stores[node_id].handle(events.LinkUp(peer))

    def _down(self, node_id: bytes, peer: bytes) -> None:
        self.stores[node_id].handle(events.LinkDown(peer))


def _results(words: Iterable[tuple[Subject, Word]]) -> Iterable[discovery_pb2.TestResult]:
    for (kind, node_id), word in words:
        if word in (Word.PASSED, Word.FAILED):
            code = discovery_pb2.TestKind.ValueType(kind)
            yield discovery_pb2.TestResult(node_id=node_id, kind=code, passed=word is Word.PASSED)
