"""ChaCha20-Poly1305 (RFC 8439) as the ratchet uses it."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

NONCE_SIZE = 12
MAC_SIZE = 16
ONCE = bytes(NONCE_SIZE)  # the nonce under a key that is used once


def seal(key: bytes, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
    return ChaCha20Poly1305(key).encrypt(nonce, plaintext, associated_data)


def unseal(key: bytes, nonce: bytes, box: bytes, associated_data: bytes) -> bytes | None:
    """None when it was not sealed so: in the ratchet that is a question, not an error."""
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, box, associated_data)
    except InvalidTag:
        return None
