"""The nodes of push hosts: links to them, the wakes that go over these, and what they answer over their own."""

import asyncio
from collections.abc import Callable, Mapping

from essaim.network.links import Links
from essaim.network.peer import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.push.wake import Reason, WakeAnswer, WakeBatch, parse
from essaim.protocol.view import NetworkView, NodeState, Role
from essaim_storage import metrics
from essaim_storage.events import Event, HostDown, HostUp, WakesTaken

DIAL_SECONDS = 0.2
"""How often a host without a link is dialled anew, once its back-off is over."""


def hosts_of(view: NetworkView) -> Mapping[bytes, Peer]:
    """The push nodes of a signed view, those that are away too: they may be back before discovery knows."""
    nodes = view.nodes.values()
    return {each.node_id: each for each in nodes if each.role == Role.PUSH and each.state != NodeState.DECOMMISSIONED}


class Hosts:
    """Keeps a link to every push node: a dial costs more than a wake may take."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._peers: Mapping[bytes, Peer] = {}
        self._links: Links | None = None
        self._up: set[bytes] = set()
        self._changed = asyncio.Event()

    def use(self, links: Links) -> None:
        """The links to speak over; theirs is `on_link`."""
        self._links = links

    def view_changed(self, peers: Mapping[bytes, Peer]) -> None:
        """A newer view."""
        self._peers = peers
        self._changed.set()

    def knows(self, node_id: bytes) -> bool:
        """Whether this is a push node."""
        return node_id in self._peers or node_id in self._up

    def send(self, to: bytes, batch: WakeBatch) -> None:
        """An effect of the machine."""
        peer = self._peers.get(to)
        if peer is not None and self._links is not None and to in self._up:
            metrics.WAKES.inc(len(batch.wakes))
            self._links.tell(peer, batch.encode())

    def on_link(self, node_id: bytes, up: bool) -> None:
        """A link that this node dialled is up or gone."""
        (self._up.add if up else self._up.discard)(node_id)
        metrics.HOSTS_LINKED.set(len(self._up))
        self._tell(HostUp(node_id) if up else HostDown(node_id))
        self._changed.set()

    def on_message(self, node_id: bytes, data: bytes) -> None:
        """A message over a link that proved its id."""
        try:
            answer = parse(data)
        except ProtocolError:
            metrics.BAD_MESSAGES.inc()
            return
        if isinstance(answer, WakeAnswer):
            self._tell(_taken(node_id, answer))

    async def keep_links(self) -> None:
        """A background task: dial whoever is missing."""
        while True:
            missing = self._peers.keys() - self._up
            for node_id in missing:
                if self._links is not None:
                    self._links.reach(self._peers[node_id])
            self._changed.clear()
            try:
                async with asyncio.timeout(DIAL_SECONDS if missing else None):
                    await self._changed.wait()
            except TimeoutError:
                continue


def _taken(node_id: bytes, answer: WakeAnswer) -> WakesTaken:
    """Only who is busy is asked again: an id that is unknown, or no wake at all, will not be better for it."""
    again = tuple(index for index, reason in answer.refused if reason is Reason.BUSY)
    for _, reason in answer.refused:
        metrics.WAKES_REFUSED.labels(reason.name).inc()
    return WakesTaken(node_id, answer.batch, again, answer.retry_after_ms)
