"""One attempt of one request over one path: wrap, send to the guard, open what comes back, say whose fault an end was."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from essaim.network.links import LinkRefusedError, Links
from essaim.onion.v1 import request_pb2
from essaim.protocol.geometry import LAYOUTS, CellClass, Suite
from essaim.protocol.onion import (
    BadReplyError,
    CellSpec,
    HopError,
    Refusal,
    ReplyKind,
    ReplyOpener,
    minute_of,
    wrap,
)
from essaim.protocol.status import read_status
from essaim.protocol.view import Node
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError
from essaim_client.network.guard import Randomness
from essaim_client.network.path import Path

FIRST_REPLY_SECONDS = (12.0, 24.0, 45.0)
"""A little more than the relays' own limits, so that an error cell of theirs comes first."""
SILENCE_SECONDS = 90.0
"""Longer than two heartbeats: a silent stream is a dead path."""


class RequestTooLargeError(ValueError):
    """The payload fits no cell."""


@dataclass(frozen=True)
class Attempt:
    """One request, wrapped once: a cell is never sent twice."""

    path: Path
    destination: Node
    suite: Suite
    payload: bytes
    reply_class: CellClass

    async def replies(self, links: Links, now_ms: int, random: Randomness) -> AsyncGenerator[bytes, None]:
        """The bodies of the destination's replies, to the last one.

        Raises DestinationRefusedError, DestinationLostError or PathFailedError; leaving early cancels the call.
        """
        cell, opener = self._wrap(now_ms, random)
        async with aclosing(self._opened(links, cell, opener)) as bodies:
            async for body in bodies:
                yield body

    def _wrap(self, now_ms: int, random: Randomness) -> tuple[bytes, ReplyOpener]:
        cell_class = LAYOUTS[self.suite].class_of(len(self.payload))
        if cell_class is None:
            raise RequestTooLargeError("the request fits no cell")
        nodes = (*self.path.hops, self.destination)
        hops = [node.hop(now_ms) for node in nodes]
        keyed = [hop for hop in hops if hop is not None]
        if len(keyed) < len(hops):
            suspects = tuple(node.node_id for node, hop in zip(nodes, hops, strict=True) if hop is None)
            raise PathFailedError(Refusal.KEY_UNKNOWN, suspects)
        return wrap(keyed, self.payload, CellSpec(self.suite, cell_class, self.reply_class), minute_of(now_ms), random)

    async def _opened(self, links: Links, cell: bytes, opener: ReplyOpener) -> AsyncGenerator[bytes, None]:
        limit = FIRST_REPLY_SECONDS[max(self.reply_class, _class_of(cell))]
        try:
            async with await links.call(self.path.guard, cell) as call:
                replies = aiter(call.replies())
                while not opener.ended:
                    seq, sealed = await asyncio.wait_for(anext(replies), limit)
                    limit = SILENCE_SECONDS
                    body = self._open(opener, seq, sealed)
                    if body is not None:
                        yield body
        except StopAsyncIteration:
            raise PathFailedError(Refusal.BAD_REPLY, self._behind_guard()) from None  # an end nobody authenticated
        except TimeoutError:
            raise PathFailedError(Refusal.TIMEOUT, self._behind_guard()) from None
        except LinkRefusedError as error:
            raise self._guard_refused(error.refusal) from None

    def _guard_refused(self, refusal: Refusal) -> PathFailedError:
        """Only a guard that cannot be reached, or has no room, is passed over: a key or a clock is nobody's fault."""
        down = refusal in {Refusal.UNREACHABLE, Refusal.TIMEOUT, Refusal.BUSY}
        return PathFailedError(refusal, (self.path.guard.node_id,) if down else (), guard=down)

    def _open(self, opener: ReplyOpener, seq: int, sealed: bytes) -> bytes | None:
        try:
            reply = opener.open(seq, sealed)
            if isinstance(reply, HopError):
                raise self._hop_failed(reply)
            return None if reply.kind == ReplyKind.HEARTBEAT else _body_of(reply.payload)
        except BadReplyError:
            raise PathFailedError(Refusal.BAD_REPLY, self._behind_guard()) from None

    def _hop_failed(self, error: HopError) -> Exception:
        """The hop at `error.hop` says that the next one refused or failed."""
        if error.hop + 1 == len(self.path.hops):
            return DestinationLostError(error.refusal, error.time_ms)
        return PathFailedError(error.refusal, (self.path.hops[error.hop + 1].node_id,))

    def _behind_guard(self) -> tuple[bytes, ...]:
        return (self.path.middle.node_id, self.path.exit.node_id)


def _class_of(cell: bytes) -> int:
    return next(each for each in CellClass if each.size == len(cell))


def _body_of(payload: bytes) -> bytes:
    try:
        reply = request_pb2.Reply.FromString(payload)
    except DecodeError:
        raise BadReplyError("the destination's reply is no Reply") from None
    refusal = read_status(reply.error) if reply.WhichOneof("outcome") == "error" else None
    if refusal is not None:
        raise DestinationRefusedError(refusal)
    return reply.body


