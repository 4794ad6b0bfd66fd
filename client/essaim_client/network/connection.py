"""The composition of the client's network half: one `async with` from a genesis to requests through the onion."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Self, cast

from essaim.network.links import Links
from essaim.network.peer import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.onion import Refusal
from essaim.protocol.view import Genesis, NetworkView, ViewKeeper
from essaim.view.v1 import view_pb2
from essaim_client.network.clock import CorrectedClock
from essaim_client.network.direct import joined
from essaim_client.network.failure import DestinationLostError, PathFailedError
from essaim_client.network.guard import GuardSet, Randomness, draw
from essaim_client.network.lanes import Lanes
from essaim_client.network.method import Method
from essaim_client.network.onion_client import OnionClient
from essaim_client.network.path import SecondHops
from essaim_client.network.view_sync import Durable, ViewSync

GET_VIEW = Method(view_pb2.DESCRIPTOR.services_by_name["ViewService"], "GetView")
VIEW_LANE = b"view"
REFRESH_MIN_SECONDS = 30 * 60
REFRESH_SPREAD_SECONDS = 15 * 60
"""Each asks for at least 16 KiB: some 40 a day leave room for the diffs in 2 MB. What cannot wait, a failure brings."""
FETCH_NODES = 2
CHUNK_ROOM = 256
"""Left of a reply for the framing of a chunk."""


def own_now_ms() -> int:
    """The machine's clock, unix milliseconds."""
    return time.time_ns() // 1_000_000


class Connection:
    """`async with Connection(genesis, seeds, state) as network`: then `network.onion` carries requests.

    Raises NoViewError when nobody gives a signed view. `state` keeps view, guards and second hops durably.
    """

    def __init__(
        self,
        genesis: Genesis,
        seeds: Sequence[Peer],
        state: Durable,
        *,
        now_ms: Callable[[], int] = own_now_ms,
        random: Randomness = os.urandom,
    ) -> None:
        self._state = state
        self.random = random
        self.clock = CorrectedClock(now_ms)
        keeper = ViewKeeper(genesis)
        self.views = ViewSync(keeper, seeds, self.clock, now_ms, state)
        kept = state.get("view")
        if kept is not None:
            self.views.restore(kept)
        guards = GuardSet.decode(state.get("guards") or b"[]")
        seconds = SecondHops.decode(state.get("second-hops") or b"[]")
        self.lanes = Lanes(guards, seconds, self.clock.now_ms, random)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.links = await stack.enter_async_context(Links(None))
            self.onion = OnionClient(self.links, self.views, self.lanes, self.clock, self.random)
            self.views.guards = self._guards
            await self.views.start()
            self.views.through_onion = self._fetch
            self.save()
            refreshing = asyncio.create_task(self._keep_fresh())
            stack.push_async_callback(_stopped, refreshing)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.save()
        await self._stack.aclose()

    @property
    def view(self) -> NetworkView:
        """The newest signed view."""
        return self.views.current

    def save(self) -> None:
        """Guards and second hops to the disk, where they have changed."""
        for key, value in (("guards", self.lanes.guards.encode()), ("second-hops", self.lanes.seconds.encode())):
            if self._state.get(key) != value:
                self._state.put(key, value)

    def _guards(self) -> Sequence[Peer]:
        if not self.views.has_view:
            return ()
        now_ms = self.clock.now_ms()
        self.lanes.guards.refresh(self.view, now_ms, self.random)
        return self.lanes.guards.candidates(self.view, now_ms)

    async def _fetch(self, epoch: int, serial: int) -> view_pb2.ViewAnswer:
        """The view since a serial from a random storage node; from a second one when the first does not answer."""
        nodes = list(self.view.storage())
        failure: ProtocolError = DestinationLostError(Refusal.NOT_LISTED)
        for _ in range(min(FETCH_NODES, len(nodes))):
            node = nodes.pop(draw(self.random, len(nodes)))
            try:
                return await self._fetch_from(node.node_id, epoch, serial)
            except (PathFailedError, DestinationLostError) as error:
                failure = error
        raise failure

    async def _fetch_from(self, node_id: bytes, epoch: int, serial: int) -> view_pb2.ViewAnswer:
        """One attempt, on a path of its own."""
        room = CellClass.SMALL.reply_payload - CHUNK_ROOM
        request = view_pb2.GetViewRequest(epoch=epoch, serial=serial, chunk_bytes=room)
        self.lanes.drop(VIEW_LANE)
        answers = self.onion.stream(node_id, GET_VIEW, request, lane=VIEW_LANE)
        async with aclosing(answers) as chunks:
            return joined([cast("view_pb2.GetViewResponse", chunk) async for chunk in chunks])

    async def _keep_fresh(self) -> None:
        """A new view at times that tell nothing of the user."""
        while True:
            await asyncio.sleep(REFRESH_MIN_SECONDS + draw(self.random, REFRESH_SPREAD_SECONDS * 1000) / 1000)
            with suppress(ProtocolError):
                await self.views.refresh()
            self.save()


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
