"""Direct messages to a member: sealed to the member's key, authentic, padded; the host sees who writes to whom.

    E = e*B fresh; R, S the member keys of recipient and sender (points), r, s their private scalars
    key   = HKDF-SHA256(e*R || s*R, salt "essaim/opengroup/direct/v1", info E || S || R || host id, 32)
    data  = version 1 | E 32 | ChaCha20-Poly1305(key, nonce 0, length u16 | text | zeros to a multiple of 256)

The sender's own copy, for the outbox, has the same layout, with S in the place of R and another label and info:

    key   = HKDF-SHA256(e*S || s*S, salt "essaim/opengroup/sent/v1", info E || S || R || host id, 32)

The key is used once. It falls with the recipient's member key: there is no ratchet here. Who wants one exchanges
account IDs in a direct message and writes on there.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl.bindings import (
    crypto_core_ed25519_scalar_reduce,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)

from essaim.protocol.blinding import BlindedKey
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import KeyRefusedError, VerifyKey
from essaim.protocol.layout import MalformedError, Reader

LABEL = b"essaim/opengroup/direct/v1"
COPY_LABEL = b"essaim/opengroup/sent/v1"
VERSION = 1
BLOCK = 256
MAX_TEXT = 3_584
MAX_DATA = 4_096
SEED_SIZE = 64
_NONCE = bytes(12)


class DirectRefusedError(ProtocolError):
    """Not sealed by that sender for this recipient, or too long."""

    reason = "DIRECT_REFUSED"


def seal(text: bytes, sender: BlindedKey, recipient: VerifyKey, host_id: bytes, seed: bytes) -> bytes:
    """`seed`: 64 fresh random bytes. Raises DirectRefusedError for more than 3,584 bytes."""
    info = sender.public.raw + recipient.raw + host_id
    return _sealed(text, sender, recipient, LABEL, info, seed)


def seal_copy(text: bytes, sender: BlindedKey, recipient: VerifyKey, host_id: bytes, seed: bytes) -> bytes:
    """What the sender can read again: of what was sent to `recipient`. `seed`: 64 other random bytes."""
    info = sender.public.raw + recipient.raw + host_id
    return _sealed(text, sender, sender.public, COPY_LABEL, info, seed)


def _sealed(text: bytes, sender: BlindedKey, to: VerifyKey, label: bytes, info: bytes, seed: bytes) -> bytes:
    if len(text) > MAX_TEXT or len(seed) != SEED_SIZE:
        raise DirectRefusedError(f"a direct message has at most {MAX_TEXT} bytes")
    once: bytes = crypto_core_ed25519_scalar_reduce(seed)
    point: bytes = crypto_scalarmult_ed25519_base_noclamp(once)
    key = _key(_multiplied(once, to) + _multiplied(sender.scalar, to), label, point + info)
    padded = len(text).to_bytes(2) + text
    padded += bytes(-len(padded) % BLOCK)
    return bytes((VERSION,)) + point + ChaCha20Poly1305(key).encrypt(_NONCE, padded, None)


def unseal(data: bytes, sender: VerifyKey, recipient: BlindedKey, host_id: bytes) -> bytes:
    """The text. Raises DirectRefusedError."""
    return _opened(data, sender, recipient, LABEL, sender.raw + recipient.public.raw + host_id)


def unseal_copy(data: bytes, sender: BlindedKey, recipient: VerifyKey, host_id: bytes) -> bytes:
    """The text that was sent to `recipient`, by who sent it. Raises DirectRefusedError."""
    return _opened(data, sender.public, sender, COPY_LABEL, sender.public.raw + recipient.raw + host_id)


def _opened(data: bytes, sender: VerifyKey, own: BlindedKey, label: bytes, info: bytes) -> bytes:
    try:
        reader = Reader(data)
        reader.version(VERSION)
        point = VerifyKey(reader.take(32))
        shared = _multiplied(own.scalar, point) + _multiplied(own.scalar, sender)
        key = _key(shared, label, point.raw + info)
        return Reader(ChaCha20Poly1305(key).decrypt(_NONCE, data[reader.position :], None)).block(2)
    except (MalformedError, KeyRefusedError, InvalidTag):
        raise DirectRefusedError("not a direct message from that member to this one") from None


def _multiplied(scalar: bytes, point: VerifyKey) -> bytes:
    shared: bytes = crypto_scalarmult_ed25519_noclamp(scalar, point.raw)
    return shared


def _key(shared: bytes, label: bytes, info: bytes) -> bytes:
    return hkdf(shared, salt=label, info=info, length=32)
