"""Every length on the wire, derived in one place: cells, layers, replies, envelopes, batches, grants.

A cell has one of three sizes (*cell class*) and is `header || body`. The header is constant for a suite:

    version 1 | suite 1 | cell class 1 | reply class 1 | key id 4 | KEM ciphertext K | beta | gamma 16

where `slot = 64 routing + K + 16 MAC` is what one hop takes off and `beta = 3 * slot + 64` holds the routing of the
three hops behind this one (KEM-Sphinx; docs/protocol/onion.md). All sizes are bytes.
"""

from dataclasses import dataclass
from enum import IntEnum

VERSION = 1
MAX_LAYERS = 4
"""Three relays and the destination; shorter paths have the same sizes."""

NODE_ID_SIZE = 32
KEY_ID_SIZE = 4
PREFIX_SIZE = 4 + KEY_ID_SIZE
ROUTING_SIZE = 64
MAC_SIZE = 16
REPLAY_TAG_SIZE = 16
AEAD_TAG_SIZE = 16
LENGTH_SIZE = 4
REPLY_KIND_SIZE = 1
X25519_SIZE = 32
MLKEM_CIPHERTEXT_SIZE = 1088


class Suite(IntEnum):
    """The key encapsulation of a layer. Which are allowed is said by the signed view, never by a peer."""

    X25519 = 1
    HYBRID = 2


class CellClass(IntEnum):
    """The code of a cell size or reply size."""

    SMALL = 0
    MEDIUM = 1
    LARGE = 2

    @property
    def size(self) -> int:
        """Bytes of a whole cell, forward or reply."""
        return CELL_SIZES[self]

    @property
    def batch_limit(self) -> int:
        """Most cells in one link message."""
        return BATCH_LIMITS[self]

    @property
    def initial_grant(self) -> int:
        """Reply cells that a new call may be sent before its first re-grant."""
        return INITIAL_GRANTS[self]

    @property
    def reply_payload(self) -> int:
        """Most payload bytes of one reply of this class: AEAD { kind 1 | length 4 | payload | pad }."""
        return self.size - AEAD_TAG_SIZE - REPLY_KIND_SIZE - LENGTH_SIZE


CELL_SIZES = (16_384, 65_536, 262_144)
BATCH_LIMITS = (16, 4, 1)
INITIAL_GRANTS = (4, 2, 1)
MAX_REPLIES = 1 << 16
"""Replies of one call have the sequence numbers 0 to 65535."""

ENVELOPE_SIZES = (4_096, 10_240, 57_344, 253_952)

CELL_FRAMING = 64
"""What a link frame may add to one cell (call, sequence number, field tags)."""
MESSAGE_FRAMING = 1_024
"""What a link message may add to its batch."""
MESSAGE_LIMIT = MESSAGE_FRAMING + max(
    limit * (size + CELL_FRAMING) for limit, size in zip(BATCH_LIMITS, CELL_SIZES, strict=True)
)
"""gRPC's send and receive limit on a link: one full batch of the widest class."""


@dataclass(frozen=True)
class Layout:
    """The offsets and lengths of a cell of one suite; `layout_of` derives them."""

    suite: Suite
    kem: int
    """KEM ciphertext of a hop: 32 or 1120."""
    slot: int
    """What one hop takes off beta: 112 or 1200."""
    beta: int
    """Encrypted routing: 400 or 3664."""
    beta_at: int
    gamma_at: int
    header: int
    """456 or 4808; the body starts here."""

    def body(self, cell_class: CellClass) -> int:
        """Bytes of the body of a cell."""
        return CELL_SIZES[cell_class] - self.header

    def payload(self, cell_class: CellClass) -> int:
        """Most payload bytes of a cell: the last layer's body is AEAD { length 4 | payload | pad }."""
        return self.body(cell_class) - AEAD_TAG_SIZE - LENGTH_SIZE

    def class_of(self, payload: int) -> CellClass | None:
        """The smallest cell class that holds `payload` bytes, or None."""
        return next((each for each in CellClass if payload <= self.payload(each)), None)


def layout_of(suite: Suite) -> Layout:
    """The layout of a suite, from the sizes above."""
    kem = X25519_SIZE + (MLKEM_CIPHERTEXT_SIZE if suite == Suite.HYBRID else 0)
    slot = ROUTING_SIZE + kem + MAC_SIZE
    beta = (MAX_LAYERS - 1) * slot + ROUTING_SIZE
    beta_at = PREFIX_SIZE + kem
    gamma_at = beta_at + beta
    return Layout(suite, kem, slot, beta, beta_at, gamma_at, gamma_at + MAC_SIZE)


LAYOUTS = {suite: layout_of(suite) for suite in Suite}


def reply_class_of(payload: int) -> CellClass | None:
    """The smallest reply class that holds `payload` bytes in one reply, or None."""
    return next((each for each in CellClass if payload <= each.reply_payload), None)
