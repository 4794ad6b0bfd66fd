"""A round of node tests: who was drawn, what they reported, and what that comes to. docs/protocol/node-tests.md.

A round begins with a view that draws tests and is judged when the next one begins. It counts what *drawn* testers say:
silence is no failure, a liar is one of many, and a round in which a whole part of the network fails is void.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import cached_property
from types import MappingProxyType

from essaim.protocol.view.testers import Candidate, Draw, TestKind, draw

MOST_CREDIT = 12
"""What a node begins with. A round that it passes earns one."""
COST: Mapping[TestKind, int] = MappingProxyType({TestKind.REACHABILITY: 1, TestKind.STORAGE: 4})
"""Of a failed round: 12 in a row for reachability, 3 for storage, and no credit is left."""
SILENCE_COST = 1
"""Of a round in which a store answered the members of its swarm nothing: 12 in a row, and no credit is left."""
LEAST_TESTERS = 2
"""No single tester's word is enough, however small the network."""
VOID_SHARE = 4
"""A round is void for a kind when more than one of so many nodes, or words, say that it failed."""


class Word(Enum):
    """What a tester says of a node."""

    PASSED = auto()
    FAILED = auto()
    SILENT = auto()
    """Of a store: it answered nothing, though a link to it stood."""


@dataclass(frozen=True)
class Votes:
    """What the testers of one node said: bit i is the word of its i-th tester."""

    passed: int = 0
    failed: int = 0
    silent: int = 0

    def said(self, word: Word, bit: int) -> "Votes":
        """With one more word."""
        match word:
            case Word.PASSED:
                return replace(self, passed=self.passed | bit)
            case Word.FAILED:
                return replace(self, failed=self.failed | bit)
        return replace(self, silent=self.silent | bit)


Subject = tuple[TestKind, bytes]
"""A kind of test, and the node."""


def _none() -> Mapping[Subject, Votes]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Round:
    """`serial` 0: there was none yet."""

    serial: int
    began_ms: int
    seed: bytes
    candidates: tuple[Candidate, ...]
    votes: Mapping[Subject, Votes] = field(default_factory=_none)

    @cached_property
    def draw(self) -> Draw:
        """The testers of each (kind, node id)."""
        return draw(self.seed, self.candidates)

    def has_drawn(self, tester: bytes, kind: TestKind, node_id: bytes) -> bool:
        """Whether that tester was to test that node."""
        return tester in self.draw.get((kind, node_id), ())

    def with_word(self, tester: bytes, kind: TestKind, node_id: bytes, word: Word) -> "Round":
        """With what a drawn tester says. Its first word counts."""
        subject = (kind, node_id)
        bit = 1 << self.draw[subject].index(tester)
        votes = self.votes.get(subject, Votes())
        if (votes.passed | votes.failed | votes.silent) & bit:
            return self
        return replace(self, votes={**self.votes, subject: votes.said(word, bit)})

    def judge(self) -> "Judgement":
        """What the reports come to."""
        failed = frozenset(each for kind in TestKind for each in self._against(kind, _failures))
        passed = frozenset(subject for subject in self.votes if self._passed(subject))
        unheard = self._against(TestKind.STORAGE, _silences) - failed
        silent = (node_id for _, node_id in unheard if (TestKind.REACHABILITY, node_id) in passed)
        return Judgement(passed, failed, frozenset(silent))

    def _against(self, kind: TestKind, words_of: Callable[[Votes], int]) -> frozenset[Subject]:
        """Whom a quorum of testers speaks against with such words; nobody where it is so many, or such words so
        frequent, that it says something of the network, not of nodes: more than a quarter of the nodes, or of the words
        that were said, the worst node left out."""
        subjects = [subject for subject in self.draw if subject[0] == kind]
        votes = [self.votes.get(subject, Votes()) for subject in subjects]
        against = [words_of(each).bit_count() for each in votes]
        words = sum(against) + sum(each.passed.bit_count() for each in votes)
        found = [subject for subject, count in zip(subjects, against, strict=True) if self._is_quorum(subject, count)]
        beside_the_worst = sum(against) - max(against, default=0)
        void = len(found) > max(1, len(subjects) // VOID_SHARE) or beside_the_worst > words // VOID_SHARE
        return frozenset() if void else frozenset(found)

    def _is_quorum(self, subject: Subject, words: int) -> bool:
        """Two thirds and more of those drawn, whether they spoke or not."""
        testers = len(self.draw[subject])
        return testers >= LEAST_TESTERS and words >= 2 * testers // 3 + 1

    def _passed(self, subject: Subject) -> bool:
        """More than half of those drawn."""
        return self.votes[subject].passed.bit_count() > len(self.draw[subject]) // 2


def _failures(votes: Votes) -> int:
    return votes.failed


def _silences(votes: Votes) -> int:
    """Who has failed elsewhere has not shown there that it answers."""
    return votes.silent | votes.failed


@dataclass(frozen=True)
class Judgement:
    """(kind, node id) of whom a quorum of testers failed, and of whom more than half passed; nobody is in both."""

    passed: frozenset[Subject]
    failed: frozenset[Subject]
    silent: frozenset[bytes] = frozenset()
    """Stores that answered their swarm nothing, though more than half of their testers reached them in this round."""

    def credit_of(self, node_id: bytes, credit: int) -> int:
        """A node's credit after the round: one more when it passed and failed nothing, up to MOST_CREDIT."""
        cost = sum(COST[kind] for kind, each in self.failed if each == node_id)
        cost += SILENCE_COST if node_id in self.silent else 0
        earned = not cost and any((kind, node_id) in self.passed for kind in TestKind)
        return min(MOST_CREDIT, max(0, credit - cost + earned))


NO_ROUND = Round(0, 0, b"", ())


def failed_kinds(judgement: Judgement, node_id: bytes) -> Iterable[TestKind]:
    """The kinds that a node failed, ascending; who is silent shows nothing of what it keeps."""
    silent = [TestKind.STORAGE] if node_id in judgement.silent else []
    return sorted([*silent, *(kind for kind, each in judgement.failed if each == node_id)])
