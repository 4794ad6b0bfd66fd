"""What storage costs, without the path to it: a swarm of three processes, cells over real TLS links, fsync on.

This process is the exits: it wraps cells of one layer, sends them over links of EXITS nodes, IN_FLIGHT at a time in a
closed loop, to each member in turn, and opens and compares every reply. Processor time is the scheduler's, of all
threads of the three nodes together, and its unit one X25519 multiplication, measured before and after each round.

`python tests/bench/storage_bench.py` prints the figures; `... node FOLDER` is a process that it starts.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import median

import apsw
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))

import storage_disk_bench as disk_bench
from relay_bench import Facts, facts_of, hop_of, peer_of, tell

import essaim  # noqa: F401 - before gRPC
from essaim.network.links import Links
from essaim.onion.v1 import request_pb2
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.keys import SigningKey
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.onion import CellSpec, Reply, minute_of, wrap
from essaim.runtime.clock import SystemClock
from essaim.runtime.endpoint import Endpoint
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.mailbox import MailboxOwner
from essaim.testing.node import SERIAL, LooseNode
from essaim_storage import metrics
from essaim_storage.assembly import Storage
from essaim_storage.members import Neighbours
from essaim_storage.placement import Range
from essaim_storage.service import DOMAIN
from essaim_storage.settings import StorageSettings
from loadgen.processor import cpu_seconds

MEMBERS = 3
EXITS = 3
IN_FLIGHT = 16
WIDE = 64
CHECKPOINT_PAGES = 1_000
OPERATIONS = 800
ROUNDS = 3
SETTLED_SECONDS = 0.02
SERVICE = "essaim.storage.v1.MailboxService"
CLOCK = SystemClock()
SPEC = CellSpec(Suite.HYBRID, CellClass.SMALL, CellClass.SMALL)


async def node(folder: Path) -> None:
    """A member of the swarm; it is told of the others by a line of standard input."""
    loose = LooseNode(CLOCK.now_ms, "storage")
    storage = Storage(StorageSettings(data_dir=folder), loose.signing, CLOCK.now_ms)
    members = storage.members
    async with AsyncExitStack() as stack:
        await storage.start()
        stack.push_async_callback(storage.close)
        endpoint = Endpoint(
            loose.standing,
            loose.keyring,
            [storage.offer],
            DOMAIN,
            on_message=members.on_message,
            on_peer=members.on_peer,
        )
        await stack.enter_async_context(endpoint)
        await loose.start(*(mount.add for mount in endpoint.mounts))
        stack.push_async_callback(loose.stop)
        tell(facts_of(loose))
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        peers = {each.node_id: each for each in map(peer_of, json.loads(line))}
        others = {node_id: peer for node_id, peer in peers.items() if node_id != loose.node_id}
        background = [asyncio.ensure_future(each()) for each in storage.background]
        storage.view_changed(Neighbours(SERIAL, others, (Range.still(peers),)))
        while storage.node.incomplete or storage.node.behind:  # noqa: ASYNC110
            await asyncio.sleep(SETTLED_SECONDS)
        tell("settled")
        counters = counted(storage)
        while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            tell(counters())
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)


def counted(storage: Storage) -> Callable[[], dict[str, int]]:
    """What this node's disk did: envelopes committed, and fsyncs.

    A commit is one fsync of the log. A checkpoint, made where SQLite makes it by itself (at 1,000 pages), is one of the
    log and one of the file.
    """
    store, checkpoints = storage._store, 0

    def after_commit(connection: apsw.Connection, _: str, pages: int) -> int:
        nonlocal checkpoints
        if pages >= CHECKPOINT_PAGES:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            checkpoints += 1
        return apsw.SQLITE_OK

    store._writing.set_wal_hook(after_commit)
    commits = metrics.COMMIT_SECONDS

    def now() -> dict[str, int]:
        done = next(each.value for each in next(iter(commits.collect())).samples if each.name.endswith("_count"))
        return {"envelopes": store.last_number(), "fsyncs": int(done) + 2 * checkpoints}

    return now


@dataclass
class Client:
    """The calls of one mailbox's owner, over one exit's links."""

    links: Links
    swarm: list[Facts]
    owner: MailboxOwner = field(default_factory=MailboxOwner)
    waiting: bytes = b""

    async def store(self) -> None:
        """One envelope into a public inbox, acknowledged."""
        letter = self.owner.letter(CLOCK.now_ms())
        answer = mailbox_pb2.StoreResponse.FromString(
            await self._ask(next(self._members), "Store", self.owner.store(letter).SerializeToString())
        )
        (result,) = answer.results
        assert not result.status.code, result.status
        self.waiting = self.waiting or letter.data

    async def retrieve(self) -> None:
        """The one envelope of this mailbox, by a request that is signed for this."""
        assert await self._retrieved(next(self._members)) == [self.waiting]

    async def prepare(self) -> None:
        """An envelope that waits, on every member."""
        self._members = cycle(self.swarm)
        await self.store()
        for each in self.swarm:
            while not await self._retrieved(each):
                pass

    async def _retrieved(self, facts: Facts) -> list[bytes]:
        request = self.owner.retrieve(CLOCK.now_ms()).SerializeToString()
        answer = mailbox_pb2.RetrieveResponse.FromString(await self._ask(facts, "Retrieve", request))
        return [each.data for each in answer.envelopes]

    async def _ask(self, facts: Facts, method: str, body: bytes) -> bytes:
        request = request_pb2.Request(service=SERVICE, method=method, body=body, request_id=os.urandom(16))
        minute = minute_of(CLOCK.now_ms())
        cell, opener = wrap([hop_of(facts)], request.SerializeToString(), SPEC, minute, os.urandom)
        async with await self.links.call(peer_of(facts), cell) as call:
            async for seq, sealed in call.replies():
                reply = opener.open(seq, sealed)
                assert isinstance(reply, Reply)
                message = request_pb2.Reply.FromString(reply.payload)
                assert not message.HasField("error"), message.error
                return message.body
        raise AssertionError("a call without a reply")


def x25519_us(batches: int = 15, size: int = 100) -> float:
    """One multiplication here and now: this process's time, the median of batches."""
    private, public = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key()
    took = []
    for _ in range(batches):
        begin = time.process_time()
        for _ in range(size):
            private.exchange(public)
        took.append((time.process_time() - begin) / size * 1e6)
    return median(took)


async def drive(works: list[Callable[[], Awaitable[None]]], operations: int) -> None:
    """All of them at once, each in a closed loop, so many operations in all."""
    left = iter(range(operations))

    async def loop(work: Callable[[], Awaitable[None]]) -> None:
        for _ in left:
            await work()

    await asyncio.gather(*map(loop, works))


async def window(name: str, works: list[Callable[[], Awaitable[None]]], pids: list[int]) -> dict[str, float]:
    """One round of one operation."""
    unit = x25519_us()
    began, spent = time.monotonic(), cpu_seconds(pids)
    await drive(works, OPERATIONS)
    took, us = time.monotonic() - began, (cpu_seconds(pids) - spent) / OPERATIONS * 1e6
    unit = (unit + x25519_us()) / 2
    return {
        f"storage.{name}_cpu_us": us,
        f"storage.{name}_cpu_x25519": us / unit,
        f"storage.{name}_per_s": OPERATIONS / took,
        "storage.x25519_us": unit,
    }


async def started(stack: AsyncExitStack, folder: Path) -> Process:
    made = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "node", str(folder), stdin=PIPE, stdout=PIPE, limit=1 << 20
    )

    async def end() -> None:
        assert made.stdin is not None
        made.stdin.close()
        await made.wait()

    stack.push_async_callback(end)
    return made


async def counters(nodes: list[Process]) -> list[dict[str, int]]:
    """Of every node, now."""
    for each in nodes:
        assert each.stdin is not None
        each.stdin.write(b"counters\n")
    return [json.loads(await _told(each)) for each in nodes]


async def wide(clients: list[Client], nodes: list[Process]) -> dict[str, float]:
    """With WIDE stores in flight, as a busy node has: what one node commits, and how many fsyncs that takes."""
    before, began = await counters(nodes), time.monotonic()
    await drive([each.store for each in clients], OPERATIONS)
    took, after = time.monotonic() - began, await counters(nodes)
    grown = [{key: b[key] - a[key] for key in a} for a, b in zip(before, after, strict=True)]
    return {
        "storage.store_per_s_node": median(each["envelopes"] for each in grown) / took,
        "storage.fsync_per_store": median(each["fsyncs"] / each["envelopes"] for each in grown),
        "storage.commit_envelopes": median(each["envelopes"] / each["fsyncs"] for each in grown),
    }


async def swarm(stack: AsyncExitStack, folders: list[Path]) -> tuple[list[Facts], list[Process]]:
    """The members' facts and processes, one for each data folder, once all are linked."""
    for each in folders:
        each.mkdir(exist_ok=True)
    nodes = [await started(stack, each) for each in folders]
    facts: list[Facts] = [json.loads(await _told(each)) for each in nodes]
    for each in nodes:
        assert each.stdin is not None
        each.stdin.write(json.dumps(facts).encode() + b"\n")
    for each in nodes:
        assert json.loads(await _told(each)) == "settled"
    return facts, nodes


async def _told(made: Process) -> bytes:
    assert made.stdout is not None
    return await made.stdout.readline()


async def exits(stack: AsyncExitStack) -> list[Links]:
    made = []
    for _ in range(EXITS):
        signing = SigningKey(os.urandom(32))
        identity = LinkIdentity(signing.public.raw, signing.sign, lambda: SERIAL)
        made.append(await stack.enter_async_context(Links(identity)))
    return made


async def measure() -> dict[str, float]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="essaim-bench-")))
        facts, nodes = await swarm(stack, [folder / str(number) for number in range(MEMBERS)])
        pids = [each.pid for each in nodes]
        ways = await exits(stack)
        clients = [Client(links, facts) for links, _ in zip(cycle(ways), range(IN_FLIGHT), strict=False)]
        await asyncio.gather(*(each.prepare() for each in clients))
        rounds = []
        writers = [Client(each.links, facts) for each in clients]
        await asyncio.gather(*(each.prepare() for each in writers))
        crowd = [Client(links, facts) for links, _ in zip(cycle(ways), range(WIDE), strict=False)]
        await asyncio.gather(*(each.prepare() for each in crowd))
        for _ in range(ROUNDS):
            figures = await window("store", [each.store for each in writers], pids)
            figures |= await window("retrieve", [each.retrieve for each in clients], pids)
            figures |= await wide(crowd, nodes)
            figures |= disk_bench.bare(folder, max(1, round(figures["storage.commit_envelopes"])))
            rounds.append(figures)
        return {key: median(each[key] for each in rounds) for key in rounds[0]}


def run() -> dict[str, float]:
    """The figures of this bench; about 40 seconds."""
    return asyncio.run(measure())


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["node"]:
        asyncio.run(node(Path(arguments[1])))
    else:
        print(json.dumps(run(), indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
