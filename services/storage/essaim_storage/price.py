"""The price of a request in puzzle bits: from the setting, from how full a mailbox is, of a blob by bytes and days; and
from what this node has to do.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.mailbox.rule import DAY_MS, rule_of

FILLS = ((0.9, 20), (0.75, 16), (0.5, 12))
"""From this share of its quota on, a mailbox that anyone may write to costs so many bits, and more for more bytes."""
UNIT = 4_096
"""Bytes that cost as much; twice as many cost one bit, twice the work, more."""
MOST_FILL_BITS = 24
"""What bytes and fill ask for at most: all that the client library does for anybody."""
BLOB_UNIT = UNIT * DAY_MS
"""Byte-milliseconds that cost `blob_bits`; twice as many cost one bit, twice the work, more."""
LOAD_BITS = 10
"""At a load just above what a node means to bear; each doubling costs two bits more."""
MOST_BITS = 22
"""What load, and a blob's, ask for at most: four million hashes. More would shut out whom it is to serve."""
HALF_LIFE_MS = 10_000


class Load:
    """How much more a node has to do for strangers than it means to: what they stored lately, and who waits.

    Only what was accepted counts: whoever is refused for want of a puzzle cannot raise the price for others.
    """

    def __init__(self, per_second: float, most_waiting: int, waiting: Callable[[], int] = lambda: 0) -> None:
        self._per_second = per_second
        self._most_waiting = most_waiting
        self._waiting = waiting
        self._level = 0.0
        self._at_ms = 0

    def count(self, now_ms: int, stores: int = 1) -> None:
        """So many were accepted."""
        self._level = self._decayed(now_ms) + stores
        self._at_ms = max(self._at_ms, now_ms)

    def overload(self, now_ms: int) -> float:
        """1: just as much as it means to bear."""
        rate = self._decayed(now_ms) * math.log(2) * 1_000 / HALF_LIFE_MS
        return max(rate / self._per_second, self._waiting() / self._most_waiting)

    def bits(self, now_ms: int) -> int:
        """0 at a load that is borne."""
        overload = self.overload(now_ms)
        return LOAD_BITS + 2 * math.ceil(math.log2(overload)) if overload > 1 else 0

    def _decayed(self, now_ms: int) -> float:
        return float(self._level * 0.5 ** (max(0, now_ms - self._at_ms) / HALF_LIFE_MS))


def _no_load() -> Load:
    return Load(math.inf, 1)


@dataclass(frozen=True)
class Price:
    """Bits asked for at least, whatever fill and load; 0: nothing."""

    open_bits: int = 0
    """Of a Store to a public inbox."""
    claim_bits: int = 0
    """Of a ClaimPrekey."""
    blob_bits: int = 0
    """Of a Store of 4096 bytes for a day as a blob."""
    load: Load = field(default_factory=_no_load)

    def store_bits(self, kind: Kind, held_bytes: int, new_bytes: int, now_ms: int) -> int:
        """Of all envelopes in one Store. A write that is signed costs nothing.

        Nobody tells strangers apart: so what room they take is paid by the byte, as the mailbox runs out of it.
        """
        rule = rule_of(kind)
        if not rule.open_write:
            return 0
        fill = held_bytes / rule.quota_bytes
        by_fill = next((bits for share, bits in FILLS if fill >= share), 0)
        by_fill += _doublings(new_bytes, UNIT) if by_fill else 0
        return max(self.open_bits, min(MOST_FILL_BITS, by_fill), min(MOST_BITS, self.load.bits(now_ms)))

    def claim_prekey_bits(self, now_ms: int) -> int:
        """Claims are strangers' too."""
        return max(self.claim_bits, min(MOST_BITS, self.load.bits(now_ms)))

    def blob_store_bits(self, size: int, ttl_ms: int, fill: float, now_ms: int) -> int:
        """The work is proportional to bytes times days, rounded up to the next power of two.

        `fill`: share of the blobs' budget that is used; from half on it asks for more, at nine tenths 16 times as much.
        """
        if not self.blob_bits:
            return 0
        by_size = self.blob_bits + _doublings(size * max(ttl_ms, 0), BLOB_UNIT)
        by_fill = next((bits for share, bits in ((0.9, 4), (0.75, 2), (0.5, 1)) if fill >= share), 0)
        return max(by_size, min(MOST_BITS, max(by_size + by_fill, self.load.bits(now_ms))))


def _doublings(amount: int, unit: int) -> int:
    """Of the unit, until it holds the amount."""
    units = -(-amount // unit)
    return max(units - 1, 0).bit_length()
