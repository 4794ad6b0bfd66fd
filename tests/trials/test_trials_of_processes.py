"""Processes test each other: a store that drops a twentieth of what it keeps is expelled and replaced, a slow one not.

Rounds of ten seconds in place of a quarter of an hour; what is asked, and how often, is what the product asks.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

import forgetful_store
from essaim.network.tls import dial_peer
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.view import NetworkView, NodeState
from essaim.runtime.clock import SystemClock
from essaim.storage.v1 import mailbox_pb2, mailbox_pb2_grpc
from essaim.testing.mailbox import SLOT, MailboxOwner
from essaim_storage.files import DATABASE_FILE
from forgetful_store import is_dropped, left_of
from node_metrics import count, made
from testnet import Layout, Testnet
from testnet.process import NodeProcess

CLOCK = SystemClock()
SEED = int(os.environ.get("ESSAIM_SEED", "1"))
PATIENCE_SECONDS = 60.0
ROUND_SECONDS = 10
ROUNDS = 3
"""Within which a store that dropped a twentieth is expelled, with 99.9%."""
PAUSE_SECONDS = 7.0
SLICE_SECONDS = 0.25
OWNERS, REQUESTS, AT_ONCE = 3, 10, 16
LAYOUT = Layout(
    relays=0, storage=6, swarm_min=5, swarm_target=5, swarm_max=10, uptime_seconds=1, away_seconds=ROUND_SECONDS
)
"""A swarm of five, each tested by the four others, and a spare."""
SETTINGS = {"TEST_AGE": "1", "TEST_AGAIN": "0.5", "TEST_ANSWER": "1", "TEST_PAUSE": "0.2"}


class TestnetWithCheats(Testnet):
    """Nodes that are named in `cheats` forget from their next start on."""

    __test__ = False

    def __init__(self, folder: Path, layout: Layout) -> None:
        super().__init__(folder, layout)
        self.cheats: set[str] = set()

    def node(self, name: str) -> NodeProcess:
        node = super().node(name)
        if name not in self.cheats:
            return node
        flags = node.command[node.command.index("essaim_storage") + 1 :]
        return NodeProcess(name, (sys.executable, forgetful_store.__file__, *flags), node.folder)

    def restart_as_cheat(self, name: str) -> None:
        """Its operator puts another program in the place of the service, on the same disk."""
        self.node(name).stop()
        self.cheats.add(name)
        self.node(name).start()
        self.node(name).await_ready(PATIENCE_SECONDS)
        self.await_view(self._is_whole)

    def id_of(self, name: str) -> bytes:
        return bytes.fromhex(self.node(name).facts["node_id"])

    def kept_by(self, name: str) -> tuple[int, int]:
        """(envelopes that its database lists, those whose bytes are there)"""
        return left_of(self.folder / name / DATABASE_FILE)


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestnetWithCheats]:
    for name, seconds in SETTINGS.items():
        monkeypatch.setenv(f"ESSAIM_STORAGE_{name}_SECONDS", seconds)
    net = TestnetWithCheats(tmp_path / "net", LAYOUT)
    try:
        net.up()
        yield net
    finally:
        for name in LAYOUT.storage_names:
            net.node(name).signal(signal.SIGCONT)
        net.down()


# ---- mail


class Post:
    """Letters for some mailboxes, and what each member has of them."""

    def __init__(self) -> None:
        self.owners = [MailboxOwner(serial=0) for _ in range(OWNERS)]
        self.stored: dict[int, set[bytes]] = {index: set() for index in range(OWNERS)}

    @property
    def ids(self) -> set[bytes]:
        return set().union(*self.stored.values())

    async def fill(self, view: NetworkView, members: Sequence[bytes], requests: int) -> None:
        """Every member takes its share of the requests."""
        for index, owner in enumerate(self.owners):
            for number in range(requests):
                letters = [_letter() for _ in range(AT_ONCE)]
                async with dial_peer(view.nodes[members[number % len(members)]]) as channel:
                    stub = mailbox_pb2_grpc.MailboxServiceStub(channel)
                    answer = await stub.Store(owner.store(*letters), timeout=PATIENCE_SECONDS)
                assert not any(each.status.code for each in answer.results)
                self.stored[index] |= {each.envelope_id for each in answer.results}

    async def all_at(self, view: NetworkView, member: bytes) -> bool:
        """Whether a member alone gives every reader everything, and says that it is all."""
        async with dial_peer(view.nodes[member]) as channel:
            stub = mailbox_pb2_grpc.MailboxServiceStub(channel)
            for index, owner in enumerate(self.owners):
                found, incomplete = await _read(stub, owner)
                if incomplete or found != self.stored[index]:
                    return False
        return True


def _letter() -> mailbox_pb2.NewEnvelope:
    """What goes within an hour is not asked for."""
    return mailbox_pb2.NewEnvelope(slot=SLOT, expires_ms=CLOCK.now_ms() + DAY_MS, data=os.urandom(4096))


async def _read(stub: mailbox_pb2_grpc.MailboxServiceStub, owner: MailboxOwner) -> tuple[set[bytes], bool]:
    found, cursor, more, incomplete = set[bytes](), b"", True, False
    while more:
        page = await stub.Retrieve(owner.retrieve(CLOCK.now_ms(), cursor), timeout=PATIENCE_SECONDS)
        found |= {each.envelope_id for each in page.envelopes}
        cursor, more, incomplete = page.cursor, page.more, incomplete or page.incomplete
    return found, incomplete


# ---- rounds


async def newest(net: Testnet) -> NetworkView:
    """What discovery serves now."""
    view = await net.ask_view()
    assert view is not None
    return view


async def views(net: Testnet, serial: int) -> AsyncIterator[NetworkView]:
    """Each view after that one which discovery is seen to serve, once."""
    while True:
        view = await net.ask_view()
        if view is not None and view.serial > serial:
            serial = view.serial
            yield view
        await asyncio.sleep(0.1)


async def be_slow(node: NodeProcess) -> None:
    """It is stopped for most of a round, and has half of its time from then on."""
    node.signal(signal.SIGSTOP)
    await asyncio.sleep(PAUSE_SECONDS)
    while True:
        node.signal(signal.SIGCONT)
        await asyncio.sleep(SLICE_SECONDS)
        node.signal(signal.SIGSTOP)
        await asyncio.sleep(SLICE_SECONDS)


async def rounds_until_expelled(net: TestnetWithCheats, slow: str) -> tuple[int, NetworkView]:
    """Rounds that begin from now on until a view shows somebody expelled, and that view."""
    draws, slowness = 0, None
    try:
        async for view in views(net, (await newest(net)).serial):
            if any(node.state == NodeState.DECOMMISSIONED for node in view.nodes.values()):
                return draws, view
            draws += view.header.draws_tests
            assert draws <= ROUNDS, f"nobody is expelled after {ROUNDS} rounds"
            if draws and slowness is None:
                slowness = asyncio.create_task(be_slow(net.node(slow)))
    finally:
        if slowness is not None:
            slowness.cancel()
        net.node(slow).signal(signal.SIGCONT)
    raise AssertionError("views do not end")


async def all_pass(net: Testnet, members: Sequence[str]) -> None:
    """Until every member has found others to hold what they should, and nobody to fail."""
    held, failed = made("STORAGE", "PASSED"), made("STORAGE", "FAILED")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not all([await asyncio.to_thread(count, net, name, held) >= 4 for name in members]):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    assert not any(count(net, name, failed) for name in members)


async def listed_by_all(net: TestnetWithCheats, members: Sequence[str], envelopes: int) -> list[int]:
    """Once all members list so many envelopes: how many of them each has."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while any(net.kept_by(name)[0] != envelopes for name in members):  # noqa: ASYNC110  # of other processes
            await asyncio.sleep(0.1)
    return [net.kept_by(name)[1] for name in members]


async def mended(net: TestnetWithCheats, post: Post, bad: bytes, swarm_id: int) -> NetworkView:
    """Once the swarm is still without that node, and every member of it alone has all the mail."""

    def is_still(view: NetworkView) -> bool:
        moving = any(node.move_serial for node in view.nodes.values())
        return not moving and bad not in view.swarms[swarm_id].node_ids

    view = await asyncio.to_thread(net.await_view, is_still)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for member in view.swarms[swarm_id].node_ids:
            while not await post.all_at(view, member):  # noqa: ASYNC110  # of another process
                await asyncio.sleep(0.2)
    return view


@pytest.mark.timeout(300)
async def test_store_that_drops_a_twentieth_is_expelled_and_replaced_and_a_slow_one_is_not(
    net: TestnetWithCheats,
) -> None:
    view = await newest(net)
    (swarm,) = view.swarms.values()
    names = {name: net.id_of(name) for name in LAYOUT.storage_names}
    members = sorted(name for name, node_id in names.items() if node_id in swarm.node_ids)
    (spare,) = set(names) - set(members)
    bad, slow = random.Random(SEED).sample(members, 2)
    post, ids = Post(), [names[name] for name in members]
    await post.fill(view, ids, REQUESTS)
    await all_pass(net, members)

    await asyncio.to_thread(net.restart_as_cheat, bad)
    await post.fill(await newest(net), ids, len(members))
    listed, dropped = len(post.ids), sum(map(is_dropped, post.ids))
    there = await listed_by_all(net, members, listed)
    assert dropped and there == [listed - dropped * (name == bad) for name in members]
    rounds, view = await rounds_until_expelled(net, slow)
    expelled = {name for name, node_id in names.items() if view.nodes[node_id].state == NodeState.DECOMMISSIONED}
    told = f"{', '.join(expelled)} expelled after {rounds} rounds; {slow} was slow"
    print(f"seed {SEED}: {bad} lacks {dropped} of {listed}: {told}")
    assert expelled == {bad}
    witnesses = [name for name in members if name not in (bad, slow)]
    assert all(count(net, name, made("STORAGE", "FAILED")) for name in witnesses)
    assert any(count(net, name, made("REACHABILITY", "FAILED")) for name in witnesses), f"{slow} was not slow enough"

    view = await mended(net, post, names[bad], swarm.swarm_id)
    after = view.swarms[swarm.swarm_id].node_ids
    assert after == swarm.node_ids - {names[bad]} | {names[spare]}, "the spare has its place, and nobody else lost any"
    states = {name: view.nodes[node_id].state for name, node_id in names.items()}
    assert states.pop(bad) == NodeState.DECOMMISSIONED and set(states.values()) == {NodeState.ACTIVE}
    assert net.kept_by(bad) == (listed, listed - dropped), "it has mended nothing"
