"""Real nodes test each other: over links of their own, with cells that come back, and for what members hold."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node_metrics import APPLIED, REFUSED, count, made
from real_network import RealNetwork
from testnet.layout import Layout

SECONDS = 60.0
LAYOUT = Layout(relays=3, storage=3, uptime_seconds=1, away_seconds=6)
"""A round of six seconds."""


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealNetwork]:
    monkeypatch.setenv("ESSAIM_STORAGE_TEST_AGE_SECONDS", "1")
    monkeypatch.setenv("ESSAIM_STORAGE_TEST_AGAIN_SECONDS", "0.5")
    for service in ("RELAY", "STORAGE"):
        monkeypatch.setenv(f"ESSAIM_{service}_TEST_ANSWER_SECONDS", "0.7")
        monkeypatch.setenv(f"ESSAIM_{service}_TEST_PAUSE_SECONDS", "0.1")
    network = RealNetwork(tmp_path, LAYOUT)
    try:
        network.net.up()
        yield network
    finally:
        network.net.down()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110  # of other processes
            await asyncio.sleep(0.2)


async def test_nodes_test_each_other_and_discovery_hears_of_it(network: RealNetwork) -> None:
    await network.newcomer()
    stores = network.net.layout.storage_names
    nodes = network.net.layout.names[1:]

    def all_pass() -> bool:
        held = all(count(network.net, name, made("STORAGE", "PASSED")) for name in stores)
        reached = all(count(network.net, name, made("REACHABILITY", "PASSED")) for name in nodes)
        return held and reached and all(count(network.net, name, APPLIED) for name in nodes)

    await until(all_pass)
    for name in nodes:
        assert not count(network.net, name, REFUSED), "nobody tells what it was not asked for"
        for kind in ("STORAGE", "REACHABILITY"):
            assert not count(network.net, name, made(kind, "FAILED")), f"{name} believes that a sound node failed"

    network.net.node("relay-1").signal(signal.SIGSTOP)  # its kernel still takes connections: no answer is what tells
    others = [name for name in nodes if name != "relay-1"]
    try:
        await until(lambda: any(count(network.net, name, made("REACHABILITY", "FAILED")) for name in others))
    finally:
        network.net.node("relay-1").signal(signal.SIGCONT)
    view = await network.view_where(lambda view: len(view.nodes) == len(nodes))
    assert not any(count(network.net, name, made("STORAGE", "FAILED")) for name in stores)
    assert '"decommissioned"' not in network.net.node("discovery").log.read_text(), "one bad round expels nobody"
    assert len(view.swarms) == 1
