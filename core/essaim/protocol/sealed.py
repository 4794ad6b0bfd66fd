"""Sealed sender: an initial message shows nobody but the addressed device who sent it.

    envelope  tag 8, random | EK 32 | ML-KEM ciphertext 1088
              | ChaCha20-Poly1305(key, nonce 0, inner, associated data = tag)
    inner     version 1 | handshake 1128 | hash of the receiver's manifest 32 | length 2 | certificate | ratchet message
    key       HKDF-SHA256(ikm = DH(EK, signed X25519 prekey) 32 || ML-KEM secret 32, salt = "essaim/sealed/v1",
                          info = BLAKE2b-256("essaim/sealed/v1" || EK || X25519 prekey || ML-KEM prekey || ciphertext))

The outer box has an ephemeral key and an encapsulation of its own for each envelope: two initial messages of one
session have nothing in common on the wire. No prekey id is shown: the receiver tries the few pairs that it keeps.

A ratchet message needs no box: its header is encrypted, and it fills the envelope alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from essaim.protocol.device import Random
from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.protocol.kdf import HASH_SIZE, blake2b256, hkdf
from essaim.protocol.keys import (
    KEM_CIPHERTEXT_SIZE,
    PUBLIC_SIZE,
    SEED_SIZE,
    AgreementKey,
    AgreementPublic,
    KemPublic,
    KeyRefusedError,
)
from essaim.protocol.layout import Reader, block
from essaim.protocol.manifest import Certificate
from essaim.protocol.pqxdh import Handshake
from essaim.protocol.prekey_store import SignedPair
from essaim.protocol.ratchet.aead import MAC_SIZE, ONCE, seal, unseal
from essaim.protocol.ratchet.header import TAG_SIZE

VERSION = 1
LABEL = b"essaim/sealed/v1"
FRONT_SIZE = TAG_SIZE + PUBLIC_SIZE + KEM_CIPHERTEXT_SIZE
BOX_OVERHEAD = FRONT_SIZE + MAC_SIZE
LENGTH_SIZE = 2


@dataclass(frozen=True)
class Introduction:
    """What comes before the ratchet message in an initial one: who speaks, and how the session begins."""

    handshake: Handshake
    manifest_hash: bytes
    certificate: Certificate

    def encode(self) -> bytes:
        certificate = block(self.certificate.encode(), LENGTH_SIZE)
        return bytes((VERSION,)) + self.handshake.encode() + self.manifest_hash + certificate

    @classmethod
    def read(cls, reader: Reader) -> "Introduction":
        reader.version(VERSION)
        handshake, manifest_hash = Handshake.read(reader), reader.take(HASH_SIZE)
        return cls(handshake, manifest_hash, Certificate.decode(reader.block(LENGTH_SIZE)))


def overhead(introduction: bytes) -> int:
    """How much longer the envelope is than the ratchet message inside."""
    return BOX_OVERHEAD + len(introduction)


def seal_initial(
    introduction: bytes, message: bytes, agreement: AgreementPublic, kem: KemPublic, random: Random
) -> bytes:
    """An envelope for the device with these signed prekeys. (ML-KEM draws its own randomness.)"""
    tag, ephemeral = random(TAG_SIZE), AgreementKey(random(SEED_SIZE))
    shared, ciphertext = kem.encapsulate()
    secret = ephemeral.exchange(agreement) + shared
    key = _box_key(secret, ephemeral.public.raw, agreement.raw, kem.raw, ciphertext)
    return tag + ephemeral.public.raw + ciphertext + seal(key, ONCE, introduction + message, tag)


def open_initial(envelope: bytes, pairs: Iterable[SignedPair]) -> tuple[Introduction, bytes] | None:
    """The introduction and the ratchet message; None when the envelope is not sealed to any of these prekeys."""
    if len(envelope) <= ENVELOPE_SIZES[0]:
        return None  # no initial message fits the smallest envelope
    reader = Reader(envelope)
    tag, ephemeral, ciphertext = reader.take(TAG_SIZE), reader.take(PUBLIC_SIZE), reader.take(KEM_CIPHERTEXT_SIZE)
    for pair in pairs:
        inner = _open_with(pair, tag, ephemeral, ciphertext, envelope[FRONT_SIZE:])
        if inner is not None:
            inside = Reader(inner)
            introduction = Introduction.read(inside)
            return introduction, inner[inside.position :]
    return None


def _open_with(pair: SignedPair, tag: bytes, ephemeral: bytes, ciphertext: bytes, box: bytes) -> bytes | None:
    try:
        secret = pair.agreement.exchange(AgreementPublic(ephemeral)) + pair.kem.decapsulate(ciphertext)
    except KeyRefusedError:
        return None  # a ratchet message stands here: these bytes are no key at all
    key = _box_key(secret, ephemeral, pair.agreement.public.raw, pair.kem.public.raw, ciphertext)
    return unseal(key, ONCE, box, tag)


def _box_key(secret: bytes, ephemeral: bytes, agreement: bytes, kem: bytes, ciphertext: bytes) -> bytes:
    info = blake2b256(LABEL, ephemeral, agreement, kem, ciphertext)
    return hkdf(secret, salt=LABEL, info=info, length=32)
