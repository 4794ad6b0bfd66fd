"""Opens e2e.json from docs/protocol/ alone: `cryptography`, PyNaCl and hashlib, no import of essaim.

python tests/vectors/open_e2e.py tests/vectors/e2e.json
"""

import hashlib
import hmac
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt


def blake(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def hkdf(ikm, salt, info, length=32):
    return HKDF(SHA256(), length, salt, info).derive(ikm)


def dh(private, public):
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def public_of(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def unpad(padded):
    length = int.from_bytes(padded[:4], "big")
    assert not any(padded[4 + length :])
    return padded[4 : 4 + length]


def open_entry(identity, name, envelope, padded=True):
    key = hkdf(identity, b"essaim/outbox/v1", name)
    content = crypto_aead_xchacha20poly1305_ietf_decrypt(envelope[24:], name, envelope[:24], key)
    return unpad(content) if padded else content


def split(data, *sizes):
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]


def read_head(data):
    """The signed head, checked: its fields, its hash and what follows it."""
    size = 114 + 33 * data[113]
    head, signature, rest = split(data, size, 64)
    Ed25519PublicKey.from_public_bytes(head[1:33]).verify(signature, b"essaim/manifest/v1" + head)
    return head[1:33], head[33:65], blake(b"essaim/manifest/v1", head), head[114:], rest


def party(identity, agreement, record, manifest_hash):
    """`record`: slot 1 | flags 1 | device id 16 | signing 32 | agreement 32 | KEM hash 32."""
    return identity + agreement + record[:1] + record[2:18] + record[50:82] + manifest_hash


class Receiver:
    """Bob: opens initial messages and what follows in the first chain."""

    def __init__(self, bob):
        self.keys = {
            name: bytes.fromhex(value)
            for name, value in bob.items()
            if isinstance(value, str) and name not in ("words", "id")
        }
        self.device = {name: bytes.fromhex(value) for name, value in bob["device"].items()}
        manifest = open_entry(self.keys["identity"], b"manifest", self.keys["manifest_entry"])
        identity, agreement, manifest_hash, listed, rest = read_head(manifest)
        record = rest[1:115]
        assert listed == b"\0" + blake(b"essaim/device/v1", record) and manifest_hash == self.keys["manifest_hash"]
        self.party = party(identity, agreement, record, manifest_hash)
        self.kem = MLKEM768PrivateKey.from_seed_bytes(self.keys["signed_kem_prekey_seed"])
        self.spk = self.keys["signed_prekey_private"]

    def open_initial(self, envelope):
        tag, ephemeral, ciphertext, box = split(envelope, 8, 32, 1088)
        secret = dh(self.spk, ephemeral) + self.kem.decapsulate(ciphertext)
        kem_public, label = self.kem.public_key().public_bytes_raw(), b"essaim/sealed/v1"
        info = blake(label, ephemeral, public_of(self.spk), kem_public, ciphertext)
        inner = ChaCha20Poly1305(hkdf(secret, label, info)).decrypt(bytes(12), box, tag)
        version, ids, ek, kem_ciphertext, own_hash, length, rest = split(inner, 1, 8, 32, 1088, 32, 2)
        assert version == b"\1" and own_hash == self.keys["manifest_hash"]
        certificate, message = split(rest, int.from_bytes(length, "big"))
        sender, agreed = self.respond(certificate, ids, ek, kem_ciphertext)
        return sender, self.open_first_chain(agreed, message)

    def respond(self, certificate, ids, ek, ciphertext):
        identity, agreement, manifest_hash, listed, record = read_head(certificate)
        assert listed == b"\0" + blake(b"essaim/device/v1", record)
        one_time = self.keys["one_time_private"]
        transcript = blake(
            b"essaim/pqxdh/v1\2",
            party(identity, agreement, record, manifest_hash),
            self.party,
            ids[:4],
            public_of(self.spk),
            ids[4:],
            public_of(one_time),
            self.kem.public_key().public_bytes_raw(),
            ek,
            ciphertext,
        )
        secrets = dh(self.spk, record[50:82]) + dh(self.device["agreement_private"], ek) + dh(self.spk, ek)
        secrets += dh(one_time, ek) + self.kem.decapsulate(ciphertext)
        return identity, (hkdf(b"\xff" * 32 + secrets, bytes(32), transcript, 96), transcript)

    def open_first_chain(self, agreed, message):
        keys, associated_data = agreed
        root_key, header_key = keys[:32], keys[32:64]
        wire, body = split(message, 2348)
        tag, nonce, box = split(wire, 8, 12)
        header = ChaCha20Poly1305(header_key).decrypt(nonce, box, tag)
        ratchet_key, _kem_key, ciphertext, previous, number, rest = split(header, 32, 1184, 1088, 4, 4)
        assert previous == bytes(4) and rest == b""
        tag_key = hmac.digest(header_key, b"essaim/tag/v1", "sha256")
        assert tag == hmac.digest(tag_key, number, "sha256")[:8]
        shared = dh(self.spk, ratchet_key) + self.kem.decapsulate(ciphertext)
        chain_key = hkdf(shared, root_key, b"essaim/ratchet/v1", 96)[32:64]
        for _ in range(int.from_bytes(number, "big")):
            chain_key = hmac.digest(chain_key, b"\2", "sha256")
        message_key = hmac.digest(chain_key, b"\1", "sha256")
        return unpad(ChaCha20Poly1305(message_key).decrypt(nonce, body, associated_data + wire))


def account_keys(entropy):
    def derive(purpose):
        return hkdf(entropy, b"essaim/account/v1", purpose)

    return derive(b"identity signing"), derive(b"identity agreement"), derive(b"mailbox"), derive(b"backup")


if __name__ == "__main__":
    vectors = json.loads(Path(sys.argv[1]).read_text())
    receiver = Receiver(vectors["bob"])
    for step in vectors["story"][:2]:
        identity, content = receiver.open_initial(bytes.fromhex(step["envelope"]))
        print(identity.hex(), content.decode())
