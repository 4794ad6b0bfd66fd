"""push.json as docs/protocol/push.md says it, with primitives alone: no import of essaim."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESSIV, ChaCha20Poly1305
from nacl.signing import SigningKey
from notation import h, hkdf, public, u, unpad

VECTORS = json.loads((Path(__file__).parent / "push.json").read_text())
RAW = {name: bytes.fromhex(value) for name, value in VECTORS.items() if isinstance(value, str)}
LABEL = b"essaim/push/"


def host(name: bytes, length: int = 32) -> bytes:
    return hkdf(RAW["host_seed"], LABEL + b"host/v1", name, length)


def opened(box: bytes, private: bytes, label: bytes, beside: bytes, context: bytes) -> bytes:
    """The box of section 2: EK 32 | ChaCha20-Poly1305."""
    key = X25519PrivateKey.from_private_bytes(private)
    shared = key.exchange(X25519PublicKey.from_public_bytes(box[:32])) + beside
    info = box[:32] + key.public_key().public_bytes_raw() + context
    return unpad(ChaCha20Poly1305(hkdf(shared, label, info)).decrypt(bytes(12), box[32:], label))


def test_host_has_the_keys_that_are_told_and_attests_to_them():
    assert public(host(b"host")) == RAW["host_id"]
    agreement = X25519PrivateKey.from_private_bytes(host(b"agreement")).public_key().public_bytes_raw()
    kem = MLKEM768PrivateKey.from_seed_bytes(host(b"kem", 64)).public_key().public_bytes_raw()
    assert (agreement, kem) == (RAW["agreement_key"], RAW["kem_key"])
    text = LABEL + b"host/v1" + RAW["node_id"] + agreement + kem
    assert SigningKey(host(b"host")).sign(text).signature == RAW["attestation"]


def test_sealed_endpoint_opens_as_told():
    sealed, kem = RAW["sealed_endpoint"], MLKEM768PrivateKey.from_seed_bytes(host(b"kem", 64))
    ciphertext = sealed[:1088]
    label, beside = LABEL + b"endpoint/v1", kem.decapsulate(ciphertext)
    found = opened(sealed[1088:], host(b"agreement"), label, beside, ciphertext + RAW["host_id"])
    assert (found, len(sealed)) == (RAW["endpoint"], 3184)


def test_push_id_is_made_as_told():
    told = u(VECTORS["number"], 8) + u(VECTORS["generation"], 2) + u(VECTORS["lane"], 2) + u(VECTORS["day"], 4)
    assert AESSIV(host(b"ids", 64)).encrypt(told, [LABEL + b"id/v1"]) == RAW["push_id"]


def test_request_is_signed_as_told():
    text = LABEL + b"request/v1" + RAW["host_id"] + b"\5Renew" + u(VECTORS["time_ms"], 8)
    made = SigningKey(RAW["owner_seed"]).sign(text + h(LABEL + b"body/v1", RAW["body"]))
    assert made.signature == RAW["authorization_signature"]


def test_registration_is_laid_out_as_told():
    one = b"\1\3" + RAW["push_id"] + RAW["preview_key"] + b"\1" + RAW["node_id"]
    two = b"\1\0" + RAW["push_id"] + b"\2" + RAW["node_id"] + RAW["mailbox_id"]
    assert (one, two) == (RAW["registration"], RAW["plain_registration"])


def test_place_is_named_as_told():
    name = hkdf(RAW["place_secret"], LABEL + b"place/v1", RAW["mailbox_id"], 24)
    assert urlsafe_b64encode(name) == RAW["place"]


def test_wake_id_is_made_as_told():
    assert h(LABEL + b"wake/v1", RAW["push_id"], RAW["envelope_id"])[:16] == RAW["wake_id"]


def test_preview_opens_as_told():
    label = LABEL + b"preview/v1"
    keys = hkdf(RAW["device_secret"], label, RAW["push_id"], 64)
    key = X25519PrivateKey.from_private_bytes(keys[:32]).public_key().public_bytes_raw()
    assert RAW["preview_key"] == key + keys[32:] and len(RAW["preview"]) == 240
    found = opened(RAW["preview"], keys[:32], label, keys[32:], RAW["push_id"])
    assert found == b"\1" + RAW["mailbox_id"] + RAW["envelope_id"] + u(4096, 4) + RAW["head"]
