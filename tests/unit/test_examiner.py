"""What a node makes of the views that draw it: it tests, doubts itself, reports until discovery has heard."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.view import Header
from essaim.protocol.view.testers import TestKind
from essaim.runtime.discovery_client import DiscoveryLostError, TransactionRefusedError
from essaim.runtime.examiner import Examiner, Word, doubt
from essaim.runtime.view_holder import ViewHolder
from essaim.testing.views import NOW_MS, PaperNetwork, small_parameters
from essaim.view.v1 import view_pb2

NODES = 4
REACH, HOLD = TestKind.REACHABILITY, TestKind.STORAGE
Submit = Callable[[discovery_pb2.Transaction], Awaitable[None]]


class Paper:
    """Views of four relays, and the examiner of the first."""

    def __init__(self, folder: Path) -> None:
        self.net = PaperNetwork(parameters=small_parameters(uptime_seconds=1, away_seconds=2))
        self.holder = ViewHolder(self.net.genesis, folder)
        self.ids = [self.net.identity(number).public.raw for number in range(NODES)]
        registered = NOW_MS - 60_000
        self.entries = [self.net.entry(self.net.pieces(number, registered_ms=registered)) for number in range(NODES)]
        self.newest: Header | None = None
        self.now_ms = NOW_MS
        self.reports: asyncio.Queue[discovery_pb2.TestReport] = asyncio.Queue()
        self.errors: list[Exception] = []
        self.refused = asyncio.Event()
        self.examiner = Examiner(self.holder, self.ids[0], lambda: self.now_ms, self._submit)

    async def _submit(self, transaction: discovery_pb2.Transaction) -> None:
        if self.errors:
            error = self.errors.pop(0)
            if isinstance(error, TransactionRefusedError):
                self.refused.set()
            raise error
        self.reports.put_nowait(transaction.test_report)

    async def view(self, *, draws: bool) -> int:
        """A newer view; its serial."""
        whole = self.net.whole(self.entries, self.newest, draws_tests=draws)
        self.newest = Header.parse(whole.header.header)
        await self.holder.take(view_pb2.ViewAnswer(whole=whole), NOW_MS)
        return self.newest.serial

    @asynccontextmanager
    async def runs(self):
        task = asyncio.create_task(self.examiner.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def report(self) -> discovery_pb2.TestReport:
        return await asyncio.wait_for(self.reports.get(), 10)


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path)


async def test_all_who_were_drawn_are_tested_once_and_reported_together(paper: Paper) -> None:
    tested: list[bytes] = []

    async def test(_view: object, node_id: bytes) -> bool:
        tested.append(node_id)
        return node_id != paper.ids[3]

    paper.examiner.tests[REACH] = test
    async with paper.runs():
        serial = await paper.view(draws=True)
        await paper.view(draws=False)  # before any task runs: the round goes on
        report = await paper.report()
    assert sorted(tested) == sorted(paper.ids[1:]), "of four nodes each tests the others"
    assert report.view_serial == serial
    assert {each.node_id: each.passed for each in report.results} == {
        node_id: node_id != paper.ids[3] for node_id in paper.ids[1:]
    }


async def test_report_is_told_until_discovery_has_heard_and_a_refusal_ends_it(paper: Paper) -> None:
    async def test(_view: object, _node_id: bytes) -> bool:
        return True

    paper.examiner.tests[REACH] = test
    paper.errors = [DiscoveryLostError("gone"), DiscoveryLostError("gone")]
    async with paper.runs():
        await paper.view(draws=True)
        assert len((await paper.report()).results) == NODES - 1 and not paper.errors
        paper.errors = [TransactionRefusedError("ROUND_OVER")]
        await paper.view(draws=True)
        await asyncio.wait_for(paper.refused.wait(), 10)
        serial = await paper.view(draws=True)
        assert (await paper.report()).view_serial == serial, "the refused one is not told again"


async def test_what_hangs_or_says_nothing_is_not_reported(paper: Paper) -> None:
    async def test(_view: object, node_id: bytes) -> bool | None:
        if node_id == paper.ids[1]:
            await asyncio.Event().wait()
        return True if node_id == paper.ids[2] else None

    paper.examiner.tests[REACH] = test
    async with paper.runs():
        await paper.view(draws=True)
        report = await paper.report()
    assert [each.node_id for each in report.results] == [paper.ids[2]]


async def test_silence_is_reported_by_itself(paper: Paper) -> None:
    async def test(_view: object, node_id: bytes) -> bool | Word | None:
        return Word.SILENT if node_id == paper.ids[1] else True

    paper.examiner.tests[REACH] = test
    async with paper.runs():
        await paper.view(draws=True)
        report = await paper.report()
    assert list(report.silent) == [paper.ids[1]]
    assert [each.passed for each in report.results] == [True, True]


def test_tester_that_hears_fewer_stores_than_not_says_nothing_of_silence() -> None:
    words = {(HOLD, b"a"): Word.SILENT, (HOLD, b"b"): Word.SILENT, (HOLD, b"c"): Word.PASSED}
    doubt(words)
    assert list(words.values()) == [Word.DOUBTED, Word.DOUBTED, Word.PASSED]
    words = {(HOLD, b"a"): Word.SILENT, (HOLD, b"c"): Word.PASSED}
    doubt(words)
    assert list(words.values()) == [Word.SILENT, Word.PASSED]


async def test_round_that_was_drawn_long_ago_is_let_pass(paper: Paper) -> None:
    tested = asyncio.Event()

    async def test(_view: object, _node_id: bytes) -> bool:
        tested.set()
        return True

    paper.examiner.tests[REACH] = test
    paper.now_ms = NOW_MS + 1_500
    async with paper.runs():
        await paper.view(draws=True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tested.wait(), 1)
        paper.now_ms = NOW_MS
        await paper.view(draws=True)
        assert await paper.report() is not None


def test_node_that_reaches_fewer_than_not_believes_none_of_its_failures() -> None:
    words = {
        (REACH, b"a"): Word.FAILED,
        (REACH, b"b"): Word.FAILED,
        (REACH, b"c"): Word.PASSED,
        (HOLD, b"a"): Word.FAILED,
    }
    doubt(words)
    assert set(words.values()) == {Word.DOUBTED, Word.PASSED}
    words = {(REACH, b"a"): Word.FAILED, (REACH, b"c"): Word.PASSED, (HOLD, b"a"): Word.FAILED}
    doubt(words)
    assert list(words.values()) == [Word.FAILED, Word.PASSED, Word.FAILED]
