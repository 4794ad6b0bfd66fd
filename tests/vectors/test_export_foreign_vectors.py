"""export.json as docs/protocol/export.md says it, with primitives alone: no import of essaim."""

import base64
import hashlib
import json
import unicodedata
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings as sodium
from nacl.pwhash import argon2id
from nacl.signing import VerifyKey
from notation import h, hkdf

VECTORS = json.loads((Path(__file__).parent / "export.json").read_text())
LABEL, FOR_DEVICE = b"essaim/export/v1", b"essaim/export/device/v1"
BODY = {"device": 5 * (32 + 1088 + 48), "passphrase": 16 + 8}


def by_device(body: bytes) -> bytes:
    device = VECTORS["device"]
    key = X25519PrivateKey.from_private_bytes(bytes.fromhex(device["agreement_key"]))
    kem = MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(device["kem_seed"]))
    public = key.public_key().public_bytes_raw() + kem.public_key().public_bytes_raw()
    for at in range(0, len(body), 1168):
        ephemeral, ciphertext, box = body[at : at + 32], body[at + 32 : at + 1120], body[at + 1120 : at + 1168]
        shared = key.exchange(X25519PublicKey.from_public_bytes(ephemeral)) + kem.decapsulate(ciphertext)
        opening = hkdf(shared, FOR_DEVICE, h(FOR_DEVICE, ephemeral, public, ciphertext))
        try:
            return ChaCha20Poly1305(opening).decrypt(bytes(12), box, FOR_DEVICE)
        except InvalidTag:
            continue
    raise AssertionError("no stanza opens")


def by_passphrase(body: bytes) -> bytes:
    secret = unicodedata.normalize("NFKD", VECTORS["passphrase"]["passphrase"]).encode()
    operations, memory = int.from_bytes(body[16:20], "big"), int.from_bytes(body[20:24], "big")
    return argon2id.kdf(32, secret, body[:16], opslimit=operations, memlimit=memory << 10)


def records(front: bytes, secret: bytes, rest: bytes) -> list[bytes]:
    """Each behind its length; what stands behind the last is zeros."""
    state = sodium.crypto_secretstream_xchacha20poly1305_state()
    sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, rest[:24], hkdf(secret, LABEL, h(LABEL, front)))
    chunks = [rest[at : at + 65_553] for at in range(24, len(rest), 65_553)]
    opened = [sodium.crypto_secretstream_xchacha20poly1305_pull(state, each) for each in chunks]
    assert [tag for _, tag in opened] == [0] * (len(chunks) - 1) + [3]
    plain, found = b"".join(part for part, _ in opened), []
    while size := int.from_bytes(plain[:4], "big"):
        found.append(plain[: 4 + size])
        plain = plain[4 + size :]
    assert not any(plain)
    return found


def oneof(record: bytes, number: int) -> bytes:
    """What a record holds under `number`; shorter than 16,384 bytes."""
    body = record[4:]
    assert body[0] == number << 3 | 2
    return body[3:] if body[1] >= 128 else body[2:]


@pytest.mark.parametrize(("kind", "lock", "secret"), [("device", 1, by_device), ("passphrase", 2, by_passphrase)])
def test_export_opens_as_told_and_is_signed(kind, lock, secret):
    file = base64.b64decode(VECTORS[kind]["file"])
    size = len(b"ESSAIMEXPORT1") + 1 + BODY[kind]
    front = file[:size]
    assert front[:14] == b"ESSAIMEXPORT1" + bytes([lock])
    opening, *messages, closing = records(front, secret(front[14:]), file[size:])
    assert [oneof(each, 2).hex() for each in messages] == VECTORS["messages"]
    certificate, told = bytes.fromhex(VECTORS["maker_certificate"]), oneof(closing, 3)
    assert certificate in oneof(opening, 1)
    assert told[:4] == bytes([8, len(messages), 18, 64])
    digest = hashlib.blake2b(LABEL + front + opening + b"".join(messages), digest_size=32).digest()
    device = certificate[-114:]
    VerifyKey(device[18:50]).verify(LABEL + digest, told[4:])
    head = certificate[:-178]
    VerifyKey(head[1:33]).verify(b"essaim/manifest/v1" + head, certificate[-178:-114])
    assert h(b"essaim/device/v1", device) in head
