"""What the members of a swarm say to each other: protos/essaim/storage/v1/replica.proto as plain values (wire.py turns
them into bytes and back). A link carries them in order, or breaks; what was under way when it broke may be lost.
"""

from dataclasses import dataclass

from essaim.protocol.mailbox.record import Record
from essaim_storage.tally import Fingerprint, Part


@dataclass(frozen=True, slots=True)
class Hello:
    """First on every new link. `fresh`: its disk is new and was never reconciled, so what it once had may be gone."""

    incarnation: bytes
    incomplete: bool
    fresh: bool
    adopted: int = 0
    """Its disk says that it takes no write made under a view older than this serial."""


@dataclass(frozen=True, slots=True)
class Write:
    """Records to commit. Answered by exactly one Ack of the same `batch` once all are on disk or refused."""

    batch: int
    records: tuple[Record, ...]
    late: bool = False
    """Missed before, sent again: no client waits for it."""
    receipt: bool = False
    """A client wants to see the Ack signed."""


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
    signed: "AckSignature | None" = None


@dataclass(frozen=True, slots=True)
class AckSignature:
    """The member's receipt (essaim.protocol.mailbox.receipt) for those not refused, in the order of the Write."""

    time_ms: int
    signature: bytes
    removed: tuple[int, ...] = ()
    """Indices of those that a tombstone covers."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Send me these records, by name (tally.NAME_SIZE). Answered by one Records of the same number."""

    number: int
    names: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """As many of the fetched as fit a message, at least one if any is there: empty means that none is."""

    number: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What do you keep of this part of the ring? Answered by one Digest of the same number."""

    number: int
    part: Part


@dataclass(frozen=True, slots=True)
class Digest:
    """The names of a part's records if they are few (`names` not None), else the fingerprints of `part.split()`."""

    number: int
    names: tuple[bytes, ...] | None
    fingerprints: tuple[Fingerprint, ...] = ()


CHALLENGE_IDS = 16
"""Envelopes in one Challenge: sixteen of the largest are read in a moment."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Show that you hold these. Answered by one Proofs of the same number. `nonce`: 32 bytes."""

    number: int
    nonce: bytes
    envelope_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Proofs:
    """For each envelope of a Challenge, in order: `holding.proof_of`, or b"" where it is not held."""

    number: int
    proofs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Woken:
    """A push host has taken wakes for the envelopes of these names (tally.NAME_SIZE): nobody else need send them."""

    names: tuple[bytes, ...]


Message = Hello | Write | Ack | Fetch | Records | Question | Digest | Challenge | Proofs | Woken
