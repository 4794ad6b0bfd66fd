"""The other members of what this node keeps: who they are by the view, the links to them, and what they say."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from essaim.network.links import Links
from essaim.network.peer import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import NetworkView
from essaim_storage import metrics
from essaim_storage.events import Event, LinkDown, LinkUp, PeerMessage, ViewChanged
from essaim_storage.message import Hello, Message
from essaim_storage.placement import Range, order_of, places_of, ranges_of
from essaim_storage.wire import decode_message, encode_message

DIAL_SECONDS = 0.2
"""How often a member without a link is dialled anew, once its back-off is over."""

HELD = 64
"""Answers that wait for a link; older ones are lost, which the machine bears."""


@dataclass(frozen=True)
class Neighbours:
    """What a view says of the mailboxes that this node keeps."""

    serial: int = 0
    """The view's place in the order of views (`order_of`)."""
    peers: Mapping[bytes, Peer] = field(default_factory=dict)
    """The other members of its ranges, now and next, by node id."""
    ranges: tuple[Range, ...] = ()
    spare: bool = False
    """This very start is listed, and has no place."""


def neighbours_of(view: NetworkView, own_id: bytes, start_id: bytes = b"") -> Neighbours:
    """What a signed view says of a node's mailboxes and of who keeps them with it."""
    places, own = places_of(view), view.nodes.get(own_id)
    ranges = ranges_of(places, own_id)
    members = frozenset().union(*(each.members for each in ranges)) - {own_id}
    spare = own is not None and own.start_id == start_id and own_id not in places
    return Neighbours(order_of(view.epoch, view.serial), {each: view.nodes[each] for each in members}, ranges, spare)


class Members:
    """Keeps a link to every other member, and tells the machine about links and messages."""

    def __init__(self, own_id: bytes, tell: Callable[[Event], None]) -> None:
        self._own_id = own_id
        self._tell = tell
        self._neighbours = Neighbours()
        self._links: Links | None = None
        self._standing: set[bytes] = set()
        """To whom a link stands."""
        self._up: set[bytes] = set()
        """Those of them that the machine knows of."""
        self._held: dict[bytes, deque[Message]] = {}
        self._changed = asyncio.Event()

    def use(self, links: Links) -> None:
        """The links to speak over; theirs is `on_link`."""
        self._links = links

    def view_changed(self, neighbours: Neighbours) -> None:
        """A newer view."""
        self._neighbours = neighbours
        self._tell(ViewChanged(neighbours.serial, neighbours.ranges, neighbours.spare))
        for node_id in sorted(self._standing & neighbours.peers.keys() - self._up):
            self._turn(node_id, up=True)
        self._changed.set()

    def send(self, to: bytes, message: Message) -> None:
        """An effect of the machine. A link leads one way: an answer may have to wait until this node's own is up.

        A Hello does not: with the link comes the one that is true then, and an older one behind it would be believed.
        """
        peer = self._neighbours.peers.get(to)
        if peer is None or self._links is None:
            return
        if to in self._up:
            metrics.messages("SENT", type(message)).inc()
            self._links.tell(peer, encode_message(message, self._neighbours.serial))
        elif not isinstance(message, Hello):
            self._held.setdefault(to, deque(maxlen=HELD)).append(message)

    def on_link(self, node_id: bytes, up: bool) -> None:
        """A link that this node dialled is up or gone. One that comes up when its node is no member any more counts as
        soon as it is one again: it is not dialled anew."""
        (self._standing.add if up else self._standing.discard)(node_id)
        if node_id in self._neighbours.peers or not up:
            self._turn(node_id, up=up)

    def _turn(self, node_id: bytes, *, up: bool) -> None:
        (self._up.add if up else self._up.discard)(node_id)
        metrics.LINKED.set(len(self._up))
        self._tell(LinkUp(node_id) if up else LinkDown(node_id))
        held = self._held.pop(node_id, ())
        for message in held if up else ():
            self.send(node_id, message)
        self._changed.set()

    def on_peer(self, _node_id: bytes, up: bool) -> None:
        """A member dialled this node: it is alive, so dial it."""
        if up:
            self._changed.set()

    def on_message(self, node_id: bytes, data: bytes) -> None:
        """A message over a link that proved its id."""
        if node_id not in self._neighbours.peers:
            return
        try:
            message, view_serial = decode_message(data)
        except ProtocolError:
            metrics.BAD_MESSAGES.inc()
            return
        metrics.messages("RECEIVED", type(message)).inc()
        self._tell(PeerMessage(node_id, message, view_serial))

    async def keep_links(self) -> None:
        """A background task: dial whoever is missing."""
        while True:
            missing = self._neighbours.peers.keys() - self._up
            for node_id in missing:
                if self._links is not None:
                    self._links.reach(self._neighbours.peers[node_id])
            self._changed.clear()
            try:
                async with asyncio.timeout(DIAL_SECONDS if missing else None):
                    await self._changed.wait()
            except TimeoutError:
                continue
