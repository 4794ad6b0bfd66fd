"""A whole network of real processes: what it costs to start and to idle, and to store, retrieve and talk through it.

Every figure is the median of runs that take turns, so that a noisy minute hits all alike. Processor time is that of the
relay, storage and discovery processes, never the clients'; its unit is one X25519 multiplication, measured between the
windows in the same run. docs/bench.md says what each key means.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from scale import Scale

from figures import Figures
from loadgen.crowd import Crowd, Window, crowd
from loadgen.processor import cpu_seconds, resident_mb
from loadgen.talk import Pair, Talk, pair, percentile
from testnet import Layout, Testnet

MODES = (("store", "link"), ("retrieve", "link"), ("store", "send"), ("retrieve", "send"))
SETTLE_SECONDS = 3.0
LEAD_SECONDS = 0.2


@contextmanager
def network(layout: Layout) -> Iterator[Testnet]:
    """A testnet that is up, in a folder of its own, and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="essaim-bench-") as folder:
        net = Testnet(Path(folder), layout)
        try:
            net.up()
            yield net
        finally:
            net.down()


def pids_of(net: Testnet) -> list[int]:
    """Of every process of the network. Raises RuntimeError when one is missing."""
    pids = [net.node(name).pid for name in net.layout.names]
    if None in pids:
        raise RuntimeError("a process of the network has ended")
    return [pid for pid in pids if pid is not None]


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


def started(scale: Scale) -> list[Figures]:
    """testnet.ready_s: from the first process's start to a signed view that lists all of them."""
    runs = []
    for _ in range(scale.runs):
        with tempfile.TemporaryDirectory(prefix="essaim-bench-") as folder:
            net = Testnet(Path(folder), scale.layout)
            begin = time.monotonic()
            try:
                net.up()
                runs.append({"testnet.ready_s": time.monotonic() - begin})
            finally:
                net.down()
    return runs


def idle(net: Testnet, scale: Scale) -> list[Figures]:
    """testnet.idle_cpu_percent: of one core, all processes together, with no client."""
    pids, runs = pids_of(net), []
    time.sleep(SETTLE_SECONDS)
    for _ in range(scale.runs):
        begin, spent = time.monotonic(), cpu_seconds(pids)
        time.sleep(scale.idle_seconds)
        spent = cpu_seconds(pids) - spent
        runs.append({"testnet.idle_cpu_percent": 100 * spent / (time.monotonic() - begin)})
    return runs


def memory(net: Testnet) -> Figures:
    """node.rss_mb: the largest of all processes, after all that this network has been through."""
    sizes = {name: resident_mb(pid) for name, pid in zip(net.layout.names, pids_of(net), strict=True)}
    kinds = {kind: max(size for name, size in sizes.items() if name.startswith(kind)) for kind in ("relay", "storage")}
    return {"node.rss_mb": max(sizes.values()), **{f"node.rss_mb_{kind}": size for kind, size in kinds.items()}}


async def closed_loops(net: Testnet, scale: Scale, modes: Sequence[tuple[str, str]], ending: str = "") -> list[Figures]:
    """e2e.*: windows of each mode in turn."""
    runs: list[Figures] = []
    async with crowd(net.network_file, pids_of(net), scale.clients) as clients:
        for _ in range(scale.runs):
            figures: Figures = {}
            for operation, way in modes:
                figures |= await _window(clients, scale, operation, way, ending)
            runs.append(figures)
    return runs


async def _window(clients: Crowd, scale: Scale, operation: str, way: str, ending: str) -> Figures:
    unit = x25519_us()
    window = await clients.run(operation, way, scale.warm_up_seconds, scale.window_seconds)
    if not window.operations:
        raise RuntimeError(f"no {operation} was completed")
    return _figures(window, (unit + x25519_us()) / 2, operation, ("_send" if way == "send" else "") + ending)


def _figures(window: Window, unit: float, operation: str, ending: str) -> Figures:
    return {
        f"e2e.{operation}_cpu_x25519{ending}": window.cpu_us / unit,
        f"e2e.{operation}_cpu_us{ending}": window.cpu_us,
        f"e2e.{operation}_per_s{ending}": window.per_second,
        f"e2e.{operation}_failures{ending}": window.failures,
        f"e2e.{operation}_retries{ending}": window.retries,
    }


async def talks(net: Testnet, scale: Scale) -> list[Figures]:
    """live.* and the latency of a store: two people, one sends in an open loop."""
    with tempfile.TemporaryDirectory(prefix="essaim-people-") as folder:
        async with pair(net.network_file, Path(folder)) as two:
            return [await _talk(two, scale, seed) for seed in range(1, scale.runs + 1)]


async def _talk(two: Pair, scale: Scale, seed: int) -> Figures:
    await asyncio.sleep(LEAD_SECONDS)
    talk: Talk = await two.talk(scale.talk_per_second, scale.talk_seconds, seed)
    if talk.lost:
        raise RuntimeError(f"{talk.lost} messages did not arrive")
    return {
        "live.p50_ms": percentile(talk.live_ms, 0.5),
        "live.p99_ms": percentile(talk.live_ms, 0.99),
        "e2e.store_p50_ms": percentile(talk.stored_ms, 0.5),
        "e2e.store_p99_ms": percentile(talk.stored_ms, 0.99),
    }
