"""The price of a request in puzzle bits: from the setting, from how full a mailbox is, of a blob by bytes and days."""

from dataclasses import dataclass

from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.mailbox.rule import DAY_MS, rule_of

FILLS = ((0.9, 20), (0.75, 16), (0.5, 12))
"""From this share of its quota on, a mailbox that anyone may write to costs so many bits."""
BLOB_UNIT = 4_096 * DAY_MS
"""Byte-milliseconds that cost `blob_bits`; twice as many cost one bit, twice the work, more."""


@dataclass(frozen=True)
class Price:
    """Bits asked for at least, whatever the fill; 0: nothing."""

    open_bits: int = 0
    """Of a Store to a public inbox."""
    claim_bits: int = 0
    """Of a ClaimPrekey."""
    blob_bits: int = 0
    """Of a Store of 4096 bytes for a day as a blob."""

    def store_bits(self, kind: Kind, held_bytes: int) -> int:
        """A write that is signed costs nothing."""
        rule = rule_of(kind)
        if not rule.open_write:
            return 0
        fill = held_bytes / rule.quota_bytes
        return max(self.open_bits, next((bits for share, bits in FILLS if fill >= share), 0))

    def blob_store_bits(self, size: int, ttl_ms: int) -> int:
        """The work is proportional to bytes times days, rounded up to the next power of two."""
        if not self.blob_bits:
            return 0
        units = -(-size * max(ttl_ms, 0) // BLOB_UNIT)
        return self.blob_bits + max(units - 1, 0).bit_length()
