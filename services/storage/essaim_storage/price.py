"""The price of a request in puzzle bits: from the setting, and from how full the mailbox is."""

from dataclasses import dataclass

from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.mailbox.rule import rule_of

FILLS = ((0.9, 20), (0.75, 16), (0.5, 12))
"""From this share of its quota on, a mailbox that anyone may write to costs so many bits."""


@dataclass(frozen=True)
class Price:
    """Bits asked for at least, whatever the fill; 0: nothing."""

    open_bits: int = 0
    """Of a Store to a mailbox that anyone may write to."""
    claim_bits: int = 0
    """Of a ClaimPrekey."""

    def store_bits(self, kind: Kind, held_bytes: int) -> int:
        """A write that is signed costs nothing."""
        rule = rule_of(kind)
        if not rule.open_write:
            return 0
        fill = held_bytes / rule.quota_bytes
        return max(self.open_bits, next((bits for share, bits in FILLS if fill >= share), 0))
