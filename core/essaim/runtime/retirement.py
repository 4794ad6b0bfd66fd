"""Leaving for good: a node that keeps data serves until its data has moved, however long it was told to stop ago.

A node is *retired* while the view has it LEAVING, and afterwards, when it is listed no longer. One that is merely
stopped is not: it comes back, and keeps its place.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from essaim.protocol.view import NetworkView, NodeState
from essaim.runtime import logs
from essaim.runtime.logs import LogLevel
from essaim.runtime.persist import MembershipEvent
from essaim.runtime.view_holder import ViewHolder


@dataclass(frozen=True)
class RetirementLimits:
    """How long a node that is told to stop waits."""

    notice_seconds: float
    """Until the view says that it is LEAVING; then it just stops."""
    move_seconds: float
    """Until its data has moved; then it stops all the same, and keeps its place."""


async def retire(
    holder: ViewHolder, node_id: bytes, limits: RetirementLimits, ask: Callable[[], Awaitable[None]] | None = None
) -> bool:
    """Returns when the node may stop: whether its data has moved. `ask`, if any, tells discovery that it leaves, and
    returns when that has heard it."""
    try:
        async with asyncio.timeout(limits.notice_seconds if ask is None else limits.move_seconds):
            if ask is not None:
                await ask()
            await holder.wait_for(lambda view: is_retired(view, node_id))
    except TimeoutError:
        return False
    try:
        async with asyncio.timeout(limits.move_seconds):
            view = await holder.wait_for(lambda view: keeps_nothing(view, node_id))
    except TimeoutError:
        logs.write(MembershipEvent.RETIREMENT_LATE, LogLevel.ERROR)
        return False
    logs.write(MembershipEvent.RETIRED, epoch=view.epoch, serial=view.serial)
    return True


def is_retired(view: NetworkView, node_id: bytes) -> bool:
    """Whether a view says that a node leaves for good, or has left."""
    node = view.nodes.get(node_id)
    return node is None or node.state == NodeState.LEAVING


def keeps_nothing(view: NetworkView, node_id: bytes) -> bool:
    """Whether a node is in no swarm by a view, neither NOW nor NEXT."""
    node = view.nodes.get(node_id)
    return node is None or (node.swarm_id is None and node.next_swarm_id is None)
