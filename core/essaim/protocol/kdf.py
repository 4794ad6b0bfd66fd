"""HKDF-SHA256 (RFC 5869) and domain-separated BLAKE2b-256 (RFC 7693)."""

import hashlib

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HASH_SIZE = 32
_SHA256 = SHA256()


def hkdf(ikm: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 extract-then-expand with SHA-256; `length` at most 255 * 32 bytes."""
    if not 0 < length <= 255 * HASH_SIZE:
        raise ValueError("HKDF yields 1 to 8160 bytes")
    return HKDF(_SHA256, length, salt, info).derive(ikm)


def keyed(key: bytes) -> HMAC:
    """HMAC-SHA256 (RFC 2104) that has taken in the key: each further output costs a third of the first.

    It is the key: whoever keeps it keeps that.
    """
    return HMAC(key, _SHA256)


def mac_of(keyed_mac: HMAC, data: bytes) -> bytes:
    """The 32 bytes for `data`; what was given stays as it is."""
    mac = keyed_mac.copy()
    mac.update(data)
    return mac.finalize()


def blake2b256(label: bytes, *parts: bytes) -> bytes:
    """BLAKE2b-256 of `label || parts`; the label separates the domains, the parts must have fixed lengths."""
    digest = hashlib.blake2b(label, digest_size=HASH_SIZE)
    for part in parts:
        digest.update(part)
    return digest.digest()
