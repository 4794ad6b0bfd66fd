"""Storage nodes as real processes: one is replaced by a spare because an authority retires it, one merely restarts."""

import signal
from pathlib import Path

import pytest

from essaim.protocol.view import NetworkView, NodeState
from essaim_discovery.orders import order
from testnet.layout import Layout
from testnet.network import Testnet

SECONDS = 60.0


@pytest.fixture
def net(tmp_path: Path):
    network = Testnet(tmp_path / "net", Layout(relays=0, storage=4))
    try:
        network.up()
        yield network
    finally:
        network.down()


def node_id(net: Testnet, name: str) -> bytes:
    return bytes.fromhex(net.node(name).facts["node_id"])


def still(view: NetworkView) -> bool:
    return not any(node.move_serial for node in view.nodes.values())


def test_spare_takes_the_place_of_a_retired_node_and_a_restarted_one_keeps_its_own(net: Testnet) -> None:
    view = net.view()
    assert view is not None
    (swarm,) = view.swarms.values()
    names = {name: node_id(net, name) for name in net.layout.names[1:]}
    spare = next(name for name, each in names.items() if each not in swarm.node_ids)
    retired, restarted, _ = (name for name in names if name != spare)

    net.retire(retired)
    view = net.await_view(lambda view: names[retired] not in view.nodes and still(view), SECONDS)
    (after,) = view.swarms.values()
    assert after.node_ids == swarm.node_ids - {names[retired]} | {names[spare]}
    assert '"move_ended"' in net.node("discovery").log.read_text()

    net.node(retired).signal(signal.SIGTERM)
    net.node(retired).await_end(SECONDS)
    assert '"retired"' in net.node(retired).log.read_text()

    net.node(restarted).signal(signal.SIGTERM)
    view = net.await_view(lambda view: view.nodes[names[restarted]].state == NodeState.AWAY, SECONDS)
    assert names[restarted] in view.swarms[after.swarm_id].node_ids and still(view)
    net.node(restarted).await_end(SECONDS)
    net.node(restarted).start()
    view = net.await_view(lambda view: view.nodes[names[restarted]].state == NodeState.ACTIVE, SECONDS)
    assert view.swarms[after.swarm_id].node_ids == after.node_ids


@pytest.fixture
def alone(tmp_path: Path):
    """Discovery without nodes."""
    network = Testnet(tmp_path / "net", Layout(relays=0, storage=0))
    network.create()
    try:
        network.node("discovery").start()
        network.node("discovery").await_ready(SECONDS)
        yield network
    finally:
        network.down()


def test_order_that_cannot_be_carried_out_is_one_sentence(alone: Testnet, capsys: pytest.CaptureFixture) -> None:
    net = alone
    files = ["--genesis", str(net.genesis_file), "--data-dir", str(net.folder / "discovery")]
    at = ["--discovery", net.discovery_address]
    unknown = "0" * 64
    for arguments, code in (
        (["retire", unknown, *files, *at], 1),
        (["retire", unknown, *files, "--discovery", "127.0.0.1:1"], 1),
        (["retire", "abc", *files, *at], 2),
        (["decommission", unknown, *files], 2),
        (["recommission", unknown, "--genesis", "none"], 2),
        (["admit", unknown, *files], 2),
        (["admit", unknown, *files, "--operator-key", "none"], 2),
    ):
        assert order(arguments) == code, arguments
        said = capsys.readouterr()
        assert len(said.err.strip().splitlines()) == 1 and not said.out
    assert order(["admit", unknown, *files, "--operator-key", str(net.operator_key_file)]) == 0
    assert capsys.readouterr().out.startswith("--operator-id ")
