"""The notation of docs/protocol by primitives alone, for tests that read a page without our code."""

import hashlib
import hmac

from nacl import bindings as sodium
from nacl.signing import SigningKey


def u(number: int, size: int) -> bytes:
    """Unsigned, big-endian, `size` bytes."""
    return number.to_bytes(size, "big")


def h(label: bytes, *parts: bytes) -> bytes:
    """H(label, parts): BLAKE2b-256, no key."""
    return hashlib.blake2b(label + b"".join(parts), digest_size=32).digest()


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """RFC 5869 with SHA-256."""
    key, out = hmac.digest(salt, secret, "sha256"), b""
    block = b""
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes([len(out) // 32 + 1]), "sha256")
        out += block
    return out[:length]


def unpad(padded: bytes, size: int = 4) -> bytes:
    """length | content | zeros."""
    end = size + int.from_bytes(padded[:size], "big")
    assert not any(padded[end:])
    return padded[size:end]


def public(seed: bytes) -> bytes:
    """The Ed25519 public key of a seed."""
    return bytes(SigningKey(seed).verify_key)


def scalar(seed: bytes) -> bytes:
    """a of identity.md, 2: the clamped first half of SHA-512(seed), mod L."""
    half = bytearray(hashlib.sha512(seed).digest()[:32])
    half[0] &= 248
    half[31] = half[31] & 127 | 64
    return sodium.crypto_core_ed25519_scalar_reduce(bytes(half) + bytes(32))


def factor(label: bytes, *parts: bytes) -> bytes:
    """h of identity.md, 2."""
    return sodium.crypto_core_ed25519_scalar_reduce(hashlib.blake2b(label + b"".join(parts)).digest())


def times(by: bytes, point: bytes) -> bytes:
    """by * point on edwards25519."""
    return sodium.crypto_scalarmult_ed25519_noclamp(by, point)
