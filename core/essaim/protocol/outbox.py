"""Sealed entries of an account's outbox: whoever has the ID opens them, storage cannot.

    key     HKDF-SHA256(ikm = identity key, salt = "essaim/outbox/v1", info = entry name), 32 bytes
    sealed  nonce 24 | XChaCha20-Poly1305(key, nonce, content, associated data = entry name)

An entry of the outbox is an envelope: its content is padded to fill one of the envelope sizes. A one-time prekey is
sealed by itself without padding, for all are of one length.
"""

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from essaim.protocol.device import Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import VerifyKey
from essaim.protocol.padding import LENGTH_SIZE, envelope_size, pad, unpad

NONCE_SIZE = 24
MAC_SIZE = 16
OVERHEAD = NONCE_SIZE + MAC_SIZE
MANIFEST = b"manifest"


class OutboxEntryRefusedError(ProtocolError):
    """Not sealed for this account and entry name, or altered."""

    reason = "OUTBOX_ENTRY_REFUSED"


def prekeys_name(slot: int) -> bytes:
    """The entry with a device's signed prekeys."""
    return b"prekeys/%d" % slot


def one_time_name(slot: int) -> bytes:
    """Not an entry of its own: the name under which a device's one-time prekeys are sealed."""
    return b"one-time/%d" % slot


def _key(identity: VerifyKey, name: bytes) -> bytes:
    return hkdf(identity.raw, salt=b"essaim/outbox/v1", info=name, length=32)


def seal(identity: VerifyKey, name: bytes, content: bytes, random: Random) -> bytes:
    """Sealed without padding: `content` and 40 bytes."""
    nonce = random(NONCE_SIZE)
    box: bytes = crypto_aead_xchacha20poly1305_ietf_encrypt(content, name, nonce, _key(identity, name))
    return nonce + box


def unseal(identity: VerifyKey, name: bytes, sealed: bytes) -> bytes:
    if len(sealed) < OVERHEAD:
        raise OutboxEntryRefusedError("too short for a sealed entry")
    try:
        content: bytes = crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed[NONCE_SIZE:], name, sealed[:NONCE_SIZE], _key(identity, name)
        )
    except CryptoError as error:
        raise OutboxEntryRefusedError("not sealed for this account and entry") from error
    return content


def seal_entry(identity: VerifyKey, name: bytes, content: bytes, random: Random) -> bytes:
    """An envelope for the outbox entry `name`: the smallest that holds `content`."""
    size = envelope_size(OVERHEAD + LENGTH_SIZE + len(content))
    return seal(identity, name, pad(content, size - OVERHEAD), random)


def open_entry(identity: VerifyKey, name: bytes, sealed: bytes) -> bytes:
    """The content of an outbox entry; what its signatures are worth is for its own module to check."""
    return unpad(unseal(identity, name, sealed))
