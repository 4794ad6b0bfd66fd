"""The reachability test over real links: only who answers there, with that certificate and those keys, passes."""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from essaim.protocol.view import Descriptor, Node, NodeState, Parameters, Role
from essaim.runtime.reachability import Reachability
from essaim.testing.node import PERIODS, LooseNode
from relay_network import Network


def listed(node: LooseNode, role: Role = Role.RELAY) -> Node:
    """As a view would name it."""
    descriptor = Descriptor(
        network_id=bytes(32),
        node_id=node.node_id,
        role=role,
        address=node.peer.address,
        certificates=(node.certificate.der,),
        operator_id=b"",
        region="",
        start_id=bytes(16),
        sequence=1,
        issued_ms=node.now_ms(),
    )
    return Node(descriptor, NodeState.ACTIVE, None, node.keyring.published, PERIODS)


@pytest.fixture
async def net():
    async with Network() as network:
        yield network


async def reaches(net: Network, node: Node | None, answer_seconds: float = 2.0) -> bool | None:
    """What the tester, the first relay, says of the second node by this entry."""
    nodes = {node.node_id: node} if node is not None else {}
    holder = SimpleNamespace(current=SimpleNamespace(nodes=nodes, parameters=Parameters()))
    tester = net.nodes[0]
    test = Reachability(holder, tester.identity, net.clock.now_ms, os.urandom, answer_seconds, 0.01)
    return await test(holder.current, node.node_id if node is not None else bytes(32))


async def test_relay_and_destination_pass(net: Network) -> None:
    assert await reaches(net, listed(net.nodes[1])) is True
    assert await reaches(net, listed(net.end, Role.STORAGE)) is True


async def test_another_certificate_or_other_keys_do_not_pass(net: Network) -> None:
    node, other = listed(net.nodes[1]), net.nodes[2]
    stolen = replace(node.descriptor, address=other.peer.address)
    assert await reaches(net, Node(stolen, NodeState.ACTIVE, None, node.keys, PERIODS)) is False
    posing = replace(stolen, certificates=(other.certificate.der,))
    assert await reaches(net, Node(posing, NodeState.ACTIVE, None, node.keys, PERIODS)) is False
    assert await reaches(net, Node(node.descriptor, NodeState.ACTIVE, None, other.keyring.published, PERIODS)) is False
    assert await reaches(net, Node(node.descriptor, NodeState.ACTIVE, None, (), PERIODS)) is False


async def test_node_that_is_gone_fails_and_one_that_leaves_is_not_judged(net: Network) -> None:
    node = listed(net.nodes[1])
    leaving = Node(node.descriptor, NodeState.LEAVING, None, node.keys, PERIODS)
    assert await reaches(net, leaving) is None and await reaches(net, None) is None
    await net.nodes[1].stop()
    assert await reaches(net, node, 0.5) is False
