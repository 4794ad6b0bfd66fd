"""Requests through the onion, with the retries that make a lost relay invisible to the caller."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message

from essaim.network.links import Links
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.onion import BadReplyError, Refusal
from essaim.protocol.view import NetworkView
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
PATIENT_ATTEMPTS = 2
"""After so many a hop whose keys no view has yet is waited for: a quarter of the views' least interval each time."""
MENDABLE = {Refusal.KEY_UNKNOWN, Refusal.STALE, Refusal.NOT_LISTED}
"""Perhaps nobody's fault but the own view's or clock's."""

RequestFailure = PathFailedError | DestinationLostError
Witness = Callable[[Attempt], None]
"""Is told the attempt that succeeded."""


class ViewSource(Protocol):
    """Where the current view comes from, and whom to tell that it, or the clock, was wrong."""

    @property
    def current(self) -> NetworkView: ...
    async def usable(self) -> NetworkView: ...
    async def refresh(self, *, direct: bool = False) -> None: ...
    async def correct_clock(self) -> None: ...


@dataclass(frozen=True)
class Call:
    """What is asked of whom. `lane` names what the request may share a path with."""

    node_id: bytes
    method: Method
    payload: bytes
    lane: bytes
    reply_class: CellClass
    witness: Witness | None = None


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
        self,
        node_id: bytes,
        method: Method,
        request: Message,
        *,
        lane: bytes,
        reply_class: CellClass = CellClass.SMALL,
        witness: Witness | None = None,
    ) -> Message:
        """The response. Raises DestinationRefusedError, DestinationLostError, PathFailedError or NoPathError."""
        payload = method.encode(request, self._random(REQUEST_ID_SIZE))
        call = Call(node_id, method, payload, lane, reply_class, witness)
        for number in range(ATTEMPTS - 1):
            try:
                return await self._once(call)
            except (PathFailedError, DestinationLostError) as error:
                await self.mend(error, number)
        return await self._once(call)

    async def _once(self, call: Call) -> Message:
        async with aclosing(self._responses(call)) as responses:
            async for response in responses:
                return response
        raise PathFailedError(Refusal.BAD_REPLY, ())

    async def stream(
        self, node_id: bytes, method: Method, request: Message, *, lane: bytes, reply_class: CellClass = CellClass.SMALL
    ) -> AsyncGenerator[Message, None]:
        """The responses of a streaming method over one path; the caller resumes on another when this one fails."""
        payload = method.encode(request, self._random(REQUEST_ID_SIZE))
        async with aclosing(self._responses(Call(node_id, method, payload, lane, reply_class))) as responses:
            async for response in responses:
                yield response

    async def _responses(self, call: Call) -> AsyncGenerator[Message, None]:
        view = await self._views.usable()
        destination = view.nodes.get(call.node_id)
        if destination is None:
            raise DestinationLostError(Refusal.NOT_LISTED)
        path = self.lanes.path(call.lane, view, destination)
        attempt = Attempt(path, destination, Suite(view.parameters.suites[0]), call.payload, call.reply_class)
        try:
            async with aclosing(attempt.replies(self._links, self._clock.now_ms(), self._random)) as bodies:
                async for body in bodies:
                    response = _decoded(call.method, body)
                    self._succeeded(call, attempt)
                    yield response
        except PathFailedError as error:
            self.lanes.failed(path, error.suspects, guard=error.guard and error.refusal not in MENDABLE)
            raise

    def _succeeded(self, call: Call, attempt: Attempt) -> None:
        self.lanes.guards.succeeded(attempt.path.guard.node_id)
        if call.witness is not None:
            call.witness(attempt)

    async def mend(self, error: RequestFailure, number: int) -> None:
        """Between two attempts: mend view or clock, where that may help, and wait a moment.

        Raises a destination's loss that this does not mend: another member may do.
        """
        mended = await self._mended(error, number)
        if isinstance(error, DestinationLostError):
            if not mended:
                raise error
        elif error.guard and error.refusal in MENDABLE and not mended:
            # Nobody's fault, perhaps, but this guard cannot be used until the next view: a backup stands in.
            self.lanes.guards.failed(error.suspects[0], self._clock.now_ms())
        pause_ms = PAUSE_MS * number + draw(self._random, PAUSE_MS)
        if error.refusal == Refusal.KEY_UNKNOWN and not mended and number >= PATIENT_ATTEMPTS:
            pause_ms += self._views.current.parameters.view_min_interval_ms // 4
        await asyncio.sleep(pause_ms / 1000)

    async def _mended(self, error: RequestFailure, number: int) -> bool:
        """Whether view or clock changed by what could be learnt."""
        before = self._state()
        if error.refusal == Refusal.STALE:
            await self._views.correct_clock()
        elif error.refusal in MENDABLE:
            await self._views.refresh(direct=isinstance(error, PathFailedError) and error.guard)
        elif isinstance(error, PathFailedError) and number >= 1:
            await self._views.refresh()
        return self._state() != before

    def _state(self) -> tuple[int, int, int]:
        view = self._views.current
        return view.epoch, view.serial, self._clock.offset_ms


def _decoded(method: Method, body: bytes) -> Message:
    try:
        return method.decode(body)
    except BadReplyError:
        raise PathFailedError(Refusal.BAD_REPLY, ()) from None
