"""What the machines ask of the disk: one method per question, answered at once from committed data alone.

The CONTRACT, kept by every implementation (tests/property/test_store_contract.py proves it):

- Reads see exactly the batches that were committed; never part of one. Writing happens by `Commit` effects only, in the
  order given, one at a time. After a crash every batch whose `Committed` was given is there, and of the one under way
  either all or nothing.
- Records that expired stay until a `Purge`: whoever asks leaves them out by their expiry (envelopes: `until_ms`).
- A record whose checksum is wrong is None to whoever asks for it, left out where records are listed, and reported by a
  `RecordBad` event; by its id, number and row it is still there until it is forgotten.
- `record id` is `essaim_storage.record.record_id`, `number` the arrival number of what puts one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from essaim.protocol.mailbox.record import ExpiryRecord, Record, RegistrationRecord, SlotMark, Tombstone
from essaim_storage.arc import Arcs
from essaim_storage.tally import Fingerprint, Part


@dataclass(frozen=True, slots=True)
class Entry:
    """An envelope in a listing, without its data."""

    number: int
    envelope_id: bytes
    slot: bytes
    expires_ms: int
    version: int
    size: int
    until_ms: int
    """When it goes: its first expiry, or what an expiry record says."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The version and id that an entry of an outbox has now."""

    version: int
    envelope_id: bytes


@dataclass(frozen=True, slots=True)
class PrekeyBatch:
    """The one-time prekeys of a device that this node serves."""

    version: int
    expires_ms: int
    unused: tuple[tuple[int, bytes], ...]
    """(index, prekey), by index."""


class Store(Protocol):
    """The disk of one node."""

    def incarnation(self) -> bytes:
        """16 random bytes, drawn when the database was made; drawn anew when it is restored from a backup."""

    def settled(self) -> bool:
        """What the last `SetSettled` said; False if there was none."""

    def last_number(self) -> int:
        """The highest number ever committed, whether its record is still there or not; 0 at first."""

    def damage(self) -> int:
        """How many bad records were met since the store was opened; a listing during which it grows lacks something."""

    # ---- records

    def has(self, record_id: bytes) -> bool:
        """Whether the envelope or tombstone is there."""

    def record(self, record_id: bytes) -> Record | None:
        """The envelope or tombstone."""

    def naming(self, envelope_id: bytes) -> Sequence[Tombstone | ExpiryRecord]:
        """Every tombstone and expiry record that names this envelope, of whatever mailbox: the caller asks `covers`."""

    def sweeps(self, mailbox_id: bytes) -> Sequence[Tombstone]:
        """Every DeleteBefore and DeleteAll of this mailbox."""

    def under(self, mailbox_id: bytes, slot: bytes) -> Sequence[Record]:
        """Every record of this mailbox that a key of this device slot signed."""

    def mark(self, mailbox_id: bytes, slot: bytes) -> SlotMark | None:
        """The slot mark of this device slot (one byte)."""

    def has_registered(self, mailbox_id: bytes) -> bool:
        """Whether the mailbox may have a registration; False is certain."""

    def registration(self, mailbox_id: bytes, slot: bytes, day: int) -> RegistrationRecord | None:
        """Of a device slot for a mailbox day."""

    def registrations(self, mailbox_id: bytes) -> Sequence[RegistrationRecord]:
        """Of the mailbox, by slot, then day."""

    def registered(self, mailbox_id: bytes) -> Sequence[tuple[bytes, int]]:
        """Slot and day of each, in that order; one that cannot be read any more may be among them."""

    def newest(self, mailbox_id: bytes, slot: bytes) -> Newest | None:
        """The entry of this name in an outbox (records with version > 0), None if there is none."""

    def notice_bytes(self, mailbox_id: bytes) -> int:
        """What the mailbox's tombstones, expiry records, slot marks and registrations weigh: 512 bytes each, and their
        data."""

    def blob_bytes(self) -> int:
        """Bytes of the data of all blobs together."""

    def mailbox_bytes(self, mailbox_id: bytes) -> int:
        """Bytes of envelope data that the mailbox holds, expired ones included until purged."""

    # ---- delivery

    def entries_after(self, mailbox_id: bytes, slot: bytes, number: int, limit: int) -> Sequence[Entry]:
        """The first `limit` envelopes with a number above `number`, ascending; slot b"": of every slot."""

    def latest_entries(self, mailbox_id: bytes, slot: bytes, limit: int) -> Sequence[Entry]:
        """The last `limit` envelopes, ascending; slot b"": of every slot."""

    def data(self, envelope_id: bytes) -> bytes | None:
        """The bytes of an envelope."""

    def entry(self, mailbox_id: bytes, envelope_id: bytes) -> Entry | None:
        """One envelope of this mailbox, without its data."""

    # ---- replication

    def coordinated_after(self, number: int, limit: int) -> Sequence[tuple[int, Record]]:
        """The first `limit` coordinated records with a number above `number`, ascending, each with its number."""

    def position(self, member: bytes) -> int:
        """The number of the last `SetPosition` of this member; 0 if there is none."""

    def adopted(self) -> int:
        """What the last `SetAdopted` said; 0 if there was none."""

    def fingerprints(self, parts: Sequence[Part]) -> Sequence[Fingerprint]:
        """Of the records of each part of the ring."""

    def record_ids(self, part: Part, limit: int) -> Sequence[bytes]:
        """The first `limit` record ids of a part, in the order of their keys."""

    def has_named(self, name: bytes) -> bool:
        """Whether there is a record whose id begins with this name (`tally.NAME_SIZE`)."""

    def named(self, name: bytes) -> Record | None:
        """The record whose id begins with this name (`tally.NAME_SIZE`); the lowest id of several."""

    def ids_after(self, record_id: bytes, limit: int) -> Sequence[bytes]:
        """The first `limit` record ids from this one on, ascending."""

    def holds_outside(self, kept: Arcs) -> bool:
        """Whether there is a record of a mailbox with a position in none of these arcs."""

    def next_expiry(self) -> int | None:
        """The earliest time at which a record or prekey batch goes, None if there is none."""

    # ---- wakes

    def woken(self) -> int:
        """What the last `SetWoken` said; 0 if there was none."""

    def registered_after(self, number: int) -> Sequence[tuple[int, bytes, bytes, bytes]]:
        """Of each device slot, and of all entries together, of each mailbox that has a registration the newest envelope
        with a number above `number`, ascending: number, mailbox id, slot, envelope id.
        Without `rule.SILENT_ENTRIES`."""

    # ---- prekeys

    def prekeys(self, mailbox_id: bytes, slot: bytes) -> PrekeyBatch | None:
        """What is left of the device's batch."""

    def claimed(self, mailbox_id: bytes, slot: bytes, claim_id: bytes) -> bytes | None:
        """The prekey that this claim was given."""
