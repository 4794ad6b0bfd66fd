"""Testing the nodes that a view drew this one for, and telling discovery. docs/protocol/node-tests.md."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum

from prometheus_client import Counter

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.view import NetworkView
from essaim.protocol.view.testers import TestKind, drawn_for
from essaim.runtime import logs
from essaim.runtime.discovery_client import DiscoveryLostError, TransactionRefusedError
from essaim.runtime.logs import LogLevel
from essaim.runtime.persist import MembershipEvent, backoff
from essaim.runtime.view_holder import ViewHolder

Subject = tuple[TestKind, bytes]

BEGIN_SHARE = 0.35
"""Tests begin at random times within this part of a round, so that no node is asked by all at once or knows when."""
END_SHARE = 0.75
"""What has not ended by then is not reported."""
REPORT_RESULTS = 64
TESTS = Counter(
    "essaim_node_tests", "Tests of other nodes made here, by kind and what came of them.", ["kind", "outcome"]
)
REPORTS = Counter("essaim_node_test_reports", "Reports of tests that discovery was told, by outcome.", ["outcome"])


class Word(StrEnum):
    """What a test comes to."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    UNSAID = "UNSAID"
    """Nothing can be said, or it took too long."""
    DOUBTED = "DOUBTED"
    """Failed, but so much did that this node's own network is more likely to blame: not reported."""
    SILENT = "SILENT"
    """A store that answered nothing, though a link to it stood."""


Test = Callable[[NetworkView, bytes], Awaitable[bool | Word | None]]
"""Of a node by the view that drew: whether it passed, None when there is nothing to say, or that it was SILENT."""


class Outcome(StrEnum):
    """Of a report."""

    APPLIED = "APPLIED"
    REFUSED = "REFUSED"


_WORDS: Mapping[bool | Word | None, Word] = {
    True: Word.PASSED,
    False: Word.FAILED,
    None: Word.UNSAID,
    Word.SILENT: Word.SILENT,
}
_SAID = frozenset((Word.PASSED, Word.FAILED, Word.SILENT))


class Examiner:
    """`tests` says how each kind is done, `run` is the background task. Only the newest round counts."""

    def __init__(
        self,
        holder: ViewHolder,
        own_id: bytes,
        now_ms: Callable[[], int],
        submit: Callable[[discovery_pb2.Transaction], Awaitable[None]],
    ) -> None:
        self.tests: dict[TestKind, Test] = {}
        self._own_id = own_id
        self._now_ms = now_ms
        self._submit = submit
        self._drew: NetworkView | None = None
        self._turned = asyncio.Event()
        holder.subscribe(self._view_changed)

    def _view_changed(self, view: NetworkView) -> None:
        """A view may be followed by the next before any task runs: so the one that drew is noted here."""
        if view.header.draws_tests and self._left_seconds(view) > 0:
            self._drew = view
            self._turned.set()

    def _left_seconds(self, view: NetworkView) -> float:
        """Until tests must have ended. One that was drawn before this start is too late, or nearly."""
        seconds = view.parameters.away_seconds * END_SHARE
        return seconds - max(0, self._now_ms() - view.valid_from_ms) / 1_000

    async def run(self) -> None:
        """As long as the node lives: each round until the next begins."""
        while True:
            await self._turned.wait()
            self._turned.clear()
            turned = asyncio.create_task(self._turned.wait())
            testing = asyncio.create_task(self._round(self._drew)) if self._drew is not None else turned
            try:
                await asyncio.wait((turned, testing), return_when=asyncio.FIRST_COMPLETED)
                if testing.done():
                    testing.result()
            finally:
                turned.cancel()
                testing.cancel()
                await asyncio.gather(turned, testing, return_exceptions=True)

    async def _round(self, view: NetworkView) -> None:
        """All tests of a round, then the report."""
        subjects = [each for each in drawn_for(view, self._own_id) if each[0] in self.tests]
        words = await self._examine(view, subjects)
        doubt(words)
        for kind, node_id in subjects:
            TESTS.labels(kind.name, words.get((kind, node_id), Word.UNSAID).value).inc()
        said = [(subject, word) for subject, word in words.items() if word in _SAID]
        for first in range(0, len(said), REPORT_RESULTS):
            await self._report(view.serial, dict(said[first : first + REPORT_RESULTS]))

    async def _examine(self, view: NetworkView, subjects: list[Subject]) -> dict[Subject, Word]:
        words: dict[Subject, Word] = {}
        begin = view.parameters.away_seconds * BEGIN_SHARE

        async def examine(subject: Subject) -> None:
            await asyncio.sleep(random.uniform(0, begin))
            words[subject] = _WORDS[await self.tests[subject[0]](view, subject[1])]

        try:
            async with asyncio.timeout(self._left_seconds(view)), asyncio.TaskGroup() as tests:
                for subject in subjects:
                    tests.create_task(examine(subject))
        except TimeoutError:
            pass
        return words

    async def _report(self, serial: int, words: Mapping[Subject, Word]) -> None:
        """Until discovery has it, or will not."""
        results = [
            discovery_pb2.TestResult(
                node_id=node_id, kind=discovery_pb2.TestKind.ValueType(kind), passed=word is Word.PASSED
            )
            for (kind, node_id), word in words.items()
            if word is not Word.SILENT
        ]
        silent = [node_id for (_, node_id), word in words.items() if word is Word.SILENT]
        report = discovery_pb2.TestReport(view_serial=serial, results=results, silent=silent)
        number = 0
        while True:
            try:
                await self._submit(discovery_pb2.Transaction(test_report=report))
            except DiscoveryLostError:
                logs.write(MembershipEvent.DISCOVERY_LOST, LogLevel.WARNING, attempt=number)
                await asyncio.sleep(backoff(number))
                number += 1
            except TransactionRefusedError:
                logs.write(MembershipEvent.TRANSACTION_REFUSED, LogLevel.WARNING)
                return REPORTS.labels(Outcome.REFUSED.value).inc()
            else:
                return REPORTS.labels(Outcome.APPLIED.value).inc()


def doubt(words: dict[Subject, Word]) -> None:
    """A node that reaches fewer than it does not is in trouble itself: its failures are not to be believed. Nor that
    stores were silent, where more were than answered."""
    reached = [word for (kind, _), word in words.items() if kind == TestKind.REACHABILITY]
    stores = [word for (kind, _), word in words.items() if kind == TestKind.STORAGE]
    lonely = reached.count(Word.FAILED) > reached.count(Word.PASSED)
    deaf = stores.count(Word.SILENT) > stores.count(Word.PASSED) + stores.count(Word.FAILED)
    for subject, word in words.items():
        doubtful = (lonely and word in (Word.FAILED, Word.SILENT)) or (deaf and word is Word.SILENT)
        words[subject] = Word.DOUBTED if doubtful else word
