"""A path of nodes with onion keys, at one moment: cells go along it without a network."""

from dataclasses import dataclass
from random import Random

from essaim.protocol.onion import (
    CellSpec,
    Deliver,
    Drop,
    Forward,
    HopPublic,
    KeyPeriods,
    Keyring,
    ReplyOpener,
    ReplyRelay,
    ReplySealer,
    hop_at,
    minute_of,
    unwrap,
    wrap,
)

NOW_MS = 1_800_000_000_000


@dataclass
class Carried:
    """What happened to one cell on its way."""

    cells: list[bytes]
    """The cell as it entered each hop."""
    relays: list[ReplyRelay]
    end: Deliver | Drop

    @property
    def sealer(self) -> ReplySealer:
        """A new destination's side of the call."""
        return ReplySealer(self.end.keys)

    def back(self, seq: int, cell: bytes, start: int | None = None) -> list[bytes]:
        """The reply cell as it leaves its maker and then each relay before `start` (None: all), last to first."""
        seen = [cell]
        for relay in reversed(self.relays[:start]):
            seen.append(relay.forward(seq, seen[-1]))
        return seen


class OnionRoute:
    """One to four nodes with keyrings of their own; everything but ML-KEM's ciphertexts follows from the seed."""

    def __init__(self, hops: int, seed: int, now_ms: int = NOW_MS) -> None:
        self.now_ms = now_ms
        self.randomness = Random(seed).randbytes
        self.periods = KeyPeriods()
        self.rings = [Keyring(self.periods, self.randomness) for _ in range(hops)]
        for ring in self.rings:
            ring.advance(now_ms)

    @property
    def path(self) -> list[HopPublic]:
        """The hops, with the keys for `now_ms`."""
        return [
            hop_at(bytes((index + 1,)) * 32, ring.published, self.periods, self.now_ms)
            for index, ring in enumerate(self.rings)
        ]

    def wrap(self, payload: bytes, spec: CellSpec, *, drop: bool = False) -> tuple[bytes, ReplyOpener]:
        """A cell for the whole route, issued now."""
        return wrap(self.path, payload, spec, minute_of(self.now_ms), self.randomness, drop=drop)

    def carry(self, cell: bytes) -> Carried:
        """Unwrap the cell at every hop in turn."""
        cells: list[bytes] = []
        relays: list[ReplyRelay] = []
        for ring in self.rings:
            cells.append(cell)
            step = unwrap(cell, ring, self.now_ms)
            if not isinstance(step, Forward):
                return Carried(cells, relays, step)
            relays.append(ReplyRelay(step.keys))
            cell = step.cell
        raise AssertionError("the last hop forwarded")
