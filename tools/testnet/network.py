"""The network: makes a genesis, starts the processes, says when it is whole."""

import asyncio
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from essaim.protocol.view import Genesis, NetworkView, ViewKeeper, ViewRefusedError
from essaim.runtime.retirement import keeps_nothing
from essaim_client.network.direct import NoAnswerError, Seed, ask
from testnet.layout import Layout
from testnet.process import NodeProcess

READY_SECONDS = 60.0
DRAIN_SECONDS = 120.0
ON_THIS_MACHINE = ("--endpoint-networks", "127.0.0.0/8", "--endpoint-http", "--delay-seconds", "1")
"""What a push host of a testnet may call, and how late it tells what is not prompt."""
Progress = Callable[[str, float], None]
"""What has just become ready, and seconds since the beginning."""


def _quiet(_what: str, _seconds: float) -> None:
    """No progress is shown."""


class Testnet:
    """A network in one folder; another `Testnet` of the same folder finds the same processes."""

    __test__ = False  # not a test class, whatever its name suggests to pytest

    def __init__(self, folder: Path, layout: Layout | None = None, extra: Sequence[str] = ()) -> None:
        self.folder = folder.absolute()
        self.layout = layout or Layout()
        self._extra = tuple(extra)

    # Files

    @property
    def genesis_file(self) -> Path:
        return self.folder / "genesis.bin"

    @property
    def network_file(self) -> Path:
        """What a client is given: genesis and seeds."""
        return self.folder / "network.json"

    @property
    def operator_key_file(self) -> Path:
        """The founder's, which the genesis came with."""
        return self.folder / "discovery" / "operator.key"

    @property
    def genesis(self) -> Genesis:
        return Genesis.parse(self.genesis_file.read_bytes())

    @property
    def discovery_address(self) -> str:
        return (self.folder / "discovery-address").read_text()

    # Life

    def create(self) -> None:
        """Genesis, discovery's address and the network file; nothing where they exist."""
        if self.network_file.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "discovery-address").write_text(f"127.0.0.1:{_free_port()}")
        self._make_genesis()
        encoded = base64.b64encode(self.genesis_file.read_bytes()).decode()
        self.network_file.write_text(json.dumps({"genesis": encoded, "seeds": [self.discovery_address]}))

    def _make_genesis(self) -> None:
        layout = self.layout
        flags = {
            "data-dir": self.folder / "discovery",
            "out": self.genesis_file,
            "network-name": "testnet",
            "view-min-interval-ms": layout.view_min_interval_ms,
            "swarm-min": layout.swarm_min,
            "swarm-target": layout.swarm_target,
            "swarm-max": layout.swarm_max,
            "x25519-period-seconds": layout.x25519_period_seconds,
            "kem-period-seconds": layout.kem_period_seconds,
            "suites": ",".join(map(str, layout.suites)),
            "uptime-seconds": layout.uptime_seconds,
            "away-seconds": layout.away_seconds,
        }
        arguments = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "essaim_discovery", "genesis", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"no genesis: {done.stderr.strip()}")

    def up(self, progress: Progress = _quiet) -> NetworkView:
        """Start everything and wait until one signed view lists all of it; the view."""
        began = time.monotonic()
        self.create()
        self.node("discovery").start()
        self.node("discovery").await_ready(READY_SECONDS)
        progress("discovery", time.monotonic() - began)
        nodes = [self.node(name) for name in self.layout.names[1:]]
        for node in nodes:
            node.start()
        for node in nodes:
            node.await_ready(READY_SECONDS)
            progress(node.name, time.monotonic() - began)
        view = self.await_view(self._is_whole)
        progress("network", time.monotonic() - began)
        return view

    def mend(self) -> NetworkView:
        """Start whatever does not run, and wait until one signed view lists all of it; the view."""
        for name in self.layout.names:
            if self.node(name).pid is None:
                self.node(name).start()
        for name in self.layout.names:
            self.node(name).await_ready(READY_SECONDS)
        return self.await_view(self._is_whole)

    def _is_whole(self, view: NetworkView) -> bool:
        addresses = {node.address for node in view.nodes.values()}
        wanted = {self.node(name).facts.get("address") for name in self.layout.names[1:]}
        still = not any(node.move_serial for node in view.nodes.values())
        return wanted <= addresses and still and len(view.swarms) == self.layout.swarms

    def down(self) -> None:
        """End every process at once."""
        for name in reversed(self.layout.names):
            self.node(name).signal(signal.SIGKILL)
        for name in self.layout.names:
            self.node(name).await_end(10)

    # Growing and shrinking

    def add_storage(self, count: int) -> list[str]:
        """Start so many more storage nodes; their names. They take their places as the views go on."""
        before = self.layout.storage_names
        self._keep(replace(self.layout, storage=self.layout.storage + count))
        names = [name for name in self.layout.storage_names if name not in before]
        for name in names:
            self.node(name).start()
        for name in names:
            self.node(name).await_ready(READY_SECONDS)
        return names

    def drain(self, name: str, seconds: float = DRAIN_SECONDS) -> None:
        """An authority retires a storage node; it ends when its data has moved. Raises TimeoutError."""
        if name not in self.layout.storage_names:
            raise KeyError(f"no storage node {name}")
        node = self.node(name)
        node_id = bytes.fromhex(node.facts["node_id"])
        self.retire(name)
        self.await_view(lambda view: keeps_nothing(view, node_id), seconds)
        node.stop(seconds)
        self._keep(replace(self.layout, drained=(*self.layout.drained, name)))

    def _keep(self, layout: Layout) -> None:
        """For another `Testnet` of the same folder."""
        self.layout = layout
        (self.folder / "layout.json").write_text(layout.dump())

    # Nodes

    def node(self, name: str) -> NodeProcess:
        """The process `name`: discovery, relay-1 ..., storage-1 ... ."""
        if name not in self.layout.names:
            raise KeyError(f"no node {name}: there are {', '.join(self.layout.names)}")
        service, folder = name.partition("-")[0], self.folder / name
        flags = ["--data-dir", str(folder), "--genesis", str(self.genesis_file), *self._extra]
        if service == "discovery":
            flags += ["--listen", self.discovery_address]
            flags += ["--open-admission"] if self.layout.open_admission else []
        else:
            flags += ["--discovery", self.discovery_address]
            flags += [] if self.layout.open_admission else ["--operator-key", str(self.operator_key_file)]
        if service == "push":
            flags += [*ON_THIS_MACHINE, *self.layout.push_flags]
        return NodeProcess(name, (sys.executable, "-m", f"essaim_{service}", *flags), folder)

    def retire(self, name: str) -> None:
        """Tell a node, by the authority's word, to leave for good. Raises RuntimeError."""
        node_id, folder = str(self.node(name).facts.get("node_id")), str(self.folder / "discovery")
        flags = ["--genesis", str(self.genesis_file), "--discovery", self.discovery_address, "--data-dir", folder]
        command = [sys.executable, "-m", "essaim_discovery", "retire", node_id, *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())

    def name_of(self, node_id: bytes) -> str:
        """Which process a node of the view is."""
        found = (name for name in self.layout.names if self.node(name).facts.get("node_id") == node_id.hex())
        return next(found, node_id.hex()[:8])

    # The view

    async def ask_view(self) -> NetworkView | None:
        """What discovery serves now, verified; None when it does not answer."""
        seed = Seed(self.discovery_address, self.genesis.discovery_certificates)
        try:
            told = await ask(seed, 0, 0, _now_ms)
            return ViewKeeper(self.genesis).accept(told.answer, _now_ms())
        except (NoAnswerError, ViewRefusedError):
            return None

    def view(self) -> NetworkView | None:
        """`ask_view` for who has no event loop."""
        return asyncio.run(self.ask_view())

    def await_view(self, wanted: Callable[[NetworkView], bool], seconds: float = READY_SECONDS) -> NetworkView:
        """The first view that fits. Raises TimeoutError."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            view = self.view()
            if view is not None and wanted(view):
                return view
            time.sleep(0.1)
        raise TimeoutError("the network's view does not become what it should")

    def cpu_seconds(self) -> dict[str, float]:
        """Scheduler time of every process that runs, all its threads."""
        ticks = os.sysconf("SC_CLK_TCK")
        used = {}
        for name in self.layout.names:
            pid = self.node(name).pid
            if pid is not None:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                used[name] = (int(fields[11]) + int(fields[12])) / ticks
        return used


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
