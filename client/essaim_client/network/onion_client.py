"""Requests through the onion, with the retries that make a lost relay invisible to the caller."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from google.protobuf.message import Message

from essaim.network.links import Links
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.onion import BadReplyError, Refusal
from essaim.protocol.view import NetworkView, Node
from essaim_client.network.attempt import Attempt
from essaim_client.network.clock import CorrectedClock
from essaim_client.network.failure import DestinationLostError, PathFailedError
from essaim_client.network.guard import Randomness, draw
from essaim_client.network.lanes import Lanes
from essaim_client.network.method import REQUEST_ID_SIZE, Method

ATTEMPTS = 8
"""Different paths that one request may take before its caller hears of it."""
PAUSE_MS = 40
"""Grows with each attempt, with jitter; an error cell has already cost a round trip."""


class ViewSource(Protocol):
    """Where the current view comes from, and whom to tell that it, or the clock, was wrong."""

    @property
    def current(self) -> NetworkView: ...
    async def refresh(self) -> None: ...
    async def correct_clock(self) -> None: ...


class OnionClient:
    """Calls methods of destinations of the view. Each request keeps its 16-byte id over all its attempts."""

    def __init__(
        self, links: Links, views: ViewSource, lanes: Lanes, clock: CorrectedClock, random: Randomness
    ) -> None:
        self._links = links
        self._views = views
        self._clock = clock
        self._random = random
        self.lanes = lanes

    async def unary(
        self, node_id: bytes, method: Method, request: Message, *, lane: bytes, reply_class: CellClass = CellClass.SMALL
    ) -> Message:
        """The response. Raises DestinationRefusedError, DestinationLostError, PathFailedError or NoPathError."""
        payload = method.encode(request, self._random(REQUEST_ID_SIZE))
        for number in range(ATTEMPTS - 1):
            try:
                return await self._once(node_id, method, payload, lane, reply_class)
            except PathFailedError as error:
                await self._mend(error.refusal, number)
            except DestinationLostError as error:
                if error.refusal not in {Refusal.KEY_UNKNOWN, Refusal.STALE}:
                    raise
                await self._mend(error.refusal, number)
        return await self._once(node_id, method, payload, lane, reply_class)

    async def _once(
        self, node_id: bytes, method: Method, payload: bytes, lane: bytes, reply_class: CellClass
    ) -> Message:
        async with aclosing(self._bodies(node_id, payload, lane, reply_class)) as bodies:
            async for body in bodies:
                return _decoded(method, body)
        raise PathFailedError(Refusal.BAD_REPLY, ())

    async def stream(
        self, node_id: bytes, method: Method, request: Message, *, lane: bytes, reply_class: CellClass = CellClass.SMALL
    ) -> AsyncGenerator[Message, None]:
        """The responses of a streaming method over one path; the caller resumes on another when this one fails."""
        payload = method.encode(request, self._random(REQUEST_ID_SIZE))
        async with aclosing(self._bodies(node_id, payload, lane, reply_class)) as bodies:
            async for body in bodies:
                yield _decoded(method, body)

    async def _bodies(
        self, node_id: bytes, payload: bytes, lane: bytes, reply_class: CellClass
    ) -> AsyncGenerator[bytes, None]:
        view = self._views.current
        destination = self._listed(view, node_id)
        path = self.lanes.path(lane, view, destination)
        attempt = Attempt(path, destination, Suite(view.parameters.suites[0]), payload, reply_class)
        try:
            async with aclosing(attempt.replies(self._links, self._clock.now_ms(), self._random)) as bodies:
                async for body in bodies:
                    self.lanes.guards.succeeded(path.guard.node_id)
                    yield body
        except PathFailedError as error:
            self.lanes.failed(path, error.suspects, guard=error.guard)
            raise

    def _listed(self, view: NetworkView, node_id: bytes) -> Node:
        node = view.nodes.get(node_id)
        if node is None:
            raise DestinationLostError(Refusal.NOT_LISTED)
        return node

    async def mend(self, error: PathFailedError | DestinationLostError, number: int) -> None:
        """Between two attempts of a stream: what `unary` does by itself."""
        await self._mend(error.refusal, number)

    async def _mend(self, refusal: Refusal, number: int) -> None:
        if refusal == Refusal.STALE:
            await self._views.correct_clock()
        elif refusal in {Refusal.KEY_UNKNOWN, Refusal.NOT_LISTED} or number >= 1:
            await self._views.refresh()
        await asyncio.sleep((PAUSE_MS * number + draw(self._random, PAUSE_MS)) / 1000)


def _decoded(method: Method, body: bytes) -> Message:
    try:
        return method.decode(body)
    except BadReplyError:
        raise PathFailedError(Refusal.BAD_REPLY, ()) from None
