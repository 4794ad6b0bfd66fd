"""Receipts: a member's signed word that it has a record on its disk, one signature for a whole batch of records.

    leaf         H("essaim/receipt/leaf/v1", record id 32 || outcome u8)      outcome 1: it is there; 2: its removal is
    node         H("essaim/receipt/node/v1", left 32 || right 32)             an odd last one goes up as it is
    root         of the leaves in the batch's order
    signed text  "essaim/receipt/v1" || node id 32 || time_ms u64 || count u32 || root 32

A receipt has the path from its record's leaf to the root (Merkle, 1987), so that it shows nothing of the others. Record
ids: an envelope's own; of a notice BLAKE2b-256(label || signed text), label "essaim/tombstone/v1", "essaim/expiry/v1",
"essaim/slot-mark/v1" or "essaim/registration/v1".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from essaim.protocol.kdf import HASH_SIZE, blake2b256
from essaim.protocol.keys import KeyRefusedError, VerifyKey

LABEL = b"essaim/receipt/v1"
LEAF_LABEL = b"essaim/receipt/leaf/v1"
NODE_LABEL = b"essaim/receipt/node/v1"
MAX_COUNT = 1 << 10
"""Records under one signature."""


class Outcome(IntEnum):
    """What the member says of the record."""

    KEPT = 1
    """It is on the disk."""
    REMOVED = 2
    """A tombstone that covers it is."""


Leaf = tuple[bytes, Outcome]
"""A record's id, and what became of it."""


@dataclass(frozen=True)
class Receipt:
    """Of one record, by one member. `index` counts the batch's leaves from 0."""

    node_id: bytes
    time_ms: int
    signature: bytes
    outcome: Outcome
    count: int
    index: int
    path: tuple[bytes, ...]

    def proves(self, record_id: bytes) -> bool:
        """Whether the node of `node_id` signed this. Any input is answered."""
        root = _root_of(_leaf((record_id, self.outcome)), self.count, self.index, self.path)
        return root is not None and _is_signed(self.node_id, self.time_ms, self.signature, self.count, root)


@dataclass(frozen=True)
class SignedBatch:
    """A member's signature over some records, in its order."""

    node_id: bytes
    time_ms: int
    signature: bytes
    leaves: Sequence[Leaf]

    @property
    def is_genuine(self) -> bool:
        """Whether the node of `node_id` signed for these leaves, each of them. Any input is answered."""
        count = len(self.leaves)
        if not 1 <= count <= MAX_COUNT:
            return False
        (root,) = self._levels[-1]
        return _is_signed(self.node_id, self.time_ms, self.signature, count, root)

    @cached_property
    def _levels(self) -> list[list[bytes]]:
        return _levels([_leaf(each) for each in self.leaves])

    def receipts(self) -> dict[bytes, Receipt]:
        """For each record id."""
        count = len(self.leaves)
        return {
            record_id: Receipt(
                self.node_id, self.time_ms, self.signature, outcome, count, index, _path(self._levels, index)
            )
            for index, (record_id, outcome) in enumerate(self.leaves)
        }


def sign_batch(sign: Callable[[bytes], bytes], node_id: bytes, time_ms: int, leaves: Sequence[Leaf]) -> SignedBatch:
    """For a member: 1 to 1,024 records that it has made durable."""
    if not 1 <= len(leaves) <= MAX_COUNT:
        raise ValueError("1 to 1,024 records under one signature")
    (root,) = _levels([_leaf(each) for each in leaves])[-1]
    return SignedBatch(node_id, time_ms, sign(signed_text(node_id, time_ms, len(leaves), root)), tuple(leaves))


def signed_text(node_id: bytes, time_ms: int, count: int, root: bytes) -> bytes:
    return LABEL + node_id + time_ms.to_bytes(8) + count.to_bytes(4) + root


def _is_signed(node_id: bytes, time_ms: int, signature: bytes, count: int, root: bytes) -> bool:
    if not 0 <= time_ms < 1 << 63:
        return False
    try:
        key = VerifyKey(node_id)
    except KeyRefusedError:
        return False
    return key.verifies(signature, signed_text(node_id, time_ms, count, root))


def _leaf(leaf: Leaf) -> bytes:
    record_id, outcome = leaf
    return blake2b256(LEAF_LABEL, record_id, bytes((outcome,)))


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """From the leaves up to the root."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [blake2b256(NODE_LABEL, below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
        levels.append(pairs + below[len(pairs) * 2 :])
    return levels


def _path(levels: list[list[bytes]], index: int) -> tuple[bytes, ...]:
    path = []
    for level in levels[:-1]:
        beside = index ^ 1
        if beside < len(level):
            path.append(level[beside])
        index //= 2
    return tuple(path)


def _root_of(leaf: bytes, count: int, index: int, path: Sequence[bytes]) -> bytes | None:
    """None for a path that is none of this place."""
    if not 0 <= index < count <= MAX_COUNT or any(len(each) != HASH_SIZE for each in path):
        return None
    node, left = leaf, list(path)
    while count > 1:
        if index ^ 1 < count:
            if not left:
                return None
            beside = left.pop(0)
            node = blake2b256(NODE_LABEL, *((beside, node) if index % 2 else (node, beside)))
        index, count = index // 2, (count + 1) // 2
    return None if left else node
