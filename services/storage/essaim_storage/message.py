"""What the members of a swarm say to each other: protos/essaim/storage/v1/replica.proto as plain values (wire.py turns
them into bytes and back). A link carries them in order, or breaks; what was under way when it broke may be lost.
"""

from dataclasses import dataclass

from essaim.protocol.mailbox.record import Record


@dataclass(frozen=True, slots=True)
class Hello:
    """First on every new link. `fresh`: its disk is new and was never reconciled, so what it once had may be gone."""

    incarnation: bytes
    incomplete: bool
    fresh: bool


@dataclass(frozen=True, slots=True)
class Write:
    """Records to commit. Answered by exactly one Ack of the same `batch` once all are on disk or refused."""

    batch: int
    records: tuple[Record, ...]
    late: bool = False
    """Missed before, sent again: no client waits for it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The record at `index` of a Write was not kept."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ack:
    """Every record of the Write is on disk here (or is covered by a tombstone or version that is), but the refused."""

    batch: int
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetch:
    """Send me these records. Answered by one Records of the same number."""

    number: int
    record_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """As many of the fetched as fit a message, at least one if any is there: empty means that none is."""

    number: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Digest:
    """The record ids from `from_id` to `to_id`, both included.

    With `reply_wanted` a question, answered by one Digest of the same round and range with what the other has there:
    and with the ids themselves if they differ and are few.
    """

    round: int
    from_id: bytes
    to_id: bytes
    count: int
    fingerprint: bytes
    ids: tuple[bytes, ...] = ()
    reply_wanted: bool = False


Message = Hello | Write | Ack | Fetch | Records | Digest
