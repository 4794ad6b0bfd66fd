"""Envelopes: opaque bytes of exactly four sizes, named by their hash.

    envelope id = BLAKE2b-256("essaim/envelope/v1" || version u64 || mailbox id 32 || slot length u8 || slot
                              || first expiry u64 || bytes)

`slot` is a device slot (1 byte) or an entry name (2 to 32 bytes); `version` is 0 but for entries. Integers are
big-endian.
"""

from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox.refusal import EnvelopeMalformedError, HaveRefusedError, IdsRefusedError
from essaim.protocol.mailbox.rule import MAX_IDS

LABEL = b"essaim/envelope/v1"
HAVE_LABEL = b"essaim/have/v1"
ENVELOPE_ID_SIZE = 32
SALT_SIZE = 16
PREFIX_SIZE = 8
MAX_HAVE = 4_096


def envelope_id(mailbox_id: bytes, slot: bytes, expires_ms: int, data: bytes, version: int = 0) -> bytes:
    """32 bytes. The arguments must have been checked, or be one's own."""
    named = bytes((len(slot),)) + slot
    return blake2b256(LABEL, version.to_bytes(8), mailbox_id, named, expires_ms.to_bytes(8), data)


def check_size(data: bytes) -> None:
    """One of the four sizes, or EnvelopeMalformedError."""
    if len(data) not in ENVELOPE_SIZES:
        raise EnvelopeMalformedError("an envelope has 4096, 10240, 57344 or 253952 bytes")


def check_ids(ids: tuple[bytes, ...]) -> None:
    """1 to 256 different ids of 32 bytes, or IdsRefusedError."""
    if not 1 <= len(ids) <= MAX_IDS or len(set(ids)) != len(ids) or any(len(each) != ENVELOPE_ID_SIZE for each in ids):
        raise IdsRefusedError("1 to 256 different envelope ids of 32 bytes")


def have_prefix(salt: bytes, of_id: bytes) -> bytes:
    """8 bytes that tell who knows the id that its owner has it: BLAKE2b-256("essaim/have/v1" || salt 16 || id)[:8]."""
    return blake2b256(HAVE_LABEL, salt, of_id)[:PREFIX_SIZE]


def check_have(salt: bytes, have: tuple[bytes, ...]) -> None:
    """A 16-byte salt with up to 4096 prefixes of 8 bytes, or neither; else HaveRefusedError."""
    if not have and not salt:
        return
    if len(salt) != SALT_SIZE or len(have) > MAX_HAVE or any(len(each) != PREFIX_SIZE for each in have):
        raise HaveRefusedError("a 16-byte salt with at most 4096 prefixes of 8 bytes")
