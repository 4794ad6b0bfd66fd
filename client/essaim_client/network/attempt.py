"""One attempt of one request over one path: wrap, send to the guard, open what comes back, say whose fault it was."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.message import DecodeError

from essaim.network.call import LinkRefusedError
from essaim.network.links import Links
from essaim.onion.v1 import request_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import LAYOUTS, CellClass, Suite
from essaim.protocol.onion import (
    BadReplyError,
    CellSpec,
    HopError,
    HopPublic,
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


class RequestTooLargeError(ProtocolError):
    """The payload fits no cell."""

    reason = "REQUEST_TOO_LARGE"


@dataclass(frozen=True)
class Attempt:
    """One request, wrapped once: a cell is never sent twice."""

    path: Path
    destination: Node
    suite: Suite
    payload: bytes
    reply_class: CellClass

    @cached_property
    def cell_class(self) -> CellClass:
        """Of the request, the same at each hop. Raises RequestTooLargeError."""
        cell_class = LAYOUTS[self.suite].class_of(len(self.payload))
        if cell_class is None:
            raise RequestTooLargeError("the request fits no cell")
        return cell_class

    async def replies(self, links: Links, now_ms: int, random: Randomness) -> AsyncGenerator[bytes, None]:
        """The bodies of the destination's replies, to the last one.

        Raises DestinationRefusedError, DestinationLostError or PathFailedError; leaving early cancels the call.
        """
        cell, opener = self._wrap(now_ms, random)
        limit, guard_silent = FIRST_REPLY_SECONDS[max(self.reply_class, self.cell_class)], True
        try:
            async with await links.call(self.path.guard, cell) as call, aclosing(call.replies()) as replies:
                while not opener.ended:
                    async with asyncio.timeout(limit):
                        seq, sealed = await anext(replies)
                    limit, guard_silent = SILENCE_SECONDS, False
                    body = self._open(opener, seq, sealed)
                    if body is not None:
                        yield body
        except StopAsyncIteration:
            raise PathFailedError(Refusal.BAD_REPLY, self._behind_guard()) from None  # an end nobody authenticated
        except TimeoutError:
            raise self._silent(guard_silent) from None
        except LinkRefusedError as error:
            raise self._guard_refused(error.refusal) from None

    def _wrap(self, now_ms: int, random: Randomness) -> tuple[bytes, ReplyOpener]:
        spec = CellSpec(self.suite, self.cell_class, self.reply_class)
        hops = [self._keys(node, now_ms) for node in (*self.path.hops, self.destination)]
        return wrap(hops, self.payload, spec, minute_of(now_ms), random)

    def _keys(self, node: Node, now_ms: int) -> HopPublic:
        """A node's onion keys by the view; one without any is treated as if it had refused them itself."""
        hop = node.hop(now_ms)
        if hop is not None:
            return hop
        if node is self.destination:
            raise DestinationLostError(Refusal.KEY_UNKNOWN)
        raise PathFailedError(Refusal.KEY_UNKNOWN, (node.node_id,), guard=node is self.path.guard)

    def _guard_refused(self, refusal: Refusal) -> PathFailedError:
        return PathFailedError(refusal, (self.path.guard.node_id,), guard=True)

    def _silent(self, from_the_first: bool) -> PathFailedError:
        """A guard answers a call that its path leaves alone by an error cell; no relay watches a stream's silence."""
        if from_the_first:
            return self._guard_refused(Refusal.TIMEOUT)
        return PathFailedError(Refusal.TIMEOUT, self._behind_guard())

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


def _body_of(payload: bytes) -> bytes | None:
    """None for the reply without an outcome that ends a stream (docs/protocol/link.md, section 8)."""
    try:
        reply = request_pb2.Reply.FromString(payload)
    except DecodeError:
        raise BadReplyError("the destination's reply is no Reply") from None
    refusal = read_status(reply.error) if reply.WhichOneof("outcome") == "error" else None
    if refusal is not None:
        raise DestinationRefusedError(refusal)
    return reply.body if reply.WhichOneof("outcome") == "body" else None
