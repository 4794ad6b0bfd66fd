"""Real nodes test each other: over links of their own, with cells that come back, and for what members hold."""

import asyncio
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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


def page(network: RealNetwork, name: str) -> str:
    address = network.net.node(name).facts["metrics"]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")


def count(network: RealNetwork, name: str, metric: str) -> float:
    """Of a node's page, the value behind this name and labels; 0 where it is not there yet."""
    found = re.search(rf"^{re.escape(metric)} (\S+)$", page(network, name), re.MULTILINE)
    return float(found[1]) if found else 0.0


def made(kind: str, outcome: str) -> str:
    return f'essaim_node_tests_total{{kind="{kind}",outcome="{outcome}"}}'


APPLIED = 'essaim_node_test_reports_total{outcome="APPLIED"}'
REFUSED = 'essaim_node_test_reports_total{outcome="REFUSED"}'


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110  # of other processes
            await asyncio.sleep(0.2)


async def test_nodes_test_each_other_and_discovery_hears_of_it(network: RealNetwork) -> None:
    await network.newcomer()
    stores = network.net.layout.storage_names
    nodes = network.net.layout.names[1:]

    def all_pass() -> bool:
        held = all(count(network, name, made("STORAGE", "PASSED")) for name in stores)
        reached = all(count(network, name, made("REACHABILITY", "PASSED")) for name in nodes)
        return held and reached and all(count(network, name, APPLIED) for name in nodes)

    await until(all_pass)
    for name in nodes:
        assert not count(network, name, REFUSED), "nobody tells what it was not asked for"
        for kind in ("STORAGE", "REACHABILITY"):
            assert not count(network, name, made(kind, "FAILED")), f"{name} believes that a sound node failed"

    network.net.node("relay-1").signal(signal.SIGSTOP)  # its kernel still takes connections: no answer is what tells
    others = [name for name in nodes if name != "relay-1"]
    try:
        await until(lambda: any(count(network, name, made("REACHABILITY", "FAILED")) for name in others))
    finally:
        network.net.node("relay-1").signal(signal.SIGCONT)
    view = await network.view_where(lambda view: len(view.nodes) == len(nodes))
    assert not any(count(network, name, made("STORAGE", "FAILED")) for name in stores)
    assert '"decommissioned"' not in network.net.node("discovery").log.read_text(), "one bad round expels nobody"
    assert len(view.swarms) == 1
