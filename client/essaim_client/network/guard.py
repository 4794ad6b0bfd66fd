"""The entry guards: which relays a client ever shows its address to.

A client that drew a new first hop for each path would soon meet a hostile one; one that keeps the same for months meets
it only with the probability of a single draw (Tor's proposal 271, here with one primary and two backups). Pure: time
and randomness are passed in, the state is a JSON text that the caller keeps.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from essaim.protocol.view import NetworkView, Node

SAMPLE_MAX = 20
"""Relays that may ever become guards: min(20, 60% of the network's), so that an enemy gains nothing by churn."""
SAMPLE_PERCENT = 60
CANDIDATES = 3
"""One primary and two backups."""
LIFE_MIN_MS = 90 * 86_400_000
LIFE_MAX_MS = 120 * 86_400_000
RETRY_MS = 20_000
"""After this a guard that failed is tried again, before the backups."""
FORGET_MS = 14 * 86_400_000
"""A guard that no view has listed for so long is replaced."""

Randomness = Callable[[int], bytes]


@dataclass
class Guard:
    """One sampled relay; times are unix milliseconds."""

    node_id: str
    listed_ms: int
    expires_ms: int = 0
    """0 until it is the primary: its months begin then, or the whole sample would grow old at once."""
    down_until_ms: int = 0


class GuardSet:
    """The sample, in its order of preference. `candidates` is what a path may begin with now."""

    def __init__(self, guards: list[Guard] | None = None) -> None:
        self._guards = guards or []

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """From `encode`; state that cannot be read begins anew."""
        try:
            return cls([Guard(**entry) for entry in json.loads(text)])
        except (ValueError, TypeError):
            return cls()

    def encode(self) -> bytes:
        return json.dumps([asdict(guard) for guard in self._guards]).encode()

    def refresh(self, view: NetworkView, now_ms: int, random: Randomness) -> bool:
        """Drop what has expired or vanished, fill the sample from the view; True when the state has changed."""
        before = self.encode()
        listed = {node.node_id.hex() for node in view.relays()}
        for guard in self._guards:
            if guard.node_id in listed:
                guard.listed_ms = now_ms
        self._guards = [g for g in self._guards if not _over(g, now_ms)]
        self._fill(sorted(listed - {guard.node_id for guard in self._guards}), len(listed), now_ms, random)
        primary = next((guard for guard in self._guards if guard.node_id in listed), None)
        if primary is not None and not primary.expires_ms:
            primary.expires_ms = now_ms + LIFE_MIN_MS + draw(random, LIFE_MAX_MS - LIFE_MIN_MS)
        return self.encode() != before

    def _fill(self, unsampled: list[str], total: int, now_ms: int, random: Randomness) -> None:
        # Never fewer than the candidates: on a small network 60% would leave no backup.
        size = min(SAMPLE_MAX, max(CANDIDATES, total * SAMPLE_PERCENT // 100))
        while len(self._guards) < size and unsampled:
            node_id = unsampled.pop(draw(random, len(unsampled)))
            self._guards.append(Guard(node_id, now_ms))

    def candidates(self, view: NetworkView, now_ms: int) -> Sequence[Node]:
        """Primary and backups that the view lists, best first; those that just failed come last, never left out."""
        relays = {node.node_id.hex(): node for node in view.relays()}
        first = [guard for guard in self._guards if guard.node_id in relays][:CANDIDATES]
        first.sort(key=lambda guard: guard.down_until_ms > now_ms)
        return [relays[guard.node_id] for guard in first]

    def failed(self, node_id: bytes, now_ms: int) -> None:
        """The guard itself could not be reached (never: something behind it failed)."""
        for guard in self._guards:
            if guard.node_id == node_id.hex():
                guard.down_until_ms = now_ms + RETRY_MS

    def succeeded(self, node_id: bytes) -> None:
        for guard in self._guards:
            if guard.node_id == node_id.hex():
                guard.down_until_ms = 0


def _over(guard: Guard, now_ms: int) -> bool:
    return 0 < guard.expires_ms <= now_ms or now_ms - guard.listed_ms >= FORGET_MS


def draw(random: Randomness, below: int) -> int:
    """A uniform number in [0, below): 16 bytes make the bias of the remainder negligible."""
    return int.from_bytes(random(16), "big") % below
