"""Everything that a storage node may want done: the closed set that `StorageNode.handle` returns, to be done in order.

A client's request gets exactly one `Reply`, but a subscription, which gets `Notify` after `Notify` and a `Reply` only
if the node ends it.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum

from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.receipt import Receipt
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, RegistrationRecord, SlotMark, Tombstone
from essaim.protocol.push.wake import WakeBatch
from essaim_storage.arc import Arcs
from essaim_storage.message import Message


@dataclass(frozen=True, slots=True)
class Send:
    """Give a message to the link with another node; dropped when there is none."""

    to: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class SetTimer:
    """`Fired(timer)` after so long by the monotonic clock; set again, it starts anew."""

    timer: Hashable
    after_ms: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """No `Fired` for this one; nothing if it is not set."""

    timer: Hashable


# ---- Commit: one transaction, and one at a time: no second before Committed or CommitRefused of the first.


@dataclass(frozen=True, slots=True)
class PutEnvelope:
    """Insert an envelope that is not there. Any other of its (mailbox, slot) with a version goes: it is replaced."""

    number: int
    """Arrival number at this node, growing from write to write."""
    record: EnvelopeRecord
    coordinated: bool
    """This node took it from the client and must see to it that every member gets it (`Store.coordinated_after`)."""
    until_ms: int = 0
    """When it goes, where an expiry record says so; 0: at its first expiry."""


@dataclass(frozen=True, slots=True)
class PutTombstone:
    """Insert a tombstone that is not there, and remove the envelopes that it covers (`Tombstone.covers`).

    A DeleteAll takes the one-time prekeys of the mailbox, too.
    """

    number: int
    record_id: bytes
    record: Tombstone
    coordinated: bool


@dataclass(frozen=True, slots=True)
class PutExpiry:
    """Insert an expiry record that is not there; what follows from it comes as `SetUntil`."""

    number: int
    record_id: bytes
    record: ExpiryRecord
    coordinated: bool


@dataclass(frozen=True, slots=True)
class PutMark:
    """Insert a slot mark that is not there. Any other of its (mailbox, slot) goes."""

    number: int
    record_id: bytes
    record: SlotMark
    coordinated: bool


@dataclass(frozen=True, slots=True)
class PutRegistration:
    """Insert a registration that is not there. Any other of its (mailbox, slot, day) goes."""

    number: int
    record_id: bytes
    record: RegistrationRecord
    coordinated: bool


@dataclass(frozen=True, slots=True)
class SetWoken:
    """No wake is owed for an envelope with a number up to this one."""

    number: int


@dataclass(frozen=True, slots=True)
class SetUntil:
    """This envelope goes at that time; nothing if it is not there."""

    envelope_id: bytes
    until_ms: int


@dataclass(frozen=True, slots=True)
class SetPosition:
    """This member has every coordinated record up to `number`."""

    member: bytes
    number: int


@dataclass(frozen=True, slots=True)
class SetSettled:
    """Whether this disk holds all that it ever acknowledged: not while it is new, or a record of it was lost."""

    settled: bool = True


@dataclass(frozen=True, slots=True)
class SetAdopted:
    """Members' writes under a view older than this serial are refused, also after a crash (`Store.adopted`)."""

    serial: int


@dataclass(frozen=True, slots=True)
class DropForeign:
    """Of each gap between these arcs, remove all records of the first `most` mailboxes that have any, by position."""

    kept: Arcs
    most: int


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove a record whose bytes are bad; nothing if it is not there."""

    record_id: bytes


@dataclass(frozen=True, slots=True)
class Purge:
    """Remove records, and batches of prekeys, that go at or before this time (an envelope: by its `until_ms`)."""

    expired_ms: int


@dataclass(frozen=True, slots=True)
class PutPrekeys:
    """A batch in place of what the device had here (claims of before are forgotten), indexed from 0."""

    mailbox_id: bytes
    slot: bytes
    version: int
    prekeys: tuple[bytes, ...]
    expires_ms: int


@dataclass(frozen=True, slots=True)
class UsePrekey:
    """This prekey was given to this claim; nothing if the batch is gone."""

    mailbox_id: bytes
    slot: bytes
    version: int
    index: int
    claim_id: bytes


Change = (
    PutEnvelope | PutTombstone | PutExpiry | PutMark | PutRegistration | SetUntil | SetPosition | SetSettled
    | SetAdopted | SetWoken | DropForeign | Forget | Purge | PutPrekeys | UsePrekey
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Commit:
    """Write all in this order, in one transaction, and fsync: then `Committed(batch)`. Or nothing: `CommitRefused`."""

    batch: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Wake:
    """Give a batch to the link with a node of a push host: then `WakesTaken(to, batch number)`, or nothing."""

    to: bytes
    batch: WakeBatch


@dataclass(frozen=True, slots=True)
class TransferDone:
    """Tell discovery that this node has everything that swarm `swarm_id` is to keep after the move of `move_serial`.

    Comes again and again until a view shows the end of the move.
    """

    swarm_id: int
    move_serial: int


# ---- Answers to clients.


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """Acknowledged (`refusal` None): W members have it on disk."""

    envelope_id: bytes
    refusal: ProtocolError | None = None
    receipts: tuple[Receipt, ...] = ()
    """Of W members at least, where they were asked for."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One outcome for each envelope, in the order asked."""

    outcomes: tuple[StoreOutcome, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """The notice (a tombstone, expiry record, slot mark or registration) is on the disks of W members."""

    receipts: tuple[Receipt, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """An envelope for its reader. `data` is empty where it does not fit: `size` says what to ask for by id."""

    envelope_id: bytes
    slot: bytes
    expires_ms: int
    version: int
    size: int
    data: bytes
    until_ms: int = 0
    """When it goes, where that is not at its first expiry."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A page; `cursor` (encoded) goes into the next request. `incomplete`: this member does not count to r - W + 1."""

    envelopes: tuple[Delivery, ...]
    cursor: bytes
    more: bool
    incomplete: bool


@dataclass(frozen=True, slots=True)
class Expiries:
    """(envelope id, when it goes) of those asked for that are here; `incomplete` as in `Retrieved`."""

    found: tuple[tuple[bytes, int], ...]
    incomplete: bool


@dataclass(frozen=True, slots=True)
class Published:
    """So many prekeys of the batch are kept."""

    kept: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A prekey, b"" when none is left; and how many are left."""

    prekey: bytes
    left: int


class HoldingOutcome(StrEnum):
    """What a storage test of a member came to."""

    HELD = "HELD"
    """It has all that it was asked for."""
    MISSING = "MISSING"
    """It lacks something, and did when it was asked again."""
    SILENT = "SILENT"
    """It answered nothing for minutes, or no link led to it, or the link broke."""
    UNTESTED = "UNTESTED"
    """There was nothing to ask for, or one of the two is incomplete."""


@dataclass(frozen=True, slots=True)
class Examined:
    """The end of a storage test."""

    outcome: HoldingOutcome


@dataclass(frozen=True, slots=True)
class Refused:
    """The whole request."""

    error: ProtocolError


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request."""

    request: int
    result: Stored | Removed | Retrieved | Expiries | Published | Claimed | Examined | Refused


@dataclass(frozen=True, slots=True)
class Notify:
    """For a subscriber. The next comes after its `Taken` only."""

    request: int
    envelopes: tuple[Delivery, ...]
    cursor: bytes
    incomplete: bool


Effect = Send | Commit | SetTimer | CancelTimer | Reply | Notify | TransferDone | Wake
