"""Two people: one sends in an open loop, the other listens; how long each message took."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from loadgen.child import Child, Json, child


@dataclass(frozen=True)
class Talk:
    """Milliseconds from send() to the listener having the message, and from send() to its return; sorted."""

    live_ms: Sequence[float]
    stored_ms: Sequence[float]
    lost: int


class Pair:
    """Two accounts that have answered each other once, so that their session has begun on both sides."""

    def __init__(self, sender: Child, listener: Child, account: str) -> None:
        self._sender = sender
        self._listener = listener
        self._account = account
        self._next = 100

    async def talk(self, rate: float, seconds: float, seed: int) -> Talk:
        """Poisson arrivals of `rate` a second."""
        gaps = poisson(rate, seconds, random.Random(seed))
        first, self._next = self._next, self._next + len(gaps)
        told = await self._sender.ask({"do": "talk", "to": self._account, "gaps": gaps, "first": first})
        came = await self._listener.ask({"do": "arrived", "wanted": list(range(first, self._next))})
        return _talk(told["sent"], came["arrived"])


def poisson(rate: float, seconds: float, source: random.Random) -> list[float]:
    """Gaps of a Poisson process, in seconds, as many as fit."""
    gaps: list[float] = []
    left = seconds
    while (gap := source.expovariate(rate)) < left:
        gaps.append(gap)
        left -= gap
    return gaps


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed (nearest rank)."""
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def _talk(sent: Json, arrived: Json) -> Talk:
    live = sorted((arrived[number] - begin) / 1e6 for number, (begin, _) in sent.items() if number in arrived)
    stored = sorted((acknowledged - begin) / 1e6 for begin, acknowledged in sent.values())
    return Talk(live, stored, len(sent) - len(live))


@asynccontextmanager
async def pair(network_file: Path, folder: Path) -> AsyncIterator[Pair]:
    """`async with pair(...) as two`: accounts in `folder`, both listening."""
    async with (
        child("person", str(network_file), str(folder / "a")) as sender,
        child("person", str(network_file), str(folder / "b")) as listener,
    ):
        facts = await asyncio.gather(sender.told(), listener.told())
        one, other = (each["account"] for each in facts)
        for asked, to, told, number in ((sender, other, listener, 1), (listener, one, sender, 2)):
            await asked.ask({"do": "send", "to": to, "number": number})
            await told.ask({"do": "arrived", "wanted": [number]})
        yield Pair(sender, listener, other)
