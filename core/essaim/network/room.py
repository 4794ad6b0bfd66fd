"""Room for links: a few for each connection, a share for all clients, the rest kept for the nodes of the view.

An idle link is a call that the server serves: under one limit for all, whoever opens links and leaves them idle would
shut a node's own swarm out. A place is held until gRPC has done with the stream, not until its servicer returns: what
the other end does not read keeps a stream alive that is refused long since. Connections are told apart by gRPC's name
of them. It holds an address, so it stays in memory, for as long as the connection has a link.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Hashable
from contextlib import AbstractContextManager, asynccontextmanager
from enum import StrEnum

import grpc.aio
import prometheus_client

from essaim.network.settings import LinkSettings
from essaim.protocol.link.hello import Dialler
from essaim.protocol.link.refusal import NoRoomError

Context = grpc.aio.ServicerContext[bytes, bytes]


class Limit(StrEnum):
    """Which limit a link met."""

    CONNECTION = "CONNECTION"
    NODE = "NODE"
    CLIENTS = "CLIENTS"
    GREETING = "GREETING"


_REFUSED = prometheus_client.Counter("essaim_links_refused", "Links that there was no room for, by limit.", ["limit"])
REFUSED = {each: _REFUSED.labels(each) for each in Limit}
_CLIENTS = "clients"


class Side(StrEnum):
    """Who dialled a link."""

    CLIENT = "CLIENT"
    NODE = "NODE"


_ACCEPTED = prometheus_client.Gauge("essaim_links", "Links that others hold to this node, by who dialled.", ["side"])
ACCEPTED = {each: _ACCEPTED.labels(each.value) for each in Side}


def accepted_links(side: Side) -> AbstractContextManager[object]:
    """`with` it for as long as a link lives: it is counted."""
    return ACCEPTED[side].track_inprogress()


class LinkRoom:
    """Who is on a node's links. All methods belong to one event loop."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._taken: Counter[Hashable] = Counter()
        self._greeting: dict[asyncio.Timeout, None] = {}

    def take_stream(self, context: Context) -> None:
        """A new stream, of whomever; NoRoomError."""
        self._take(context.peer(), self._settings.connection_links, Limit.CONNECTION, context)

    def take_link(self, dialler: Dialler, context: Context) -> None:
        """The link of whom its HELLO has proved it to be; NoRoomError."""
        if dialler.node_id is None:
            self._take(_CLIENTS, self._settings.client_links, Limit.CLIENTS, context)
        else:
            self._take(dialler.node_id, self._settings.node_links, Limit.NODE, context)

    def _take(self, key: Hashable, most: int, limit: Limit, context: Context) -> None:
        if self._taken[key] >= most:
            REFUSED[limit].inc()
            raise NoRoomError("as many links as there may be")
        self._taken[key] += 1
        context.add_done_callback(lambda _: self._leave(key))  # type: ignore[arg-type]  # the stub wants a class

    def _leave(self, key: Hashable) -> None:
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]

    @asynccontextmanager
    async def greeting(self) -> AsyncGenerator[None, None]:
        """While HELLO is awaited. TimeoutError when that takes too long, or longest of too many."""
        async with asyncio.timeout(self._settings.hello_seconds) as patience:
            self._greeting[patience] = None
            if len(self._greeting) > self._settings.greeting_links:
                self._dismiss_oldest()
            try:
                yield
            finally:
                self._greeting.pop(patience, None)

    def _dismiss_oldest(self) -> None:
        # Not the newcomer: nobody can tell yet whether it is a node, and an honest one answers within a round trip.
        REFUSED[Limit.GREETING].inc()
        oldest = next(iter(self._greeting))
        del self._greeting[oldest]
        if not oldest.expired():
            oldest.reschedule(asyncio.get_running_loop().time())
