"""Whom the agent retires. The rules are in docs/operations/kubernetes.md, "Who is retired"."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from essaim.protocol.view import NetworkView, NodeState, Role
from essaim.protocol.view.node import Node
from essaim_discovery.cluster.scene import Home, Scene

SILENT = (NodeState.AWAY, NodeState.LEAVING)


@dataclass(frozen=True)
class Retirement:
    """As the transaction Retire: `gone` when the node can never come back."""

    node_id: bytes
    gone: bool


def retirements(view: NetworkView, scene: Scene, homes: Mapping[bytes, Home]) -> list[Retirement]:
    """What to tell discovery now, in order of node id. Telling it again changes nothing."""
    here = {node_id: home for node_id, home in homes.items() if node_id in view.nodes and _is_kept(scene, home)}
    beyond = {node_id for node_id, home in here.items() if home.ordinal >= scene.workloads[home.workload].replicas}
    gone = {node_id for node_id, home in here.items() if _is_gone(view.nodes[node_id], node_id in beyond, home, scene)}
    allowed = {*_losable(view, gone), *(each for each in gone if view.nodes[each].role != Role.STORAGE)}
    leaving = {each for each in beyond - gone if _may_leave(view.nodes[each], view, beyond)}
    told = [Retirement(node_id, gone=True) for node_id in allowed]
    told += [Retirement(node_id, gone=False) for node_id in leaving]
    return sorted(told, key=lambda each: each.node_id)


def _is_kept(scene: Scene, home: Home) -> bool:
    """Whether its StatefulSet is there and stays: of a release that is removed nobody is retired."""
    workload = scene.workloads.get(home.workload)
    return workload is not None and not workload.ending


def _is_gone(node: Node, beyond: bool, home: Home, scene: Scene) -> bool:
    """Its identity is no more: no pod of it, and no claim. Or nothing is kept in it, and no pod is wanted either."""
    if node.state not in SILENT or any(pod.uid == home.pod_uid for pod in scene.pods):
        return False
    if node.role != Role.STORAGE and beyond:
        return all(pod.name != home.pod for pod in scene.pods)
    return not scene.has_claim(home)


def _losable(view: NetworkView, gone: set[bytes]) -> Iterator[bytes]:
    """Storage nodes whose loss their swarms survive: of more than r - W members only an operator may say it."""
    for node_id in gone:
        swarms = [view.swarm_of_node(node_id), view.next_swarm_of_node(node_id)]
        if view.nodes[node_id].role == Role.STORAGE and all(
            swarm is None or len(gone & swarm.node_ids) <= len(swarm.members) - swarm.quorum for swarm in swarms
        ):
            yield node_id


def _may_leave(node: Node, view: NetworkView, beyond: set[bytes]) -> bool:
    """Not yet leaving; and enough storage nodes would be left to keep its data: else scaling down is a pause."""
    if node.state not in (NodeState.ACTIVE, NodeState.AWAY):
        return False
    staying = sum(
        each.role == Role.STORAGE and each.state in (NodeState.ACTIVE, NodeState.AWAY) and each.node_id not in beyond
        for each in view.nodes.values()
    )
    return node.role != Role.STORAGE or staying >= view.parameters.swarm_sizes.minimum
