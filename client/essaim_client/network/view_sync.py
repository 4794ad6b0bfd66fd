"""Keeping the signed view: from seeds at first contact, from guards after an absence, through the onion otherwise."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, cast

from google.protobuf.message import DecodeError

from essaim.network.peer import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import ForkError, NetworkView, ViewKeeper, ViewRefusedError
from essaim.view.v1 import view_pb2
from essaim_client.network.clock import ANSWERS_NEEDED, CorrectedClock
from essaim_client.network.direct import DirectAnswer, NoAnswerError, ask

USABLE_RELAYS = 3


class NoViewError(ProtocolError):
    """No node that was asked gave a view that the authorities have signed."""

    reason = "NO_VIEW"


class Durable(Protocol):
    """Where the highest view is kept: `put` returns when it is on disk."""

    def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, value: bytes) -> None: ...


Fetch = Callable[[int, int], Awaitable[view_pb2.ViewAnswer]]
"""A view answer since (epoch, serial), fetched through the onion."""


class ViewSync:
    """The newest view, kept durably; refuses what `ViewKeeper` refuses, whoever sends it."""

    def __init__(
        self,
        keeper: ViewKeeper,
        seeds: Sequence[Peer],
        clock: CorrectedClock,
        own_now_ms: Callable[[], int],
        state: Durable,
    ) -> None:
        self._keeper = keeper
        self._seeds = seeds
        self._clock = clock
        self._own_now_ms = own_now_ms
        self._state = state
        self._refreshing: asyncio.Task[None] | None = None
        self.guards: Callable[[], Sequence[Peer]] = tuple
        """The client's guards, best first; set once there is a view to draw them from."""
        self.through_onion: Fetch | None = None
        self.refused: ViewRefusedError | None = None
        """The last view that was refused: a rollback or fork is shown to the user."""

    @property
    def current(self) -> NetworkView:
        """Raises NoViewError before `start`."""
        view = self._keeper.current
        if view is None:
            raise NoViewError("no view yet")
        return view

    @property
    def has_view(self) -> bool:
        return self._keeper.current is not None

    def restore(self, kept: bytes) -> None:
        """What `put("view", ...)` kept. A view that has expired still refuses rollbacks below it."""
        self._keeper.restore(kept)
        if self._keeper.current is not None:
            self._clock.never_below(self._keeper.current.valid_from_ms)

    async def start(self) -> None:
        """A usable view and a corrected clock, from what was kept, the guards and the seeds. Raises NoViewError."""
        if not self._usable():
            await self._direct(self._seeds)
        await self._guards_else_seeds()
        if not self._usable():
            raise self._nothing_usable()

    async def usable(self) -> NetworkView:
        """The current view; after a long sleep a new one. Raises NoViewError rather than use an expired one."""
        if not self._usable() and asyncio.current_task() is not self._refreshing:
            await self.refresh()
        if not self._usable():
            raise self._nothing_usable()
        return self.current

    def _nothing_usable(self) -> NoViewError:
        if self.refused is not None:
            return NoViewError(f"no seed and no guard gave a usable view; one was refused: {self.refused.reason}")
        return NoViewError("no seed and no guard gave a view that is valid now: check the network and the clock")

    def _usable(self) -> bool:
        view, now_ms = self._keeper.current, self._clock.now_ms()
        if view is None or view.valid_until_ms <= now_ms:
            return False
        return sum(node.hop(now_ms) is not None for node in view.relays()) >= USABLE_RELAYS

    async def refresh(self, *, direct: bool = False) -> None:
        """The newest view, through the onion unless `direct`; many callers at once share one fetch.

        Never raises: what is held stays in use.
        """
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(direct))
        await asyncio.shield(self._refreshing)

    async def _refresh(self, direct: bool) -> None:
        if not direct and self._usable() and self.through_onion is not None and await self._onion(self.through_onion):
            return
        await self._guards_else_seeds()

    async def _guards_else_seeds(self) -> None:
        """The seeds where no guard answers: all relays may have moved since the view that is held."""
        if not await self._direct(self.guards()) or not self._usable():
            await self._direct(self._seeds)

    async def _onion(self, fetch: Fetch) -> bool:
        asked = self._held()
        try:
            self._take(await fetch(*asked), asked)
        except ProtocolError:
            return False
        return True

    async def correct_clock(self) -> None:
        """Three guards (or seeds) are asked for their time, directly, at once."""
        await self._direct([*self.guards(), *self._seeds][:ANSWERS_NEEDED])

    async def _direct(self, peers: Sequence[Peer]) -> int:
        """How many of them answered; what they said is taken."""
        epoch, serial = self._held()
        asked = (ask(peer, epoch, serial, self._own_now_ms) for peer in peers)
        answers = [each for each in await asyncio.gather(*asked, return_exceptions=True) if not _failed(each)]
        told = [cast("DirectAnswer", each) for each in answers]
        self._clock.learn([each.offset_ms for each in told])
        # The newest first: what an older answer would change, it has changed already.
        for each in sorted(told, key=lambda each: position_of(each.answer), reverse=True):
            self._take(each.answer, (epoch, serial))
        return len(told)

    def _held(self) -> tuple[int, int]:
        view = self._keeper.current
        return (view.epoch, view.serial) if view is not None else (0, 0)

    def _take(self, answer: view_pb2.ViewAnswer, asked: tuple[int, int]) -> None:
        """Accept an answer to a question that was asked at the position `asked`."""
        before = self._held()
        try:
            view = self._keeper.accept(answer, self._clock.now_ms())
        except ViewRefusedError as error:
            # An answer that another one has overtaken does not fit any more, and harms nobody; a fork always tells.
            if before == asked or isinstance(error, ForkError):
                self.refused = error
            return
        self._clock.never_below(view.valid_from_ms)
        if self._held() != before:
            self._state.put("view", self._keeper.export())


def position_of(answer: view_pb2.ViewAnswer) -> tuple[int, int]:
    """The (epoch, serial) that an answer claims, not verified; zeros where it says none."""
    kind = answer.WhichOneof("answer")
    signed = answer.whole.header if kind == "whole" else answer.diff.latest
    try:
        header = view_pb2.Header.FromString(signed.header)
    except DecodeError:
        return 0, 0
    return header.epoch, header.serial


def _failed(answer: object) -> bool:
    if isinstance(answer, BaseException) and not isinstance(answer, NoAnswerError):
        raise answer
    return isinstance(answer, NoAnswerError)
