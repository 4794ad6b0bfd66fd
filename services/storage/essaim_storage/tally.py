"""What a store holds, summed up by parts of the ring, so that two members find their difference without reading it all.

Range-based set reconciliation (A. Meyer, "Range-Based Set Reconciliation and Authenticated Set Representations", 2022):
a part's fingerprint is the sum of its record ids modulo 2^256, hashed with their number; so each record that comes or
goes changes one sum. Records are in the order of their *key*: the bucket of the mailbox's position (its first 14 bits),
then the record id. Parts of whole buckets are answered from sums in memory; what is smaller is read from the index.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from essaim.protocol.kdf import blake2b256
from essaim_storage.arc import Arc

BUCKET_BITS = 14
BUCKETS = 1 << BUCKET_BITS
ID_SIZE = 32
KEY_SIZE = 2 + ID_SIZE
FINGERPRINT_SIZE = 16
NAME_SIZE = 12
"""A record is called by the beginning of its id where the whole is not needed."""
BRANCHES = 16
_ID_BITS = 256
_SHIFT = 64 - BUCKET_BITS
KEYS = BUCKETS << _ID_BITS
"""Keys are below this."""

Span = tuple[int, int]
"""First and last key, both included, as numbers of 272 bits."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of the records of a part: how many, and BLAKE2b-256(sum of their ids, 32 bytes || count, 8 bytes), 16 bytes."""

    count: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """The records of an arc's mailboxes whose keys are in a span."""

    arc: Arc
    span: Span

    @classmethod
    def whole(cls, arc: Arc) -> "Part":
        """All of an arc."""
        first, last = bucket_of(arc[0]), bucket_of(arc[1])
        return cls(arc, (first << _ID_BITS, ((last + 1) << _ID_BITS) - 1))

    def split(self) -> Sequence["Part"]:
        """Sixteen parts, or as many as there are keys, that are together this one."""
        first, last = self.span
        step = -(-(last - first + 1) // BRANCHES)
        if step > 1 << _ID_BITS:  # whole buckets, so that their sums answer
            step = -(-step >> _ID_BITS) << _ID_BITS
        starts = range(first, last + 1, step)
        return [Part(self.arc, (start, min(start + step - 1, last))) for start in starts]

    @property
    def is_one(self) -> bool:
        """It cannot be split."""
        return self.span[0] == self.span[1]


def bucket_of(position: int) -> int:
    return position >> _SHIFT


def key_of(position: int, record_id: bytes) -> int:
    """Where a record is in the order."""
    return (bucket_of(position) << _ID_BITS) | int.from_bytes(record_id)


def fingerprint_of(total: int, count: int) -> Fingerprint:
    """Of a sum and a count."""
    return Fingerprint(count, blake2b256((total % (1 << _ID_BITS)).to_bytes(32), count.to_bytes(8))[:FINGERPRINT_SIZE])


EMPTY = fingerprint_of(0, 0)


@dataclass
class Tally:
    """Number and sum of the record ids of each bucket."""

    counts: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    sums: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def add(self, position: int, record_id: bytes) -> None:
        bucket = bucket_of(position)
        self.counts[bucket] += 1
        self.sums[bucket] += int.from_bytes(record_id)

    def remove(self, position: int, record_id: bytes) -> None:
        bucket = bucket_of(position)
        self.counts[bucket] -= 1
        self.sums[bucket] -= int.from_bytes(record_id)

    def of_buckets(self, first: int, last: int) -> tuple[int, int]:
        """(sum, count) of the buckets from first to last, both included."""
        return sum(self.sums[first : last + 1]), sum(self.counts[first : last + 1])


def inner_buckets(part: Part) -> tuple[int, int] | None:
    """First and last of the buckets that the part holds to their last record, None if there is none."""
    first = -(-part.span[0] >> _ID_BITS)
    last = ((part.span[1] + 1) >> _ID_BITS) - 1
    first = max(first, -(-part.arc[0] >> _SHIFT))
    last = min(last, ((part.arc[1] + 1) >> _SHIFT) - 1)
    return (first, last) if first <= last else None


def outer_parts(part: Part) -> Iterable[Part]:
    """What of the part lies in none of its inner buckets."""
    inner = inner_buckets(part)
    if inner is None:
        return (part,)
    first, last = inner[0] << _ID_BITS, ((inner[1] + 1) << _ID_BITS) - 1
    sides = ((part.span[0], first - 1), (last + 1, part.span[1]))
    return [Part(part.arc, span) for span in sides if span[0] <= span[1]]


def span_positions(part: Part) -> Arc:
    """First and last position of the buckets that the part touches."""
    first, last = part.span[0] >> _ID_BITS, part.span[1] >> _ID_BITS
    return first << _SHIFT, ((last + 1) << _SHIFT) - 1
