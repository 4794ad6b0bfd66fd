"""What a relay carries: cells with their replies per second of its processor time, over real TLS.

One relay process between nodes that send to it and nodes that it sends to, as in the network (five of each), replay
check on; senders and receivers are processes of their own. Every cell is a fresh one of two layers, unwrapped by the
receiver and answered by a sealed reply; the sender opens every 25th and compares. Processor time is the scheduler's, of
all threads of the relay. `relay.ratio` is cells per second times the seconds of one unwrap, measured in the same run.

`python tests/bench/relay_bench.py` prints the figures; `... relay|sink` are the processes that it starts.
"""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import essaim  # noqa: F401 - before gRPC
from essaim.network.acceptor import Acceptance, LinkAcceptor
from essaim.network.call import IncomingCall
from essaim.network.links import Links
from essaim.network.settings import LinkSettings
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.keys import AgreementPublic, KemPublic, SigningKey
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.onion import (
    CellSpec,
    Deliver,
    HopPublic,
    Refusal,
    Reply,
    ReplyOpener,
    ReplySealer,
    minute_of,
    unwrap,
    wrap,
)
from essaim.runtime.clock import SystemClock
from essaim.testing.node import LooseNode, LoosePeer
from essaim_relay.relay import Relay

FAN = 5
CELLS = 5_000
IN_FLIGHT = 128
"""For each sender: 640 in all."""
ROUNDS = 3
CHECKED = 25
SPEC = CellSpec(Suite.HYBRID, CellClass.SMALL, CellClass.SMALL)
CLOCK = SystemClock()
Facts = dict[str, str]


def facts_of(node: LooseNode) -> Facts:
    """What others need to know of a node."""
    hop = node.hop
    return {
        "node_id": node.node_id.hex(),
        "address": node.peer.address,
        "certificate": node.certificate.der.hex(),
        "x25519": hop.x25519.raw.hex(),
        "mlkem": hop.mlkem.raw.hex(),
    }


def peer_of(facts: Facts) -> LoosePeer:
    return LoosePeer(bytes.fromhex(facts["node_id"]), facts["address"], [bytes.fromhex(facts["certificate"])])


def hop_of(facts: Facts) -> HopPublic:
    x25519, mlkem = bytes.fromhex(facts["x25519"]), bytes.fromhex(facts["mlkem"])
    return HopPublic(bytes.fromhex(facts["node_id"]), AgreementPublic(x25519), KemPublic(mlkem))


def tell(facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def until_closed() -> None:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def sink() -> None:
    """FAN destinations in one process."""
    nodes = [LooseNode(CLOCK.now_ms) for _ in range(FAN)]
    for node in nodes:

        def answer(call: IncomingCall, node: LooseNode = node) -> None:
            step = unwrap(call.cell, node.keyring, CLOCK.now_ms())
            assert isinstance(step, Deliver)
            call.reply(*ReplySealer(step.keys).seal(step.payload, last=True))
            call.end()

        acceptance = Acceptance(node.node_id, node.listed, lambda: 7, CLOCK.now_ms, answer)
        await node.start(LinkAcceptor(acceptance).add_to)
    tell([facts_of(node) for node in nodes])
    await until_closed()
    await asyncio.gather(*(node.stop() for node in nodes))


async def relay(sinks: list[Facts]) -> None:
    """The relay under load, as its composition root puts it together."""
    peers = {bytes.fromhex(each["node_id"]): peer_of(each) for each in sinks}
    node = LooseNode(CLOCK.now_ms)
    async with Relay(node.standing, node.keyring, node.identity, peers.get) as made:
        await node.start(*(mount.add for mount in made.mounts))
        tell(facts_of(node))
        await until_closed()
        await node.stop()


def cpu_seconds(pid: int) -> float:
    """The scheduler's time of all threads of a process."""
    return sum(int((each / "schedstat").read_text().split()[0]) for each in Path(f"/proc/{pid}/task").iterdir()) / 1e9


@dataclass
class Round:
    """A closed loop of cells that were made before; `on_*` make it the listener of the call at its head."""

    links: Links
    relay: LoosePeer
    work: Iterator[tuple[bytes, ReplyOpener]]
    left: int
    done: asyncio.Event

    def next(self) -> None:
        item = next(self.work, None)
        if item is not None:
            self.links.open(self.relay, item[0], Sent(self, item[1]))


class Sent:
    """One call of a round."""

    __slots__ = ("opener", "round", "seen")

    def __init__(self, owner: Round, opener: ReplyOpener) -> None:
        self.round = owner
        self.opener = opener
        self.seen = 0

    def on_reply(self, seq: int, cell: bytes) -> None:
        self.seen += 1
        if self.round.left % CHECKED == 0:
            reply = self.opener.open(seq, cell)
            assert isinstance(reply, Reply) and reply.payload == b"x" * 1024

    def on_refused(self, refusal: Refusal, _: int) -> None:
        raise AssertionError(refusal)

    def on_end(self) -> None:
        assert self.seen == 1
        self.round.left -= 1
        self.round.next()
        if not self.round.left:
            self.round.done.set()


def cells(relay_hop: HopPublic, sinks: list[HopPublic], count: int) -> list[tuple[bytes, ReplyOpener]]:
    """Fresh cells, to each sink in turn."""
    minute = minute_of(CLOCK.now_ms())
    return [wrap([relay_hop, sinks[n % FAN]], b"x" * 1024, SPEC, minute, os.urandom) for n in range(count)]


async def drive(senders: list[Links], facts: Facts, work: list[tuple[bytes, ReplyOpener]], pid: int) -> float:
    """One round; processor seconds of the relay for each cell."""
    share = len(work) // len(senders)
    rounds = [
        Round(links, peer_of(facts), iter(work[n * share : (n + 1) * share]), share, asyncio.Event())
        for n, links in enumerate(senders)
    ]
    before = cpu_seconds(pid)
    for each in rounds:
        for _ in range(min(IN_FLIGHT, share)):
            each.next()
    await asyncio.gather(*(each.done.wait() for each in rounds))
    return (cpu_seconds(pid) - before) / (share * len(senders))


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    made = await asyncio.create_subprocess_exec(
        sys.executable, __file__, *arguments, stdin=PIPE, stdout=PIPE, limit=1 << 20
    )
    try:
        yield made
    finally:
        assert made.stdin is not None
        made.stdin.close()
        await made.wait()


async def told(made: asyncio.subprocess.Process) -> bytes:
    assert made.stdout is not None
    return await made.stdout.readline()


def unwrap_seconds(count: int = 300) -> float:
    """One unwrap here and now, replay check included: this process's time, the median of batches."""
    node = LooseNode(CLOCK.now_ms)
    other = LooseNode(CLOCK.now_ms)
    path, minute = [node.hop, other.hop], minute_of(CLOCK.now_ms())
    batch = [wrap(path, b"x" * 1024, SPEC, minute, os.urandom)[0] for _ in range(count)]
    took = []
    for at in range(0, count, 20):
        begin = time.process_time()
        for cell in batch[at : at + 20]:
            unwrap(cell, node.keyring, CLOCK.now_ms())
        took.append((time.process_time() - begin) / 20)
    return median(took)


async def measure() -> dict[str, float]:
    async with AsyncExitStack() as stack:
        sinks_text = (await told(await stack.enter_async_context(process("sink")))).decode()
        relay_process = await stack.enter_async_context(process("relay", sinks_text))
        facts, sinks = json.loads(await told(relay_process)), json.loads(sinks_text)
        hops = [hop_of(each) for each in sinks]
        senders = []
        for _ in range(FAN):
            signing = SigningKey(os.urandom(32))
            identity = LinkIdentity(signing.public.raw, signing.sign, lambda: 7)
            senders.append(await stack.enter_async_context(Links(identity, LinkSettings())))
        await drive(senders, facts, cells(hop_of(facts), hops, 500), relay_process.pid)
        costs, unwraps = [], []
        for _ in range(ROUNDS):
            work = cells(hop_of(facts), hops, CELLS)
            unwraps.append(unwrap_seconds())
            costs.append(await drive(senders, facts, work, relay_process.pid))
        return figures(costs, unwraps)


def figures(costs: list[float], unwraps: list[float]) -> dict[str, float]:
    ratios = sorted(unwrapped / cost for unwrapped, cost in zip(unwraps, costs, strict=True))
    return {
        "relay.cells_per_s_core": 1 / median(costs),
        "relay.cell_us": median(costs) * 1e6,
        "relay.unwrap_us": median(unwraps) * 1e6,
        "relay.ratio": median(ratios),
        "relay.ratio_spread": ratios[-1] - ratios[0],
    }


def run() -> dict[str, float]:
    """The figures of this bench; about 20 seconds."""
    return asyncio.run(measure())


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["sink"]:
        asyncio.run(sink())
    elif arguments[:1] == ["relay"]:
        asyncio.run(relay(json.loads(arguments[1])))
    else:
        print(json.dumps(run(), indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
