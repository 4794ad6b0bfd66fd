"""Rounds of reconciliation: after an absence, for a move, for a record that is bad or that a reader misses, and always.

A node is `incomplete` from each start until it has what it missed (completeness.py), and goes on comparing after.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from essaim.protocol.mailbox.record import Record
from essaim.protocol.mailbox.refusal import ExpiryRefusedError
from essaim.protocol.view.swarm import position_of
from essaim_storage.arc import Arcs
from essaim_storage.completeness import Completeness
from essaim_storage.effects import CancelTimer, Effect, Forget, Send, SetAdopted, SetSettled, SetTimer, TransferDone
from essaim_storage.journal import Journal, Settled, Verdict
from essaim_storage.message import Digest, Fetch, Hello, Question, Records
from essaim_storage.placement import Range
from essaim_storage.replica import Replica
from essaim_storage.round import Round, answer_fetch, answer_question, name_of
from essaim_storage.store import Store
from essaim_storage.swarm import Swarm
from essaim_storage.tally import NAME_SIZE
from essaim_storage.tuning import Tuning


@dataclass(frozen=True, slots=True)
class RoundTimer:
    """A member has not answered."""

    member: bytes


@dataclass(frozen=True, slots=True)
class BackgroundTimer:
    """Time for the next reconciliation."""


@dataclass(frozen=True, slots=True)
class TransferTimer:
    """Time to tell discovery again."""


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
    """The flag that this disk is settled; with it, the serial that it adopts."""

    serial: int
    losses: int


NOT_KEPT = frozenset((Verdict.REMOVED, Verdict.SUPERSEDED, Verdict.DROPPED, Verdict.OVER))
"""A fetched record that is not to be here: not fetched again for a while. One that expired may have been put off by an
expiry record that is still to come.
"""


class Reconciler:
    """The rounds under way, and what came of them."""

    completeness_type: ClassVar[type[Completeness]] = Completeness

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
        self._standing = self.completeness_type(swarm, store.settled())
        self._adopted: dict[bytes, int] = {}
        self._rounds: dict[bytes, Round] = {}
        self._doomed: set[bytes] = set()
        self._unwanted: set[bytes] = set()
        self._missed: deque[bytes] = deque(maxlen=tuning.missed_mailboxes)
        self._turn = 0
        self._answers: dict[bytes, int] = {}
        """In which turn the Hello of a member that lacks something was answered last."""
        self._settling = False
        self._losses = 0
        self._whole_since = -1
        """So many losses there had been when this node was last seen to be a spare."""
        self._finished: tuple[int, int] | None = None

    @property
    def incomplete(self) -> bool:
        """A reader may miss something here."""
        return bool(self._doomed) or self._standing.incomplete

    def started(self) -> list[Effect]:
        return [SetTimer(BackgroundTimer(), self._tuning.again_ms)]

    # ---- links and views

    def view_changed(self, before: tuple[Range, ...], *, next_view: bool) -> list[Effect]:
        """Greet who may have become a member, and see what that was all, or what more it takes."""
        self._unwanted.clear()
        self._standing.view_changed(before, next_view=next_view)
        known = frozenset().union(*(each.members for each in before))
        effects = [effect for each in self._swarm.others if each not in known for effect in self.link_up(each)]
        for member, current in tuple(self._rounds.items()):
            if not next_view or not current.scope <= self._swarm.source(member):
                effects += self._give_up(member)
        return [*effects, *self._begin_all()]

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
        standing = self._standing
        known = standing.fresh.get(member)
        standing.fresh[member] = hello.fresh
        self._adopted[member] = hello.adopted if hello.fresh else max(hello.adopted, self._adopted.get(member, 0))
        effects = self._greeted_back(member, first=known is None, lacks=hello.incomplete)
        if known and not hello.fresh and standing.unfinished():
            standing.forget(member)
            self._rounds.pop(member, None)
        if standing.lacks(member, self._adopted[member]):
            if member in self._rounds and self._rounds[member].adopted < self._adopted[member]:
                del self._rounds[member]
            effects += self._begin(member)
        return [*effects, *self._judge()]

    def _greeted_back(self, member: bytes, *, first: bool, lacks: bool) -> list[Effect]:
        """The first Hello of a member is answered: its view may be newer, so that it did not hear this node's.

        So is, once a turn, that of a member which lacks something: it says it again when it has forgotten this node's
        (it had no place by a view that this node skipped).
        """
        asked = lacks and self._answers.get(member) != self._turn
        if not (first or asked) or not self._swarm.reaches(member):
            return []
        self._answers[member] = self._turn
        return [self._greet(member)]

    def adopted(self) -> list[Effect]:
        """The disk has adopted the serial of a move: others may compare now, and this node counts for itself."""
        return [*self.greet_all(), *self._judge()]

    def greet_all(self) -> list[Effect]:
        """Something about this node has changed that others want to know."""
        return [self._greet(member) for member in self._swarm.others if self._swarm.reaches(member)]

    # ---- what members ask

    def question(self, member: bytes, question: Question) -> list[Effect]:
        """Silence, not an empty answer, about what the two do not share by this node's view."""
        if not Arcs((question.part.arc,)) <= self._swarm.shared(member):
            return []
        return self._answered(member, answer_question(question, self._store, self._tuning.digest_ids))

    def fetch(self, member: bytes, fetch: Fetch, now_ms: int) -> list[Effect]:
        return self._answered(member, answer_fetch(fetch, self._store, self._tuning, now_ms))

    def _answered(self, member: bytes, answer: Digest | Records) -> list[Effect]:
        """Never before this process has said hello: what the member asked may have been meant for an earlier disk of
        this node, and would be taken for that one's answer."""
        greeting = [] if self._swarm.reaches(member) else [self._greet(member)]
        return [*greeting, Send(member, answer)]

    # ---- what they answer

    def digest(self, member: bytes, digest: Digest) -> list[Effect]:
        current = self._rounds.get(member)
        if current is None:
            return []
        current.digest(digest)
        return self._go_on(current)

    def records(self, member: bytes, records: Records, now_ms: int) -> list[Effect]:
        """What was fetched is checked like any record, and committed."""
        current = self._rounds.get(member)
        if current is None:
            return []
        for record in current.records(records):
            reason = self._replica.refusal(record, now_ms)
            if not reason:
                current.uncommitted += 1
                self._journal.submit(record, RepairWaits(member, current.number))
            elif _may_be_kept_later(record, reason, now_ms):
                current.kept_back = True
            else:
                self._unwanted.add(name_of(record))
        return self._go_on(current)

    def settled(self, settled: Settled) -> list[Effect]:
        """A fetched record, or the flag, is durable or was refused."""
        if isinstance(settled.waiter, SettleWaits):
            return self._flag_settled(settled.waiter, settled.verdict)
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
            self._unwanted.add(settled.record_id[:NAME_SIZE])
        if settled.verdict is Verdict.EXPIRED and settled.record is not None:
            current.expired(settled.record)
        current.uncommitted -= 1
        return self._go_on(current)

    # ---- damage

    def bad(self, of_id: bytes) -> list[Effect]:
        """A record here is lost: this disk is not what it acknowledged, until it has it again."""
        self._losses += 1
        self._standing.lost()
        self._rounds.clear()
        self._finished = None
        self._doom(of_id)
        return self.greet_all()

    def _doom(self, of_id: bytes) -> None:
        """No round may begin before the record is gone: until then the sums have it."""
        self._doomed.add(of_id)
        self._journal.change_first(Forget(of_id), ForgetWaits(of_id))
        self._journal.change_first(SetSettled(settled=False))

    def _forgotten(self, of_id: bytes, verdict: Verdict) -> list[Effect]:
        if verdict is Verdict.FULL:
            return []
        self._doomed.discard(of_id)
        return self._begin_all()

    def missed(self, mailbox_id: bytes) -> list[Effect]:
        """Read repair: a reader has, or names, what is not here. Compare this mailbox alone with who answers first."""
        if mailbox_id not in self._missed:
            self._missed.append(mailbox_id)
        return self._mend()

    def _mend(self) -> list[Effect]:
        free = [each for each in self._swarm.others if each not in self._rounds and self._swarm.reaches(each)]
        if self._doomed or not self._missed or not free:
            return []
        position = position_of(self._missed.popleft())
        return [effect for member in free for effect in self._begin(member, Arcs(((position, position),)))]

    # ---- rounds

    def round_missing(self, member: bytes) -> list[Effect]:
        """The round timer fired."""
        return self._give_up(member)

    def time_is_come(self) -> list[Effect]:
        """The background timer fired: all that help while something is unfinished, else the next in turn."""
        unfinished = self._doomed or self._standing.unfinished()
        timer = SetTimer(BackgroundTimer(), self._tuning.again_ms if unfinished else self._tuning.background_ms)
        for of_id in sorted(self._doomed):
            self._doom(of_id)
        self._say_whole()
        self._turn += 1
        if self._turn % self._tuning.unwanted_turns == 0:
            self._unwanted.clear()
        if unfinished:
            return [timer, *self._ask_who_they_are(), *self._begin_all()]
        others = self._swarm.others
        return [timer, *(self._begin(others[self._turn % len(others)]) if others else [])]

    def _ask_who_they_are(self) -> list[Effect]:
        """By a Hello, which is answered: what members say of their disks decides whether comparing with them counts."""
        silent = (each for each in self._swarm.others if each not in self._standing.fresh)
        return [self._greet(member) for member in silent if self._swarm.reaches(member)]

    def _begin_all(self) -> list[Effect]:
        helpful = [each for each in self._swarm.others if self._standing.lacks(each, self._adopted.get(each, 0))]
        return [*(effect for member in helpful for effect in self._begin(member)), *self._judge()]

    def _begin(self, member: bytes, among: Arcs | None = None) -> list[Effect]:
        scope = self._swarm.source(member) if among is None else self._swarm.source(member) & among
        if self._doomed or not scope or member in self._rounds or not self._swarm.reaches(member):
            return []
        self._number += 1 << 20
        adopted = self._adopted.get(member, 0)
        self._rounds[member] = Round(
            member, self._number, scope, adopted, self._store, self._tuning, self._unwanted, whole=among is None
        )
        return self._go_on(self._rounds[member])

    def _go_on(self, current: Round) -> list[Effect]:
        effects = current.go_on()
        if not current.over:
            return [*effects, SetTimer(RoundTimer(current.member), self._tuning.round_ms)]
        member = current.member
        del self._rounds[member]
        if current.whole and not current.kept_back:
            self._standing.compared(member, current.scope, current.adopted)
        effects += [CancelTimer(RoundTimer(member)), *self._judge()]
        if not current.kept_back and self._standing.lacks(member, self._adopted.get(member, 0)):
            effects += self._begin(member)
        return [*effects, *self._mend()]

    def _give_up(self, member: bytes) -> list[Effect]:
        if self._rounds.pop(member, None) is None:
            return []
        return [CancelTimer(RoundTimer(member))]

    # ---- what they come to

    def _judge(self) -> list[Effect]:
        if self._doomed:
            return []
        before = self._standing.incomplete
        if self._standing.judge():
            self._settle()
        return [*(self.greet_all() if before and not self._standing.incomplete else []), *self._tell_of_move()]

    def spare(self) -> None:
        """By a view made after this process began, this node has no place. So its disk, were it ever so new, holds all
        that it will have acknowledged when it has one: what an earlier disk acknowledged moved to others before.

        A member that joined can then stand in for one that is gone, though it has not caught up yet (adr/0019).
        """
        self._whole_since = self._losses
        self._say_whole()

    def _say_whole(self) -> None:
        """Again, where the disk was full."""
        if self._whole_since == self._losses and not self._standing.intact and not self._doomed:
            self._settle()

    def _settle(self) -> None:
        """The disk shall say that it is intact."""
        if not self._settling:
            self._settling = True
            self._journal.change(SetAdopted(self._swarm.floor))
            self._journal.change(SetSettled(), SettleWaits(self._swarm.floor, self._losses))

    def _flag_settled(self, waiter: SettleWaits, verdict: Verdict) -> list[Effect]:
        self._settling = False
        if verdict is Verdict.FULL:
            return []
        self._swarm.adopted = max(self._swarm.adopted, waiter.serial)
        if waiter.losses != self._losses:  # something went bad on the way: what the disk says is not true any more
            self._journal.change_first(SetSettled(settled=False))
            return []
        self._standing.settle()
        return [*self.greet_all(), *self._tell_of_move()]

    def _tell_of_move(self) -> list[Effect]:
        """As soon as it is so, and then from time to time."""
        finished = self._standing.finished_move()
        if finished == self._finished:
            return []
        self._finished = finished
        return self.tell_again()

    def tell_again(self) -> list[Effect]:
        """The transfer timer fired."""
        if self._finished is None:
            return [CancelTimer(TransferTimer())]
        return [TransferDone(*self._finished), SetTimer(TransferTimer(), self._tuning.transfer_ms)]

    def _greet(self, member: bytes) -> Effect:
        fresh = not self._standing.intact
        return Send(member, Hello(self._store.incarnation(), self.incomplete, fresh, self._swarm.adopted))


def _may_be_kept_later(record: Record, reason: str, now_ms: int) -> bool:
    """By this node's clock it is signed for later than now: then the clock may be wrong."""
    return reason == ExpiryRefusedError.reason and record.expires_ms > now_ms
