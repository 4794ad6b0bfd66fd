"""Every link of a deployment: the nodes of the view that a seed gives and the authorities have signed."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from essaim.protocol.view import NetworkView, ViewKeeper, ViewRefusedError
from essaim_client.linkgrade.grade import Finding, Grade, judge, overall
from essaim_client.linkgrade.probe import observe
from essaim_client.network.direct import NoAnswerError, ask
from essaim_client.network.view_sync import NoViewError
from essaim_client.network_file import NetworkFile

AT_ONCE = 4


@dataclass(frozen=True)
class GradedLink:
    """One node's port. `name`: discovery, or role and first hex digits of the node id."""

    name: str
    address: str
    grade: Grade
    findings: Sequence[Finding]


async def grade_deployment(network: NetworkFile) -> list[GradedLink]:
    """Discovery's ports first, then the nodes by role and id. Raises NoViewError."""
    view = await _view(network)
    places = [("discovery", seed.address, seed.certificates) for seed in network.seeds]
    nodes = sorted(view.nodes.values(), key=lambda node: (node.role, node.node_id))
    places += [
        (f"{node.role.name.lower()} {node.node_id.hex()[:8]}", node.address, tuple(node.certificates)) for node in nodes
    ]
    room = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, address: str, certificates: tuple[bytes, ...]) -> GradedLink:
        async with room:
            return await grade_link(name, address, certificates)

    return list(await asyncio.gather(*(one(*place) for place in places)))


async def grade_link(name: str, address: str, certificates: Sequence[bytes]) -> GradedLink:
    """Of one port."""
    findings = judge(await observe(address, certificates), certificates)
    return GradedLink(name, address, overall(findings), findings)


async def _view(network: NetworkFile) -> NetworkView:
    for seed in network.seeds:
        try:
            told = await ask(seed, 0, 0, _now_ms)
            return ViewKeeper(network.genesis).accept(told.answer, _now_ms() + told.offset_ms)
        except (NoAnswerError, ViewRefusedError):
            continue
    raise NoViewError("no seed gives a view that the network's authorities have signed")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
