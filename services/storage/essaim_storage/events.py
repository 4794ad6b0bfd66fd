"""Everything that can happen to a storage node: the closed set that `StorageNode.handle` takes.

A `request` is a number that the shell gives to each request of a client, used once in the life of the process. What a
request must be by itself (policy, sizes, puzzle, authorization, time, nonce) was checked before it became an event.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, Notice
from essaim_storage.message import Message
from essaim_storage.placement import Range


@dataclass(frozen=True, slots=True)
class Started:
    """The process runs and its store is open. First event, once."""


@dataclass(frozen=True, slots=True)
class StoreAsked:
    """Store: 1 to 16 envelopes of one mailbox. Answered by `Stored` or `Refused`."""

    request: int
    records: tuple[EnvelopeRecord, ...]
    receipts: bool = False
    """Acknowledged with the receipts of W members."""


@dataclass(frozen=True, slots=True)
class RemoveAsked:
    """Confirm, any deletion, Expire, DropSlot, RegisterPush. Answered by `Removed` or `Refused`."""

    request: int
    notice: Notice
    receipts: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What a Retrieve or Subscribe wants of a mailbox."""

    mailbox_id: bytes
    slot: bytes
    """b"": every slot."""
    cursor: Cursor
    max_bytes: int
    """Of envelope data in one answer; larger envelopes are named only."""
    have_salt: bytes = b""
    have: frozenset[bytes] = frozenset()
    """`have_prefix(have_salt, id)` of what the client has already."""
    slot_record: bytes = b""
    """Under which it was signed: a reader whose slot is dropped is told nothing more."""


@dataclass(frozen=True, slots=True)
class RetrieveAsked:
    """One page. Answered at once by `Retrieved` or `Refused`."""

    request: int
    query: Query
    envelope_ids: tuple[bytes, ...] = ()
    """Just these, whatever the cursor."""


@dataclass(frozen=True, slots=True)
class SubscribeAsked:
    """What is there after the cursor, then what arrives: `Notify` after `Notify`, each asked for by `Taken`."""

    request: int
    query: Query


@dataclass(frozen=True, slots=True)
class ExpiriesAsked:
    """When these envelopes go. Answered at once by `Expiries` or `Refused`."""

    request: int
    mailbox_id: bytes
    slot: bytes
    envelope_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """A subscriber took its last `Notify`: there is room for the next."""

    request: int


@dataclass(frozen=True, slots=True)
class PublishAsked:
    """One-time prekeys for this node. Answered by `Published` or `Refused`."""

    request: int
    policy: Policy
    slot: bytes
    node_id: bytes
    prekeys: tuple[bytes, ...]
    version: int


@dataclass(frozen=True, slots=True)
class ClaimAsked:
    """One one-time prekey. Answered by `Claimed` or `Refused`."""

    request: int
    policy: Policy
    slot: bytes
    claim_id: bytes


@dataclass(frozen=True, slots=True)
class ExamineAsked:
    """Test whether a member holds what it should. Answered by `Examined`. `draw_seed` of the view that drew, and a
    `nonce` that nobody knows yet: 32 bytes each."""

    request: int
    member: bytes
    draw_seed: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The client is gone: no answer to this request any more. What it asked to be stored goes on being replicated."""

    request: int


@dataclass(frozen=True, slots=True)
class PeerMessage:
    """From another node, over a link that proved its id."""

    node_id: bytes
    message: Message
    view_serial: int
    """Of the view that the sender had."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A new link to this node stands: what is sent now arrives in order. Nothing sent before will arrive."""

    node_id: bytes


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The link is gone."""

    node_id: bytes


@dataclass(frozen=True, slots=True)
class Fired:
    """A timer set by `SetTimer` is over."""

    timer: Hashable


@dataclass(frozen=True, slots=True)
class Committed:
    """The batch is durable: fsynced."""

    batch: int


@dataclass(frozen=True, slots=True)
class CommitRefused:
    """Nothing of the batch was written, for the disk is full. (Any other failure to write ends the process.)"""

    batch: int


@dataclass(frozen=True, slots=True)
class ViewChanged:
    """A newer signed view. Comes before any request. Serials grow by one from view to view, but some may be skipped."""

    serial: int
    ranges: tuple[Range, ...]
    """What this node keeps, now or next; () when it is in no swarm."""
    spare: bool = False
    """It lists this very start of the node, without a place: what an earlier disk acknowledged is others' by now."""


@dataclass(frozen=True, slots=True)
class RecordBad:
    """A stored record failed its checksum, on a read or under the scrubber: forget it and fetch it from a peer."""

    record_id: bytes


@dataclass(frozen=True, slots=True)
class HostUp:
    """A link to a node of a push host stands."""

    node_id: bytes


@dataclass(frozen=True, slots=True)
class HostDown:
    """It is gone."""

    node_id: bytes


@dataclass(frozen=True, slots=True)
class WakesTaken:
    """A push host has the wakes of a batch on its disk, but those to be sent again (indices) after so long."""

    node_id: bytes
    batch: int
    again: tuple[int, ...] = ()
    after_ms: int = 0


Event = (
    Started | StoreAsked | RemoveAsked | RetrieveAsked | SubscribeAsked | ExpiriesAsked | Taken | PublishAsked
    | ClaimAsked | Cancelled | PeerMessage | LinkUp | LinkDown | Fired | Committed | CommitRefused | ViewChanged
    | RecordBad | ExamineAsked | HostUp | HostDown | WakesTaken
)  # fmt: skip
