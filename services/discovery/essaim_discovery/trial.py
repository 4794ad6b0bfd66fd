"""A round of node tests: who was drawn, what they reported, and what that comes to. docs/protocol/node-tests.md.

A round begins with a view that draws tests and is judged when the next one begins. It counts what *drawn* testers say:
silence is no failure, a liar is one of many, and a round in which a whole part of the network fails is void.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from essaim.protocol.view.testers import Candidate, Draw, TestKind, draw

MOST_CREDIT = 12
"""What a node begins with. A round that it passes earns one."""
COST: Mapping[TestKind, int] = MappingProxyType({TestKind.REACHABILITY: 1, TestKind.STORAGE: 4})
"""Of a failed round: 12 in a row for reachability, 3 for storage, and no credit is left."""
LEAST_TESTERS = 2
"""No single tester's word is enough, however small the network."""
VOID_SHARE = 4
"""A round is void for a kind when more than one of so many nodes, or words, say that it failed."""


@dataclass(frozen=True)
class Votes:
    """What the testers of one node said: bit i is the word of its i-th tester."""

    passed: int = 0
    failed: int = 0


def _none() -> Mapping[tuple[TestKind, bytes], Votes]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Round:
    """`serial` 0: there was none yet."""

    serial: int
    began_ms: int
    seed: bytes
    candidates: tuple[Candidate, ...]
    votes: Mapping[tuple[TestKind, bytes], Votes] = field(default_factory=_none)

    @cached_property
    def draw(self) -> Draw:
        """The testers of each (kind, node id)."""
        return draw(self.seed, self.candidates)

    def has_drawn(self, tester: bytes, kind: TestKind, node_id: bytes) -> bool:
        """Whether that tester was to test that node."""
        return tester in self.draw.get((kind, node_id), ())

    def with_word(self, tester: bytes, kind: TestKind, node_id: bytes, *, passed: bool) -> "Round":
        """With what a drawn tester says. Its first word counts."""
        subject = (kind, node_id)
        bit = 1 << self.draw[subject].index(tester)
        votes = self.votes.get(subject, Votes())
        if (votes.passed | votes.failed) & bit:
            return self
        said = replace(votes, passed=votes.passed | bit) if passed else replace(votes, failed=votes.failed | bit)
        return replace(self, votes={**self.votes, subject: said})

    def judge(self) -> "Judgement":
        """What the reports come to."""
        failed = {
            subject for kind in TestKind if not self._is_void(kind) for subject in self.draw if subject[0] == kind
        }
        passed = {subject for subject in self.votes if self._passed(subject)}
        return Judgement(frozenset(passed), frozenset(filter(self._failed, failed)))

    def _is_void(self, kind: TestKind) -> bool:
        """So much failed that it says something of the network, not of nodes: more than a quarter of the nodes, or of
        the words that were said, the worst node left out."""
        subjects = [subject for subject in self.draw if subject[0] == kind]
        votes = [self.votes.get(subject, Votes()) for subject in subjects]
        against = [each.failed.bit_count() for each in votes]
        words = sum(against) + sum(each.passed.bit_count() for each in votes)
        nodes = sum(map(self._failed, subjects))
        beside_the_worst = sum(against) - max(against, default=0)
        return nodes > max(1, len(subjects) // VOID_SHARE) or beside_the_worst > words // VOID_SHARE

    def _failed(self, subject: tuple[TestKind, bytes]) -> bool:
        """Two thirds and more of those drawn, whether they spoke or not."""
        testers = len(self.draw[subject])
        votes = self.votes.get(subject, Votes()).failed.bit_count()
        return testers >= LEAST_TESTERS and votes >= 2 * testers // 3 + 1

    def _passed(self, subject: tuple[TestKind, bytes]) -> bool:
        """More than half of those drawn."""
        return self.votes[subject].passed.bit_count() > len(self.draw[subject]) // 2


@dataclass(frozen=True)
class Judgement:
    """(kind, node id) of whom a quorum of testers failed, and of whom more than half passed; nobody is in both."""

    passed: frozenset[tuple[TestKind, bytes]]
    failed: frozenset[tuple[TestKind, bytes]]

    def credit_of(self, node_id: bytes, credit: int) -> int:
        """A node's credit after the round: one more when it passed and failed nothing, up to MOST_CREDIT."""
        cost = sum(COST[kind] for kind, each in self.failed if each == node_id)
        earned = not cost and any((kind, node_id) in self.passed for kind in TestKind)
        return min(MOST_CREDIT, max(0, credit - cost + earned))


NO_ROUND = Round(0, 0, b"", ())


def failed_kinds(judgement: Judgement, node_id: bytes) -> Iterable[TestKind]:
    """The kinds that a node failed, ascending."""
    return sorted(kind for kind, each in judgement.failed if each == node_id)
