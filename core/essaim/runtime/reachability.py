"""The test whether a node can be reached: a connection of its own, TLS with the certificate that the view pins, HELLO,
and a cell that must come back. docs/protocol/node-tests.md.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from essaim.network.call import LinkRefusedError
from essaim.network.links import Links
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.onion import BadReplyError, CellSpec, Reply, minute_of, wrap
from essaim.protocol.view import NetworkView, Node, NodeState
from essaim.runtime.identity import Random
from essaim.runtime.view_holder import ViewHolder

TRIES = 3


@dataclass(frozen=True)
class Reachability:
    """Call it. `answer_seconds` for each try, `pause_seconds` between two."""

    holder: ViewHolder
    identity: LinkIdentity
    now_ms: Callable[[], int]
    random: Random
    answer_seconds: float
    pause_seconds: float

    async def __call__(self, _view: NetworkView, node_id: bytes) -> bool | None:
        """Whether one of three tries came back. None: the newest view lists it no longer, or it is leaving."""
        for number in range(TRIES):
            if number:
                await asyncio.sleep(self.pause_seconds)
            view = self.holder.current
            node = view.nodes.get(node_id) if view is not None else None
            if view is None or node is None or node.state == NodeState.LEAVING:
                return None
            if await self._answers(node, Suite(view.parameters.suites[0])):
                return True
        return False

    async def _answers(self, node: Node, suite: Suite) -> bool:
        """A cell to be thrown away: whoever opens it answers it, and nobody else can."""
        now_ms = self.now_ms()
        hop = node.hop(now_ms)
        if hop is None:
            return False
        spec = CellSpec(suite, CellClass.SMALL, CellClass.SMALL)
        cell, opener = wrap([hop], b"", spec, minute_of(now_ms), self.random, drop=True)
        try:
            async with (
                asyncio.timeout(self.answer_seconds),
                Links(self.identity) as links,
                await links.call(node, cell) as call,
                aclosing(call.replies()) as replies,
            ):
                async for seq, sealed in replies:
                    return isinstance(opener.open(seq, sealed), Reply)
        except (LinkRefusedError, BadReplyError, TimeoutError):
            return False
        return False
