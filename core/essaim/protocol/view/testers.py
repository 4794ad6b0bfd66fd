"""Who tests whom: drawn from a view that `draws_tests`, the same for everybody who has it. docs/protocol/node-tests.md.

The seed is the hash of the view before; who takes part has been listed for a while, so that nobody could choose a node
id with the draw in mind. A draw is a circle: the nodes in the order of BLAKE2b-256("essaim/testers/v1" || seed || kind
|| node id); the testers of a node are those who come after it.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple

from essaim.protocol.kdf import blake2b256
from essaim.protocol.view.network_view import NetworkView
from essaim.protocol.view.roles import NodeState, Role

TESTERS_LABEL = b"essaim/testers/v1"
TESTERS = 5
"""Of each node and kind, where there are as many."""


class TestKind(IntEnum):
    """The codes of `essaim.discovery.v1.TestKind`."""

    __test__ = False  # pytest's word for its own classes

    REACHABILITY = 1
    STORAGE = 2


class Candidate(NamedTuple):
    """A node that takes part. `tests`: also as a tester, which an expelled one is not."""

    node_id: bytes
    tests: bool
    swarm_id: int | None


Draw = Mapping[tuple[TestKind, bytes], tuple[bytes, ...]]
"""The testers of each (kind, node id), in the order of the circle."""


def draw(seed: bytes, candidates: Sequence[Candidate]) -> Draw:
    """Reachability among all, storage among the members of each swarm (NOW)."""
    drawn = dict(_circle(seed, TestKind.REACHABILITY, candidates))
    stores = sorted((each.swarm_id, each) for each in candidates if each.swarm_id is not None)
    for _, members in groupby(stores, key=lambda pair: pair[0]):
        drawn.update(_circle(seed, TestKind.STORAGE, [each for _, each in members]))
    return drawn


def _circle(
    seed: bytes, kind: TestKind, candidates: Iterable[Candidate]
) -> Iterable[tuple[tuple[TestKind, bytes], tuple[bytes, ...]]]:
    order = sorted(candidates, key=lambda each: blake2b256(TESTERS_LABEL, seed, bytes([kind]), each.node_id))
    testers = [(at, each.node_id) for at, each in enumerate(order) if each.tests]
    first = 0  # of the testers that come after the node on the circle
    for at, subject in enumerate(order):
        while first < len(testers) and testers[first][0] <= at:
            first += 1
        others = len(testers) - subject.tests
        chosen = [testers[(first + step) % len(testers)][1] for step in range(min(TESTERS, others))]
        yield (kind, subject.node_id), tuple(chosen)


def takes_part(state: NodeState, registered_ms: int, made_ms: int, away_seconds: int) -> bool:
    """Whether a node is drawn in a view made at `made_ms`: ACTIVE or expelled, and registered `away_seconds` before."""
    return state in (NodeState.ACTIVE, NodeState.DECOMMISSIONED) and registered_ms + away_seconds * 1_000 <= made_ms


def drawn_for(view: NetworkView, node_id: bytes) -> list[tuple[TestKind, bytes]]:
    """What a node has to test by a view, none where that draws no tests: (kind, node id), ascending."""
    if not view.header.draws_tests:
        return []
    drawn = draw(view.header.previous_hash, candidates_of(view))
    return sorted(subject for subject, testers in drawn.items() if node_id in testers)


def candidates_of(view: NetworkView) -> list[Candidate]:
    """Who takes part by a view, in order of node id."""
    away_seconds = view.parameters.away_seconds
    return [
        Candidate(node.node_id, node.state == NodeState.ACTIVE, node.swarm_id if node.role == Role.STORAGE else None)
        for node in view.nodes.values()
        if takes_part(node.state, node.registered_ms, view.valid_from_ms, away_seconds)
    ]
