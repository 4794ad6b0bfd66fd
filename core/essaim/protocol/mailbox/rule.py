"""What each kind of mailbox allows: who writes, how long things stay, how much fits.

    kind           written by                             read by          confirmed by     deleted by  longest  newer
    public inbox   anyone, with a puzzle when asked       owner, slot key  owner, slot key  owner       14 d     no
    outbox         owner; entry "name/N" also slot key N  anyone           -                owner       400 d    wins
    private inbox  write key                              owner, slot key  owner, slot key  owner       14 d     no

The owner is the read key, in an outbox the write key.
"""

from dataclasses import dataclass

from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.mailbox.refusal import ExpiryRefusedError, SlotRefusedError, VersionRefusedError

SECOND_MS = 1_000
DAY_MS = 86_400_000
SHORTEST_TTL_MS = 10 * SECOND_MS
TRANSIT_MS = 5 * SECOND_MS
"""How much of the shortest TTL may have passed on the way."""
CLOCK_SKEW_MS = 300 * SECOND_MS
"""How far a client's (corrected) clock may be from a node's."""

MAX_SLOTS = 5
MIN_ENTRY, MAX_ENTRY = 2, 32
MAX_VERSION = (1 << 63) - 1
MAX_ENVELOPES = 16
"""Envelopes in one Store."""
MAX_IDS = 256
"""Ids in one Retrieve, Confirm or Delete."""
MAX_PREKEYS = 20
MAX_PREKEY_SIZE = 2_048
CLAIM_ID_SIZE = 16


@dataclass(frozen=True)
class Rule:
    """The row of a kind."""

    longest_ttl_ms: int
    quota_bytes: int
    """Envelope bytes that one mailbox may hold on a node."""
    entries: bool
    """Named and versioned entries, a higher version replaces a lower; else device slots."""
    open_write: bool
    """Anyone writes without a signature (a puzzle when asked)."""
    open_read: bool


RULES = {
    Kind.PUBLIC_INBOX: Rule(14 * DAY_MS, 16 << 20, entries=False, open_write=True, open_read=False),
    Kind.OUTBOX: Rule(400 * DAY_MS, 64 << 10, entries=True, open_write=False, open_read=True),
    Kind.PRIVATE_INBOX: Rule(14 * DAY_MS, 64 << 20, entries=False, open_write=False, open_read=False),
}


def rule_of(kind: Kind) -> Rule:
    """The row of a kind that is served (a `Policy` of another cannot be made)."""
    return RULES[kind]


def check_slot(kind: Kind, slot: bytes) -> None:
    """A device slot is one byte 0 to 4, an entry name 2 to 32 bytes of printable ASCII without space."""
    if rule_of(kind).entries:
        valid = MIN_ENTRY <= len(slot) <= MAX_ENTRY and all(0x21 <= byte <= 0x7E for byte in slot)
    else:
        valid = len(slot) == 1 and slot[0] < MAX_SLOTS
    if not valid:
        raise SlotRefusedError("not a device slot or entry name of this kind of mailbox")


def entry_slot(entry: bytes) -> int | None:
    """The device slot that may write this entry beside the owner: N of a name that ends in "/N", else None."""
    if entry[-2:-1] == b"/" and 0 <= entry[-1] - ord("0") < MAX_SLOTS:
        return entry[-1] - ord("0")
    return None


def check_version(kind: Kind, version: int) -> None:
    """From 1 where entries are replaced, 0 elsewhere."""
    valid = 1 <= version <= MAX_VERSION if rule_of(kind).entries else version == 0
    if not valid:
        raise VersionRefusedError("entries have versions from 1, other envelopes version 0")


def check_new_expiry(kind: Kind, expires_ms: int, now_ms: int) -> None:
    """For the member that takes a store: 10 seconds (less 5 for the way) to the kind's longest TTL."""
    if expires_ms < now_ms + SHORTEST_TTL_MS - TRANSIT_MS:
        raise ExpiryRefusedError("expires too soon")
    check_kept_expiry(kind, expires_ms, now_ms)


def check_kept_expiry(kind: Kind, expires_ms: int, now_ms: int) -> None:
    """For every member: not expired, and not beyond the kind's longest TTL (by a clock that may be skewed)."""
    if not now_ms < expires_ms <= now_ms + rule_of(kind).longest_ttl_ms + CLOCK_SKEW_MS:
        raise ExpiryRefusedError("expired, or expires too late")
