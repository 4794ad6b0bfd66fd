"""What is asked of a host goes on while the host cannot be reached: the same request again, until a deadline.

A host whose one node is restarted is away for some seconds. Every action has its effect once, however often it comes
(docs/protocol/opengroup.md, section 3): to ask again is safe even where it was done and the answer alone was lost.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from essaim.protocol.errors import ProtocolError
from essaim.protocol.onion import Refusal
from essaim_client.network.connection import Connection
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError
from essaim_client.network.guard import draw
from essaim_client.network.path import NoPathError
from essaim_client.network.view_sync import NoViewError
from essaim_client.rooms.finding import HostUnknownError

PATIENCE_SECONDS = 60.0
"""After this nothing is asked again. A pod that is deleted is back after some 20 s, one whose machine died after about
a minute; a person does not look at a screen for longer."""
MAX_PATIENCE_SECONDS = 240.0
"""A statement is taken for five minutes after it was signed; the last try needs some of them."""
PAUSE_SECONDS = 0.25
PAUSE_MAX_SECONDS = 5.0
STREAM_PAUSE_MAX_SECONDS = 20.0
"""Streams go on for good: what thousands of them ask for while a host is away for hours must stay little."""
PACE_BYTES, PACE_SECONDS = 1 << 16, 60.0
"""What a download brings at least, else it ends: a quarter of a cell in a minute."""
AWAY = (DestinationLostError, HostUnknownError, NoPathError, NoViewError, PathFailedError)
AGAIN = frozenset({"BUSY", "DRAINING", "NOT_READY", "NO_VIEW_YET", "TIMEOUT", "UNREACHABLE"})
"""Reasons of a node that is there and may do the same in a moment."""


@dataclass(frozen=True)
class Waiting:
    """The host is asked again by itself: for the `tries`th time, for `left_seconds` more (None: for good).

    `host_id` is empty while it is not yet known which host is meant; `reason` is what the last try ended with.
    """

    host_id: bytes
    reason: str
    tries: int
    left_seconds: float | None


OnWaiting = Callable[[Waiting], None]


@dataclass
class Patience:
    """How long an account's requests go on, and who is told; both may be changed at any time."""

    seconds: float = PATIENCE_SECONDS
    on_waiting: OnWaiting = lambda _: None

    def begin(self, network: Connection, host_id: bytes = b"") -> "Wait":
        """For one request, from now."""
        return Wait(self, network, host_id)


class Wait:
    """One request's tries. `pause` between two of them; the first is not counted here."""

    def __init__(self, patience: Patience, network: Connection, host_id: bytes) -> None:
        self._patience = patience
        self._network = network
        self._host_id = host_id
        self._now = asyncio.get_running_loop().time
        self.progress()

    def progress(self) -> None:
        """Something came: the time begins anew."""
        self._tries = 1
        self._until = self._now() + min(self._patience.seconds, MAX_PATIENCE_SECONDS)

    async def pause(self, error: ProtocolError) -> None:
        """Before the next try. Raises `error` where none would help, or the time is over."""
        left = self._until - self._now()
        if not may_pass(error) or left <= 0:
            raise error
        self._tries += 1
        self._patience.on_waiting(Waiting(self._host_id, reason_of(error), self._tries, left))
        await self._rest(min(pause_seconds(self._tries - 2, self._network.random), left))

    async def _rest(self, seconds: float) -> None:
        """A while, and from the second on with a look for a newer view: the host may be at another node by now."""
        until = self._now() + seconds
        if self._tries > 2:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._network.views.refresh()
        await asyncio.sleep(max(0.0, until - self._now()))


class Pace:
    """Of a download: a host must not keep who reads for ever by a byte a minute."""

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._begin()

    def _begin(self) -> None:
        self._came, self._until = 0, self._now() + PACE_SECONDS

    def took(self, size: int) -> bool:
        """Whether so much has come that it is progress. Raises DestinationLostError when it comes too slowly."""
        self._came += size
        if self._came >= PACE_BYTES:
            self._begin()
            return True
        if self._now() > self._until:
            raise DestinationLostError(Refusal.BAD_REPLY)
        return False


def may_pass(error: ProtocolError) -> bool:
    """Whether nobody answered, or who did may do it in a moment."""
    if isinstance(error, DestinationRefusedError):
        return error.refused_reason in AGAIN
    return isinstance(error, AWAY)


def reason_of(error: ProtocolError) -> str:
    """The host's own where it gave one."""
    return error.refused_reason if isinstance(error, DestinationRefusedError) else error.reason


def pause_seconds(number: int, random: Callable[[int], bytes], most: float = PAUSE_MAX_SECONDS) -> float:
    """Doubled each time, the upper half of it by chance: thousands lose a host at the same moment."""
    whole = min(most, PAUSE_SECONDS * 2.0 ** min(number, 10))
    return whole / 2 + whole / 2 * draw(random, 1_000) / 1_000
