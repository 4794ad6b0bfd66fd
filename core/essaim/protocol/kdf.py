"""HKDF-SHA256 (RFC 5869) and domain-separated BLAKE2b-256 (RFC 7693)."""

import hashlib
import hmac

HASH_SIZE = 32


def hkdf(ikm: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 extract-then-expand with SHA-256; `length` at most 255 * 32 bytes."""
    if not 0 < length <= 255 * HASH_SIZE:
        raise ValueError("HKDF yields 1 to 8160 bytes")
    prk = hmac.digest(salt or bytes(HASH_SIZE), ikm, "sha256")
    block, output, counter = b"", b"", 0
    while len(output) < length:
        counter += 1
        block = hmac.digest(prk, block + info + bytes((counter,)), "sha256")
        output += block
    return output[:length]


def blake2b256(label: bytes, *parts: bytes) -> bytes:
    """BLAKE2b-256 of `label || parts`; the label separates the domains, the parts must have fixed lengths."""
    digest = hashlib.blake2b(label, digest_size=HASH_SIZE)
    for part in parts:
        digest.update(part)
    return digest.digest()
