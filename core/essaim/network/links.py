"""All outgoing links of a node or client: one for each (peer, class), dialled when first used and after a break."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from essaim.network.call import Call, CallListener, LinkRefusedError, OutgoingCall
from essaim.network.outgoing import OutgoingLink
from essaim.network.peer import Peer
from essaim.network.settings import LinkSettings
from essaim.protocol.link.calls import classes_of
from essaim.protocol.link.frame import MAX_MESSAGE, MESSAGE_CLASS
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.onion.refusal import Refusal

Key = tuple[bytes, int]
PROVED_SECONDS = 1.0
"""A link that was up for so long is dialled again at once when it breaks; one that was not, after a back-off."""


@dataclass(slots=True)
class Backoff:
    """How often a dial has failed in a row, and from which loop time the next may be."""

    failures: int = 0
    until: float = 0.0


class _RefusedCall:
    """The handle of a call that never was."""

    def consumed(self, cells: int) -> None:
        """Nothing to hand on."""

    def cancel(self) -> None:
        """It has ended already."""


class Links:
    """`async with Links(identity) as links`. Without an identity the peers see a client that names nobody.

    `on_link(node_id, up)` tells when a link for messages is up or gone.
    """

    def __init__(
        self,
        identity: LinkIdentity | None,
        settings: LinkSettings | None = None,
        on_link: Callable[[bytes, bool], None] | None = None,
    ) -> None:
        self._identity = identity
        self._settings = settings or LinkSettings()
        self._on_link = on_link
        self._links: dict[Key, OutgoingLink] = {}
        self._backoffs: dict[Key, Backoff] = {}
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __aenter__(self) -> "Links":
        self._loop = asyncio.get_running_loop()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cancel()
        # What the body raised goes on as it is, not in a group of the links' own errors.
        await self._tasks.__aexit__(None, None, None)

    async def close(self) -> None:
        """Break all links now; their calls end with UNREACHABLE."""
        self._cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _cancel(self) -> None:
        self._closed = True
        for task in self._running:
            task.cancel()

    @property
    def queued(self) -> int:
        """Bytes that wait to leave, on all links."""
        return sum(link.queued for link in self._links.values())

    def open(self, peer: Peer, cell: bytes, listener: CallListener) -> OutgoingCall:
        """Open a call: it waits for the link if that is being dialled. What is refused, the listener is told soon.

        LinkBrokenError when the cell's size is not that of its prefix: the caller's own mistake.
        """
        classes = classes_of(cell)
        link = self._link(peer, classes.link)
        if link is None or link.full:
            refusal = Refusal.UNREACHABLE if link is None else Refusal.BUSY
            self._loop.call_soon(listener.on_refused, refusal, 0)
            return _RefusedCall()
        return link.open(cell, classes.reply, listener)

    async def call(self, peer: Peer, cell: bytes) -> Call:
        """The same for who has a task; LinkRefusedError when there can be no link.

        `async with await links.call(peer, cell) as call: async for seq, cell in call.replies(): ...`
        """
        classes = classes_of(cell)
        link = self._link(peer, classes.link)
        if link is None:
            raise LinkRefusedError(Refusal.UNREACHABLE)
        if link.full:
            raise LinkRefusedError(Refusal.BUSY)
        call = Call()
        call.handle = link.open(cell, classes.reply, call)
        return call

    def reach(self, peer: Peer) -> bool:
        """Dial the link for messages if there is none. False: not now, a dial has just failed."""
        return self._link(peer, MESSAGE_CLASS) is not None

    def tell(self, peer: Peer, message: bytes) -> bool:
        """Queue a message (at most 263,168 bytes) on the link for messages. False: no link can be had now, or it is
        full. True promises nothing: a link may break with what it holds."""
        if len(message) > MAX_MESSAGE:
            raise ValueError("a message longer than a link carries")
        link = self._link(peer, MESSAGE_CLASS)
        if link is None or link.full:
            return False
        link.tell(message)
        return True

    def _link(self, peer: Peer, link_class: int) -> OutgoingLink | None:
        key = (peer.node_id, link_class)
        link = self._links.get(key)
        if link is not None and not link.leads_to(peer):
            link.leave()
        if link is None or link.leaving:
            link = self._dial(key, peer)
        return link

    def _dial(self, key: Key, peer: Peer) -> OutgoingLink | None:
        backoff = self._backoffs.get(key)
        if self._closed or (backoff is not None and self._loop.time() < backoff.until):
            return None
        link = OutgoingLink(peer, key[1], self._identity, self._settings, self._is_up)
        self._links[key] = link
        task = self._tasks.create_task(self._run(key, link))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return link

    def _is_up(self, link: OutgoingLink) -> None:
        self._tell_link(link, up=True)

    def _tell_link(self, link: OutgoingLink, *, up: bool) -> None:
        if self._on_link is not None and link.link_class == MESSAGE_CLASS:
            self._on_link(link.peer.node_id, up)

    async def _run(self, key: Key, link: OutgoingLink) -> None:
        try:
            await link.run()
        finally:
            successor = self._links.get(key)
            if successor is link:
                del self._links[key]
                self._back_off(key, link)
            if link.up_at is not None and (successor is link or successor is None or not successor.up):
                self._tell_link(link, up=False)  # unless another has already taken its place

    def _back_off(self, key: Key, link: OutgoingLink) -> None:
        if link.up_at is not None and self._loop.time() - link.up_at >= PROVED_SECONDS:
            self._backoffs.pop(key, None)
            return
        backoff = self._backoffs.setdefault(key, Backoff())
        most = min(self._settings.backoff_first_seconds * 2**backoff.failures, self._settings.backoff_most_seconds)
        backoff.failures += 1
        backoff.until = self._loop.time() + random.uniform(most / 2, most)  # jitter: a swarm must not return at once
