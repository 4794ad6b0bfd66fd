"""Payload hashes: what a signature covers of a request, for each method.

    Store                the envelope id (one signature an envelope)
    Retrieve, Subscribe  H(slot length u8 || slot)                neither cursor nor room: one signature, many pages
    Confirm, Delete      H(slot length u8 || slot || count u32 || ids in ascending order)       Delete has an empty slot
    Expire               the same, with the new expiry in the signed text
    GetExpiries          as Retrieve
    DeleteBefore         H(0x00 || time u64)
    DeleteAll            H(0x00)
    DropSlot             H(slot record 137)
    RegisterPush         H(slot length u8 || slot || day u32 || registration)
    PublishPrekeys       H(slot length u8 || slot || node id 32 || version u64 || count u32 || (length u32 || prekey)*)

H(x) = BLAKE2b-256("essaim/payload/v1" || x).
"""

from collections.abc import Iterable

from essaim.protocol.kdf import blake2b256

LABEL = b"essaim/payload/v1"


def read_hash(slot: bytes) -> bytes:
    """Of a Retrieve or Subscribe of a slot (b"": all that may be read)."""
    return blake2b256(LABEL, _named(slot))


def removal_hash(slot: bytes, ids: Iterable[bytes]) -> bytes:
    """Of a Confirm of a slot's, or (slot b"") a Delete of any slot's envelopes."""
    ordered = sorted(ids)
    return blake2b256(LABEL, _named(slot), len(ordered).to_bytes(4), *ordered)


def sweep_hash(before_ms: int) -> bytes:
    """Of a DeleteBefore."""
    return blake2b256(LABEL, _named(b""), before_ms.to_bytes(8))


def slot_hash(slot_record: bytes) -> bytes:
    """Of a DropSlot."""
    return blake2b256(LABEL, slot_record)


def registration_hash(slot: bytes, day: int, registration: bytes) -> bytes:
    """Of a RegisterPush."""
    return blake2b256(LABEL, _named(slot), day.to_bytes(4), registration)


def prekeys_hash(slot: bytes, node_id: bytes, version: int, prekeys: Iterable[bytes]) -> bytes:
    """Of a batch of one-time prekeys for one node."""
    each = [len(prekey).to_bytes(4) + prekey for prekey in prekeys]
    return blake2b256(LABEL, _named(slot), node_id, version.to_bytes(8), len(each).to_bytes(4), *each)


def _named(slot: bytes) -> bytes:
    return bytes((len(slot),)) + slot
