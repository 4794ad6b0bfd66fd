"""What each kind of mailbox allows: who writes, how long things stay, how much fits.

    kind           written by                             read by          confirmed by     deleted by  longest  newer
    public inbox   anyone, with a puzzle when asked       owner, slot key  owner, slot key  owner       14 d     no
    outbox         owner; entry "name/N" also slot key N  anyone           -                owner       400 d    wins
    private inbox  write key                              owner, slot key  owner, slot key  owner       14 d     no
    group          write key; with a version the owner    read key         -                owner       14 d     wins
    blob           anyone, with a puzzle                  anyone           -                owner       14 d     wins

The owner is the delete key where there is one, else the read key, in an outbox the write key. What is newer wins by
its version, in a group where it has one; a blob's version is its expiry.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.mailbox.refusal import (
    ExpiryRefusedError,
    MethodRefusedError,
    SlotRefusedError,
    VersionRefusedError,
)

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
PLACE_SIZE = MAX_ENTRY
"""Under such a name a device asks to be woken for a group: nobody guesses another's."""
GROUP_REGISTRATIONS = 1_024
"""Of one group mailbox, all days together: 100 members with 5 devices each, twice."""
SLOT_AT, SLOT_VERSION_AT = 32, 65
"""Where a slot record (slot_record.py) has its slot and its version."""
MAX_ENVELOPES = 16
"""Envelopes in one Store."""
MAX_IDS = 256
"""Ids in one Retrieve, Confirm or Delete."""
MAX_PREKEYS = 20
MAX_PREKEY_SIZE = 2_048
CLAIM_ID_SIZE = 16


class Naming(Enum):
    """What the `slot` of an envelope is."""

    DEVICE = auto()
    """A device slot: one byte, 0 to 4."""
    ENTRY = auto()
    """An entry name: 2 to 32 bytes of printable ASCII without space."""
    NOTHING = auto()
    """Empty: there is one envelope only."""


class Versions(Enum):
    """What the `version` of an envelope is."""

    NONE = auto()
    """0: nothing replaces anything."""
    GROW = auto()
    """From 1: a higher one replaces a lower of the same entry."""
    EITHER = auto()
    """0: it stays beside others of its entry; from 1: as `GROW`."""
    EXPIRY = auto()
    """The envelope's own expiry: stored again with a later one, it stays longer."""


@dataclass(frozen=True)
class Rule:
    """The row of a kind."""

    longest_ttl_ms: int
    quota_bytes: int
    """Envelope bytes that one mailbox may hold on a node."""
    notice_bytes: int
    """What its tombstones, expiry records and slot marks may weigh there: 512 bytes each, and 32 for each id."""
    naming: Naming
    versions: Versions
    open_write: bool = False
    """Anyone writes without a signature (a puzzle when asked)."""
    open_read: bool = False
    confirms: bool = False
    """A device that has an envelope removes it by itself."""
    mark_life_ms: int = 0
    """How long a slot mark is kept; 0: a kind without device slots."""


RULES = {
    Kind.PUBLIC_INBOX: Rule(
        14 * DAY_MS,
        16 << 20,
        8 << 20,
        Naming.DEVICE,
        Versions.NONE,
        open_write=True,
        confirms=True,
        mark_life_ms=400 * DAY_MS,
    ),
    Kind.OUTBOX: Rule(
        400 * DAY_MS, 64 << 10, 256 << 10, Naming.ENTRY, Versions.GROW, open_read=True, mark_life_ms=400 * DAY_MS
    ),
    Kind.PRIVATE_INBOX: Rule(
        14 * DAY_MS, 64 << 20, 16 << 20, Naming.DEVICE, Versions.NONE, confirms=True, mark_life_ms=90 * DAY_MS
    ),
    Kind.GROUP: Rule(14 * DAY_MS, 64 << 20, 4 << 20, Naming.ENTRY, Versions.EITHER),
    Kind.BLOB: Rule(14 * DAY_MS, 512 << 10, 32 << 10, Naming.NOTHING, Versions.EXPIRY, open_write=True, open_read=True),
}


def rule_of(kind: Kind) -> Rule:
    """The row of a kind."""
    return RULES[kind]


def check_slot(kind: Kind, slot: bytes) -> None:
    """What the kind's naming asks for, or SlotRefusedError."""
    match rule_of(kind).naming:
        case Naming.ENTRY:
            valid = MIN_ENTRY <= len(slot) <= MAX_ENTRY and all(0x21 <= byte <= 0x7E for byte in slot)
        case Naming.DEVICE:
            valid = len(slot) == 1 and slot[0] < MAX_SLOTS
        case Naming.NOTHING:
            valid = not slot
    if not valid:
        raise SlotRefusedError("not a device slot or entry name of this kind of mailbox")


def check_registered(kind: Kind, slot: bytes) -> None:
    """Who may ask to be woken: a device slot of an inbox, in a group a place. MethodRefusedError, SlotRefusedError."""
    if kind is not Kind.GROUP and not rule_of(kind).confirms:
        raise MethodRefusedError("only inboxes and groups wake anybody")
    check_slot(kind, slot)
    if kind is Kind.GROUP and len(slot) != PLACE_SIZE:
        raise SlotRefusedError("a place in a group has 32 bytes")


SILENT_ENTRIES: Final = (b"typing",)
"""Entries of a group's mailbox that wake nobody: what they tell has passed when a device has come."""


def is_device(slot: bytes) -> bool:
    """Whether it names a device slot, and no entry or place."""
    return len(slot) == 1


def entry_slot(entry: bytes) -> int | None:
    """The device slot that may write this entry beside the owner: N of a name that ends in "/N", else None."""
    if entry[-2:-1] == b"/" and 0 <= entry[-1] - ord("0") < MAX_SLOTS:
        return entry[-1] - ord("0")
    return None


def check_version(kind: Kind, version: int, expires_ms: int = 0) -> None:
    """What the kind's versions ask for, or VersionRefusedError."""
    match rule_of(kind).versions:
        case Versions.NONE:
            valid = version == 0
        case Versions.GROW:
            valid = 1 <= version <= MAX_VERSION
        case Versions.EITHER:
            valid = 0 <= version <= MAX_VERSION
        case Versions.EXPIRY:
            valid = version == expires_ms
    if not valid:
        raise VersionRefusedError("entries have versions from 1, a blob its expiry, other envelopes version 0")


def check_new_expiry(kind: Kind, expires_ms: int, now_ms: int) -> None:
    """For the member that takes a store: 10 seconds (less 5 for the way) to the kind's longest TTL."""
    if expires_ms < now_ms + SHORTEST_TTL_MS - TRANSIT_MS:
        raise ExpiryRefusedError("expires too soon")
    check_kept_expiry(kind, expires_ms, now_ms)


def check_kept_expiry(kind: Kind, expires_ms: int, now_ms: int) -> None:
    """For every member: not beyond the kind's longest TTL (by a clock that may be skewed).

    One that is past may have been put off by an expiry record; who keeps both knows.
    """
    if not 0 < expires_ms <= now_ms + rule_of(kind).longest_ttl_ms + CLOCK_SKEW_MS:
        raise ExpiryRefusedError("expires too late")


def notice_expiry(kind: Kind, time_ms: int) -> int:
    """When a tombstone or expiry record of this time may be forgotten."""
    return time_ms + rule_of(kind).longest_ttl_ms + 2 * CLOCK_SKEW_MS


def check_notice_time(time_ms: int, expires_ms: int, now_ms: int) -> None:
    """For every member: neither past nor to come, or ExpiryRefusedError."""
    if not now_ms < expires_ms or time_ms > now_ms + 2 * CLOCK_SKEW_MS:
        raise ExpiryRefusedError("a removal or change that is past, or to come")
