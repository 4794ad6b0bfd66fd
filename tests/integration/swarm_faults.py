"""What befalls a swarm of processes: kills, stops, cut links, full disks, restarts; one after the other, each mended.

Every storage node is dialled through a proxy of its own, here: it tells by the dialler's port which node dials, so that
two nodes can be cut off from each other while both are reached by clients.
"""

import asyncio
import contextlib
import random
import resource
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from essaim.protocol.view import NetworkView
from testnet import Layout, Testnet
from testnet.process import NodeProcess

NAMES = ("storage-1", "storage-2", "storage-3")
READY_SECONDS = 30
PIECE = 1 << 16
LASTING_PORTS = range(20_000, 32_000)
"""Below those that systems give to who dials: a node that is down finds its own free when it is back."""
Pair = frozenset[str]


class ProxiedTestnet(Testnet):
    """Three storage nodes that the view names by their proxies."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Layout(relays=0, storage=len(NAMES)))
        ports = random.sample(LASTING_PORTS, len(LASTING_PORTS))
        free = filter(_is_free, ports)
        self.ports = {name: (next(free), next(free)) for name in NAMES}
        """(where it listens, where its proxy does)"""

    def node(self, name: str) -> NodeProcess:
        node = super().node(name)
        if name not in self.ports:
            return node
        own, shown = self.ports[name]
        flags = ("--listen", f"127.0.0.1:{own}", "--advertised", f"127.0.0.1:{shown}")
        return NodeProcess(name, (*node.command, *flags), node.folder)

    def _is_whole(self, view: NetworkView) -> bool:
        wanted = {f"127.0.0.1:{shown}" for _, shown in self.ports.values()}
        still = not any(node.move_serial for node in view.nodes.values())
        return wanted == {node.address for node in view.nodes.values()} and still and len(view.swarms) == 1


class Proxies:
    """`async with Proxies(testnet)`. `cut` holds pairs of nodes that do not reach each other."""

    def __init__(self, testnet: ProxiedTestnet) -> None:
        self._testnet = testnet
        self._servers: list[asyncio.Server] = []
        self._open: dict[asyncio.StreamWriter, Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut: set[Pair] = set()

    async def __aenter__(self) -> "Proxies":
        for name, (_, shown) in self._testnet.ports.items():

            async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: str = name) -> None:
                await self._carry(to, reader, writer)

            self._servers.append(await asyncio.start_server(accept, "127.0.0.1", shown))
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def part(self, one: str, other: str) -> None:
        """From now on, and at once."""
        pair = frozenset((one, other))
        self.cut.add(pair)
        for writer, between in list(self._open.items()):
            if between == pair:
                writer.transport.abort()

    async def _carry(self, to: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        pair = frozenset((to, await asyncio.to_thread(self._dialler, writer.get_extra_info("peername")[1])))
        onward: asyncio.StreamWriter | None = None
        try:
            if pair in self.cut:
                return
            back, onward = await asyncio.open_connection("127.0.0.1", self._testnet.ports[to][0])
            self._open |= {writer: pair, onward: pair}
            await asyncio.gather(_pump(reader, onward), _pump(back, writer))
        except OSError:
            pass
        finally:
            for each in (writer, onward):
                if each is not None:
                    self._open.pop(each, None)
                    each.transport.abort()

    def _dialler(self, port: int) -> str:
        """The storage node whose socket this is; "" for anybody else."""
        for name in NAMES:
            pid = self._testnet.node(name).pid
            with contextlib.suppress(psutil.Error):
                sockets = psutil.Process(pid).net_connections(kind="tcp") if pid else []
                if any(each.laddr.port == port for each in sockets):
                    return name
        return ""


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


class Faults:
    """Of one run. Each waits until the swarm is whole again, as far as processes go."""

    def __init__(self, testnet: ProxiedTestnet, proxies: Proxies, rng: random.Random) -> None:
        self._testnet = testnet
        self._proxies = proxies
        self._rng = rng
        self.kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "kill": self._kill,
            "pause": self._pause,
            "cut": self._cut,
            "full disk": self._full_disk,
            "power cut": self._power_cut,
            "rolling restart": self._rolling_restart,
        }

    async def _wait(self, least: float, most: float) -> None:
        await asyncio.sleep(self._rng.uniform(least, most))

    async def _back(self, *names: str) -> None:
        """Start who is down, and wait until all of these are ready."""
        for name in names:
            if self._testnet.node(name).pid is None:
                self._testnet.node(name).start()
        await asyncio.gather(
            *(asyncio.to_thread(self._testnet.node(name).await_ready, READY_SECONDS) for name in names)
        )

    async def _kill(self) -> None:
        name = self._rng.choice(NAMES)
        await asyncio.to_thread(self._testnet.node(name).kill)
        await self._wait(0.1, 1.5)
        await self._back(name)

    async def _power_cut(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(self._testnet.node(name).kill) for name in NAMES))
        await self._back(*NAMES)

    async def _pause(self) -> None:
        """It neither answers nor breaks its links; then it goes on where it was."""
        node = self._testnet.node(self._rng.choice(NAMES))
        node.signal(signal.SIGSTOP)
        await self._wait(0.5, 6.0)
        node.signal(signal.SIGCONT)

    async def _cut(self) -> None:
        one, other = self._rng.sample(NAMES, 2)
        self._proxies.part(one, other)
        await self._wait(0.5, 6.0)
        self._proxies.cut.clear()

    async def _full_disk(self) -> None:
        """No file of it may grow: whatever it writes fails, and what it does about that is its own affair."""
        name = self._rng.choice(NAMES)
        pid = self._testnet.node(name).pid
        if pid is None:
            return
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4_096, before[1]))
        await self._wait(0.3, 2.0)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        await self._wait(0.5, 1.0)
        await self._revive(name)

    async def over(self) -> None:
        """Whoever ended by its own will, as a node whose disk fails does, is started again, as a supervisor would."""
        for name in NAMES:
            await self._revive(name)

    async def _revive(self, name: str) -> None:
        node = self._testnet.node(name)
        if node.has_said("died"):
            await asyncio.to_thread(node.await_end, READY_SECONDS)
        await self._back(name)

    async def _rolling_restart(self) -> None:
        """As an upgrade."""
        for name in NAMES:
            await asyncio.to_thread(self._testnet.node(name).stop, READY_SECONDS)
            await self._back(name)
