"""A node that is told to stop: at once, or when its data has moved; and telling discovery that it has."""

import asyncio
from pathlib import Path

import pytest

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.view import Move, NodeState, Role, ViewHistory
from essaim.runtime.discovery_client import DiscoveryLostError, TransactionRefusedError
from essaim.runtime.retirement import RetirementLimits, retire
from essaim.runtime.transfer import TransferNotice
from essaim.runtime.view_holder import ViewHolder
from essaim.testing.views import NOW_MS, PaperNetwork
from essaim.view.v1 import view_pb2

SECONDS = 20
SOON, LONG = 0.05, 600.0


class Views:
    """Views of a network with one storage node, given to a holder one by one."""

    def __init__(self, folder: Path) -> None:
        self.net = PaperNetwork()
        self.node_id = self.net.identity(1).public.raw
        self.holder = ViewHolder(self.net.genesis, folder)
        self._history = ViewHistory()

    async def show(self, state: NodeState | None, now: int | None = None, move: Move | None = None) -> None:
        entries = [self.net.entry(self.net.pieces(2))]
        if state is not None:
            entries.append(self.net.entry(self.net.pieces(1, Role.STORAGE, now, move, state)))
        held = self.holder.current
        whole = self.net.whole(entries, held.header if held is not None else None)
        await self.holder.take(view_pb2.ViewAnswer(whole=whole), NOW_MS)

    def retiring(self, notice: float = LONG, move: float = LONG, ask=None) -> "asyncio.Task[bool]":
        return asyncio.create_task(retire(self.holder, self.node_id, RetirementLimits(notice, move), ask))


async def still_waiting(task: "asyncio.Task[bool]") -> bool:
    for _ in range(20):
        await asyncio.sleep(0)
    return not task.done()


@pytest.fixture
def views(tmp_path: Path) -> Views:
    return Views(tmp_path)


async def test_node_that_nobody_retires_stops_after_the_notice(views: Views) -> None:
    await views.show(NodeState.ACTIVE, 0)
    assert await asyncio.wait_for(views.retiring(notice=SOON), SECONDS) is False


async def test_retired_node_serves_until_it_has_neither_now_nor_next(views: Views) -> None:
    await views.show(NodeState.ACTIVE, 0)
    task = views.retiring()
    assert await still_waiting(task)
    await views.show(NodeState.LEAVING, 0)
    assert await still_waiting(task), "nobody has its data yet"
    await views.show(NodeState.LEAVING, 0, Move(None, 3))
    assert await still_waiting(task), "its data moves"
    await views.show(None)
    assert await asyncio.wait_for(task, SECONDS) is True


async def test_joiner_that_is_retired_waits_for_the_end_of_its_move(views: Views) -> None:
    await views.show(NodeState.LEAVING, None, Move(0, 1))
    task = views.retiring()
    assert await still_waiting(task)
    await views.show(NodeState.LEAVING, None)
    assert await asyncio.wait_for(task, SECONDS) is True


async def test_move_that_takes_too_long_is_not_waited_for(views: Views) -> None:
    await views.show(NodeState.LEAVING, 0, Move(None, 1))
    assert await asyncio.wait_for(views.retiring(move=SOON), SECONDS) is False


async def test_node_that_leaves_for_good_asks_first(views: Views) -> None:
    asked = asyncio.Event()

    async def ask() -> None:
        asked.set()
        await views.show(NodeState.LEAVING, 0)

    await views.show(NodeState.ACTIVE, 0)
    task = views.retiring(ask=ask)
    assert await still_waiting(task) and asked.is_set()
    await views.show(None)
    assert await asyncio.wait_for(task, SECONDS) is True


# Transfer complete


class Discovery:
    """Says what it is told to, in turn."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.heard: list[tuple[int, int]] = []
        self.settled = asyncio.Event()

    async def submit(self, transaction: discovery_pb2.Transaction) -> None:
        body = transaction.transfer_complete
        self.heard.append((body.swarm_id, body.move_serial))
        answer = self.answers.pop(0)
        if not self.answers:
            self.settled.set()
        if answer is not None:
            raise answer


async def told(discovery: Discovery, *notices: tuple[int, int]) -> list[tuple[int, int]]:
    notice = TransferNotice(discovery.submit)
    task = asyncio.create_task(notice.run())
    for each in notices:
        notice.complete(*each)
    await asyncio.wait_for(discovery.settled.wait(), SECONDS)
    notice.complete(*notices[-1])
    assert await still_waiting(task)
    task.cancel()
    return discovery.heard


async def test_notice_is_repeated_until_discovery_has_it_and_then_no_more() -> None:
    discovery = Discovery(DiscoveryLostError("away"), DiscoveryLostError("away"), None)
    assert await told(discovery, (7, 3), (7, 3)) == [(7, 3)] * 3


async def test_notice_of_a_move_that_is_over_is_dropped() -> None:
    assert await told(Discovery(TransactionRefusedError("NOT_MOVING")), (7, 3)) == [(7, 3)]


async def test_only_the_last_move_is_told() -> None:
    assert await told(Discovery(None), (7, 3), (7, 9)) == [(7, 9)]
