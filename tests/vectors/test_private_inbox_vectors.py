"""private_inbox.json as docs/protocol/private-inbox.md says it, with primitives alone."""

import hashlib
import hmac
import json
from pathlib import Path

from nacl.bindings import crypto_core_ed25519_scalar_reduce, crypto_scalarmult_ed25519_noclamp
from nacl.signing import SigningKey, VerifyKey

from essaim.protocol.private_inbox import Capability

VECTORS = json.loads(Path(__file__).with_name("private_inbox.json").read_text())
RAW = {name: bytes.fromhex(value) for name, value in VECTORS.items() if isinstance(value, str)}
DAY = VECTORS["day"].to_bytes(4, "big")


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256, one block."""
    extracted = hmac.digest(salt, key, "sha256")
    return hmac.digest(extracted, info + b"\1", "sha256")


def h(label: bytes, *parts: bytes) -> bytes:
    return hashlib.blake2b(label + b"".join(parts), digest_size=32).digest()


def blinded(public: bytes, label: bytes) -> bytes:
    factor = crypto_core_ed25519_scalar_reduce(hashlib.blake2b(label + RAW["secret"] + DAY).digest())
    return crypto_scalarmult_ed25519_noclamp(factor, public)


def test_base_key_comes_from_the_accounts_mailbox_key_and_the_secret():
    mailbox = hkdf(RAW["account_seed"], b"essaim/account/v1", b"mailbox")
    assert hkdf(mailbox, b"essaim/private/v1", b"base" + RAW["secret"]) == RAW["base_seed"]


def test_capability_is_laid_out_as_told():
    base = bytes(SigningKey(RAW["base_seed"]).verify_key)
    times = (1_800_000_000_000).to_bytes(8, "big") + (1_800_000_000_005).to_bytes(8, "big")
    until = (20_959).to_bytes(4, "big")
    assert RAW["capability"] == b"\1" + times + until + base + RAW["secret"]
    assert len(RAW["capability"]) == 85
    assert RAW["name"] == h(b"essaim/capability/v1", RAW["secret"])[:16]


def test_days_mailbox_follows_from_the_capability():
    base, writer = bytes(SigningKey(RAW["base_seed"]).verify_key), SigningKey(RAW["write_seed"])
    assert RAW["write_seed"] == hkdf(RAW["secret"], b"essaim/private/v1", b"write" + DAY)
    policy = b"\3" + blinded(base, b"essaim/private/v1") + bytes(writer.verify_key) + bytes(32)
    assert RAW["policy"] == policy and RAW["mailbox_id"] == h(b"essaim/mailbox/v1", policy)


def test_slot_record_names_the_blinded_device_key_and_its_signature_is_in_the_block():
    device = bytes(SigningKey(RAW["device_signing_seed"]).verify_key)
    slot_key, record, block = blinded(device, b"essaim/private-slot/v1"), RAW["slot_record"], RAW["block"]
    assert slot_key == RAW["slot_key"]
    VerifyKey(slot_key).verify(b"hello", RAW["slot_signature_of_hello"])
    assert record[:73] == RAW["mailbox_id"] + bytes((VECTORS["slot"],)) + slot_key + block[:8]
    at = 8 + VECTORS["day"] % 32 * 64
    assert VECTORS["day"] // 32 == VECTORS["block_number"] and len(block) == 8 + 32 * 64
    assert record[73:] == block[at : at + 64]
    VerifyKey(RAW["policy"][1:33]).verify(b"essaim/slot/v1" + record[:73], record[73:])


def test_contents_carry_them():
    assert RAW["content"] == b"\x0a\x10" + bytes(16) + b"\xa2\x01\x57\x0a\x55" + RAW["capability"]
    assert RAW["reads"] == b"\xba\x01\x08" + RAW["name"][:8]


def test_capability_is_read_as_it_was_written():
    assert Capability.decode(RAW["capability"]).encode() == RAW["capability"]
