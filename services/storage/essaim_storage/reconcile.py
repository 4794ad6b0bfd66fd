"""Coming back: a node is `incomplete` from each start until it has what it missed, and goes on comparing after.

A disk that was settled before still holds all that it ever acknowledged, so with r - W others it makes r - W + 1
members: one of them has any acknowledged record. A fresh disk (new, or lost) needs r - W + 1 others that are not fresh
themselves; or simply all the others, as when a swarm starts for the first time.
"""

from collections.abc import Callable
from dataclasses import dataclass

from essaim_storage.effects import CancelTimer, Effect, Forget, Send, SetSettled, SetTimer
from essaim_storage.journal import Journal, Settled, Verdict
from essaim_storage.message import Digest, Fetch, Hello, Records
from essaim_storage.record import record_id
from essaim_storage.replica import Replica
from essaim_storage.round import Round, answer_digest, answer_fetch
from essaim_storage.store import Store
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning


@dataclass(frozen=True, slots=True)
class RoundTimer:
    """A member has not answered."""

    member: bytes


@dataclass(frozen=True, slots=True)
class BackgroundTimer:
    """Time for the next reconciliation."""


@dataclass(frozen=True, slots=True)
class RepairWaits:
    """A round waits for a fetched record."""

    member: bytes
    number: int


@dataclass(frozen=True, slots=True)
class ForgetWaits:
    """A bad record is gone from the disk."""

    record_id: bytes


@dataclass(frozen=True, slots=True)
class SettleWaits:
    """The flag that this disk is settled."""


NOT_KEPT = frozenset((Verdict.REMOVED, Verdict.SUPERSEDED, Verdict.DROPPED))
"""A fetched record that is not to be here: not fetched again for a while. One that expired may have been put off by an
expiry record that is still to come.
"""


class Reconciler:
    """The rounds under way, and whether this node is complete."""

    def __init__(
        self,
        swarm: Swarm,
        store: Store,
        journal: Journal,
        replica: Replica,
        tuning: Tuning,
        random: Callable[[int], bytes],
    ) -> None:
        self._swarm = swarm
        self._store = store
        self._journal = journal
        self._replica = replica
        self._tuning = tuning
        self._number = int.from_bytes(random(4)) << 20
        self._intact = store.settled()
        self._rounds: dict[bytes, Round] = {}
        self._fresh: dict[bytes, bool] = {}
        self._done: set[bytes] = set()
        self._doomed: set[bytes] = set()
        self._unwanted: set[bytes] = set()
        self._turn = 0
        self._settling = False
        self.incomplete = True

    def started(self) -> list[Effect]:
        return [SetTimer(BackgroundTimer(), self._tuning.again_ms)]

    def members_changed(self) -> list[Effect]:
        """Greet who may have become a member, and see whether that was all."""
        self._unwanted.clear()
        effects = [
            effect for member in self._swarm.others if member not in self._fresh for effect in self.link_up(member)
        ]
        return [*effects, *self._judge()]

    def link_up(self, member: bytes) -> list[Effect]:
        """Say hello, and fetch what was missed."""
        if not self._swarm.reaches(member):
            return []
        self._rounds.pop(member, None)
        return [self._greet(member), *self._begin(member)]

    def link_down(self, member: bytes) -> list[Effect]:
        return self._give_up(member)

    def hello(self, member: bytes, hello: Hello) -> list[Effect]:
        """A member that was fresh and is not any more has what it had not when it was compared with: once more."""
        mended = self._fresh.get(member, False) and not hello.fresh
        self._fresh[member] = hello.fresh
        if mended and self.incomplete:
            self._done.discard(member)
            self._rounds.pop(member, None)
            return self._begin(member)
        return self._judge()

    def digest(self, member: bytes, digest: Digest) -> list[Effect]:
        """A question is answered; an answer leads on."""
        if digest.reply_wanted:
            return [Send(member, answer_digest(digest, self._store, self._tuning.digest_ids))]
        current = self._rounds.get(member)
        if current is None:
            return []
        current.digest(digest)
        return self._go_on(current)

    def fetch(self, member: bytes, fetch: Fetch, now_ms: int) -> list[Effect]:
        return [Send(member, answer_fetch(fetch, self._store, self._tuning, now_ms))]

    def records(self, member: bytes, records: Records, now_ms: int) -> list[Effect]:
        """What was fetched is checked like any record, and committed."""
        current = self._rounds.get(member)
        if current is None:
            return []
        for record in current.records(records):
            if self._replica.refusal(record, now_ms):
                self._unwanted.add(record_id(record))
            else:
                current.uncommitted += 1
                self._journal.submit(record, RepairWaits(member, current.number))
        return self._go_on(current)

    def settled(self, settled: Settled) -> list[Effect]:
        """A fetched record, or the flag, is durable or was refused."""
        if isinstance(settled.waiter, SettleWaits):
            return self._flag_settled(settled.verdict)
        waiter = settled.waiter
        if isinstance(waiter, ForgetWaits):
            return self._forgotten(waiter.record_id, settled.verdict)
        assert isinstance(waiter, RepairWaits)
        current = self._rounds.get(waiter.member)
        if current is None or current.number != waiter.number:
            return []
        if settled.verdict is Verdict.FULL:
            return self._give_up(waiter.member)
        if settled.verdict in NOT_KEPT:
            self._unwanted.add(settled.record_id)
        current.uncommitted -= 1
        return self._go_on(current)

    def bad(self, of_id: bytes) -> list[Effect]:
        """A record here is lost: this disk is not what it acknowledged, until it has it again."""
        self._intact, self.incomplete = False, True
        self._done.clear()
        self._rounds.clear()
        self._doom(of_id)
        return self._greet_all()

    def _doom(self, of_id: bytes) -> None:
        """No round may begin before the record is gone: until then the fingerprints have it."""
        self._doomed.add(of_id)
        self._journal.change_first(Forget(of_id), ForgetWaits(of_id))
        self._journal.change_first(SetSettled(settled=False))

    def _forgotten(self, of_id: bytes, verdict: Verdict) -> list[Effect]:
        if verdict is Verdict.FULL:
            return []
        self._doomed.discard(of_id)
        return self._begin_all()

    def round_missing(self, member: bytes) -> list[Effect]:
        """The round timer fired."""
        return self._give_up(member)

    def time_is_come(self) -> list[Effect]:
        """The background timer fired: all the missing while incomplete, else the next in turn."""
        timer = SetTimer(BackgroundTimer(), self._tuning.again_ms if self.incomplete else self._tuning.background_ms)
        for of_id in sorted(self._doomed):
            self._doom(of_id)
        if self.incomplete:
            return [timer, *self._begin_all()]
        others = self._swarm.others
        self._turn += 1
        if self._turn % self._tuning.unwanted_turns == 0:
            self._unwanted.clear()
        return [timer, *(self._begin(others[self._turn % len(others)]) if others else [])]

    def _begin_all(self) -> list[Effect]:
        missing = [each for each in self._swarm.others if each not in self._done]
        return [*(effect for member in missing for effect in self._begin(member)), *self._judge()]

    def _begin(self, member: bytes) -> list[Effect]:
        if self._doomed or member in self._rounds or not self._swarm.reaches(member):
            return []
        self._number += 1 << 20
        self._rounds[member] = Round(member, self._number, self._store, self._tuning, self._unwanted)
        return self._go_on(self._rounds[member])

    def _go_on(self, current: Round) -> list[Effect]:
        effects = current.go_on()
        if not current.over:
            return [*effects, SetTimer(RoundTimer(current.member), self._tuning.round_ms)]
        del self._rounds[current.member]
        self._done.add(current.member)
        return [*effects, CancelTimer(RoundTimer(current.member)), *self._judge()]

    def _give_up(self, member: bytes) -> list[Effect]:
        if self._rounds.pop(member, None) is None:
            return []
        return [CancelTimer(RoundTimer(member))]

    def _enough(self) -> bool:
        others = set(self._swarm.others)
        done = self._done & others
        needed = self._swarm.read_quorum - (1 if self._intact else 0)
        counted = [each for each in done if not self._fresh.get(each, True)]
        return bool(self._swarm.members) and not self._doomed and (done == others or len(counted) >= needed)

    def _judge(self) -> list[Effect]:
        if self.incomplete and not self._settling and self._enough():
            if self._intact:
                return self._complete()
            self._settling = True
            self._journal.change(SetSettled(), SettleWaits())
        return []

    def _flag_settled(self, verdict: Verdict) -> list[Effect]:
        self._settling = False
        return [] if verdict is Verdict.FULL else self._complete()

    def _complete(self) -> list[Effect]:
        self.incomplete, self._intact = False, True
        return self._greet_all()

    def _greet(self, member: bytes) -> Effect:
        return Send(member, Hello(self._store.incarnation(), self.incomplete, fresh=not self._intact))

    def _greet_all(self) -> list[Effect]:
        return [self._greet(member) for member in self._swarm.others if self._swarm.reaches(member)]
