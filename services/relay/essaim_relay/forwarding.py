"""A relay's work: unwrap a cell, pass it on, pass its replies back under one more layer.

Everything here runs on the event loop without a task per call: links call in, links are called. What this relay cannot
unwrap it refuses to who sent it; what the next hop refuses, breaks or delays becomes an error cell under the call's own
keys, so that only the client learns which hop it was.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from essaim.network.call import IncomingCall, OutgoingCall
from essaim.network.links import Links
from essaim.network.peer import Peer
from essaim.protocol.link.calls import classes_of
from essaim.protocol.onion import (
    CellRefusedError,
    Deliver,
    Drop,
    Forward,
    Keyring,
    Refusal,
    ReplyOrderError,
    ReplyRelay,
    ReplySealer,
    unwrap,
)
from essaim.runtime.delivery import Delivery
from essaim.runtime.standing import Standing
from essaim_relay.count import CARRIED, FAILED, REFUSED, REPLY_SECONDS, Outcome
from essaim_relay.deadline import Deadlines

SWEEP_SECONDS = 0.5


class RelayedCall:
    """One call through this relay: `upstream` is where the cell came from, `downstream` where it went."""

    __slots__ = ("_ended", "_forwarder", "_relay", "_replied", "downstream", "link_class", "since_ms", "upstream")

    downstream: OutgoingCall

    def __init__(self, forwarder: "Forwarder", upstream: IncomingCall, step: Forward, now_ms: int) -> None:
        self._forwarder = forwarder
        self._relay = ReplyRelay(step.keys)
        self.link_class: int = classes_of(step.cell).link
        """By which its first reply is awaited."""
        self._replied = self._ended = False
        self.upstream = upstream
        self.since_ms = now_ms

    def on_reply(self, seq: int, cell: bytes) -> None:
        """From downstream: the next reply."""
        if self._ended:
            return
        try:
            layered = self._relay.forward(seq, cell)
        except ReplyOrderError:
            self.fail(Refusal.BAD_REPLY)
            return
        if not self._replied:
            self._replied = True
            self._forwarder.replied(self)
        if self.upstream.reply(seq, layered):
            self.downstream.consumed(1)

    def on_end(self) -> None:
        """From downstream: no more."""
        if self._close():
            self.upstream.end()

    def on_refused(self, refusal: Refusal, time_ms: int) -> None:
        """From downstream, or for want of a link there."""
        if self._close():
            self._answer(refusal, time_ms)

    def on_handed(self, cells: int) -> None:
        """Upstream has taken replies that waited."""
        self.downstream.consumed(cells)

    def on_cancelled(self) -> None:
        """Upstream wants no more."""
        if self._close():
            self.downstream.cancel()

    def fail(self, refusal: Refusal) -> None:
        """Give the call up at both sides."""
        if self._close():
            self.downstream.cancel()
            self._answer(refusal, 0)

    def _answer(self, refusal: Refusal, time_ms: int) -> None:
        FAILED[refusal].inc()
        with suppress(ReplyOrderError):  # all replies that a call may have are used up: it just ends
            self.upstream.reply(*self._relay.fail(refusal, time_ms))
        self.upstream.end()

    def _close(self) -> bool:
        if self._ended:
            return False
        self._ended = True
        self._forwarder.ended(self)
        return True


class Forwarder:
    """All calls through this relay. `next_hop` gives a node that cells may be passed to, by the signed view."""

    def __init__(
        self,
        standing: Standing,
        keyring: Keyring,
        next_hop: Callable[[bytes], Peer | None],
        links: Links,
        delivery: Delivery,
    ) -> None:
        self._standing = standing
        self._keyring = keyring
        self._next_hop = next_hop
        self._links = links
        self._delivery = delivery
        self._deadlines: Deadlines[RelayedCall] = Deadlines()

    def __len__(self) -> int:
        return len(self._deadlines)

    def on_call(self, call: IncomingCall) -> None:
        """A request cell came, by a link or by the guard's door."""
        now_ms = self._standing.now_ms()
        try:
            step = unwrap(call.cell, self._keyring, now_ms, self._standing.suites())
        except CellRefusedError as error:
            REFUSED[error.refusal].inc()
            call.refuse(error.refusal, now_ms if error.refusal == Refusal.STALE else 0)
            return
        if isinstance(step, Forward):
            self._forward(call, step, now_ms)
        elif isinstance(step, Deliver):
            CARRIED[Outcome.DELIVERED].inc()
            self._delivery.deliver(call, step.payload, step.keys)
        else:
            _drop(call, step)

    def _forward(self, upstream: IncomingCall, step: Forward, now_ms: int) -> None:
        CARRIED[Outcome.FORWARDED].inc()
        call = RelayedCall(self, upstream, step, now_ms)
        upstream.listener = call
        self._deadlines.started(call, call.link_class, now_ms)
        peer = self._next_hop(step.next_node)
        if peer is None:
            call.on_refused(Refusal.NOT_LISTED, 0)
        else:
            call.downstream = self._links.open(peer, step.cell, call)

    def replied(self, call: RelayedCall) -> None:
        """Its first reply came."""
        now_ms = self._standing.now_ms()
        REPLY_SECONDS.observe(max(0, now_ms - call.since_ms) / 1_000)
        self._deadlines.replied(call, call.link_class, now_ms)

    def ended(self, call: RelayedCall) -> None:
        """No more of it."""
        self._deadlines.ended(call, call.link_class)

    def expire(self, now_ms: int) -> None:
        """Give up the calls whose time is over."""
        for call in self._deadlines.expired(now_ms):
            call.fail(Refusal.TIMEOUT)

    async def sweep(self) -> None:
        """Background: expire, for ever."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.expire(self._standing.now_ms())


def _drop(call: IncomingCall, step: Drop) -> None:
    """Cover traffic is answered like any call, so that its replies cover too."""
    CARRIED[Outcome.DROPPED].inc()
    call.reply(*ReplySealer(step.keys).seal(b"", last=True))
    call.end()
