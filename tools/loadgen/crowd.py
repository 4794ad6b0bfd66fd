"""Many clients at once, and what the network's processes spend on them."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from loadgen.child import Child, ask_all, child
from loadgen.processor import cpu_seconds

STARTING = 4
"""Clients that start at a time: an interpreter's start is work, too."""


@dataclass(frozen=True)
class Window:
    """What was done between two moments."""

    seconds: float
    operations: int
    failures: int
    retries: int
    cpu_seconds: float
    """Of the network's processes, none of the clients'."""

    @property
    def per_second(self) -> float:
        return self.operations / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time for each operation. Infinite where none was completed."""
        return self.cpu_seconds * 1e6 / self.operations if self.operations else float("inf")


class Crowd:
    """Clients that are ready, and the network's processes."""

    def __init__(self, clients: Sequence[Child], pids: Sequence[int]) -> None:
        self._clients = clients
        self._pids = pids

    async def run(self, operation: str, way: str, warm_up: float, seconds: float) -> Window:
        """All clients in closed loops for `warm_up` seconds, then for the window's."""
        begin = time.monotonic() + warm_up
        end = begin + seconds
        command = {"do": operation, "way": way, "window": [begin, end]}
        working = asyncio.create_task(ask_all(self._clients, command))
        await asyncio.sleep(begin - time.monotonic())
        began, spent = time.monotonic(), cpu_seconds(self._pids)
        await asyncio.sleep(end - time.monotonic())
        ended, spent = time.monotonic(), cpu_seconds(self._pids) - spent
        done = await working
        counts = {name: sum(each[name] for each in done) for name in ("operations", "failures", "retries")}
        return Window(ended - began, **counts, cpu_seconds=spent)


@asynccontextmanager
async def crowd(network_file: Path, pids: Sequence[int], size: int) -> AsyncIterator[Crowd]:
    """`async with crowd(...) as clients`: that many processes, each with its own guard, links and mailbox."""
    async with AsyncExitStack() as stack:
        clients: list[Child] = []
        while len(clients) < size:
            few = min(STARTING, size - len(clients))
            started = [await stack.enter_async_context(child("client", str(network_file))) for _ in range(few)]
            await asyncio.gather(*(each.told() for each in started))
            clients += started
        yield Crowd(clients, pids)
