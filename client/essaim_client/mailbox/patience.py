"""How long an operation over several members goes on, and from when each of them may be asked again."""

import asyncio
from collections.abc import Iterable

from essaim.protocol.view import Node
from essaim_client.network.failure import DestinationRefusedError

PATIENCE_SECONDS = 60.0
"""After this no new round begins: somebody waits for an answer, even if it is that there is none."""
PAUSE_SECONDS = 0.25
PAUSE_MAX_SECONDS = 4.0


def pause_seconds(number: int) -> float:
    """Between rounds: a swarm that just lost a member needs a moment; doubled each time."""
    return min(PAUSE_MAX_SECONDS, PAUSE_SECONDS * float(2**number))


class Patience:
    """Of one operation, from now. A member that names a time (RetryInfo, AIP-193) is not asked again before it.

    That is one member's word: the others are asked meanwhile, and nobody is waited for beyond the operation's own end.
    """

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._until = self._now() + PATIENCE_SECONDS
        self._from: dict[bytes, float] = {}

    @property
    def over(self) -> bool:
        return self._now() >= self._until

    def heard(self, node: Node, error: DestinationRefusedError) -> None:
        """What a member refused with."""
        if error.refusal.retry_after_ms:
            self._from[node.node_id] = self._now() + error.refusal.retry_after_ms / 1_000

    def ready(self, nodes: Iterable[Node]) -> list[Node]:
        """Those that may be asked now, in their order."""
        now = self._now()
        return [node for node in nodes if self._from.get(node.node_id, now) <= now]

    async def pause(self, number: int, nodes: Iterable[Node]) -> bool:
        """Before the next round: until one of these may be asked. False, at once: none of them may before the end."""
        now = self._now()
        first = min((self._from.get(node.node_id, now) for node in nodes), default=now)
        if first >= self._until:
            return False
        await asyncio.sleep(max(pause_seconds(number), first - now))
        return not self.over
