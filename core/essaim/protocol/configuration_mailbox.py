"""Where an account's devices keep what they agree on: a mailbox that only they can name.

    mailbox   an outbox whose write key has the seed HKDF-SHA256(key, "essaim/configuration/v1", "write")
    entry     "configuration": nonce 24 | XChaCha20-Poly1305(HKDF(key, "essaim/configuration/v1", "seal"), nonce,
              padded Configuration, associated data "configuration")
    recovery  in the account's outbox, entry "recovery": the key, sealed in the same way under the account's backup key,
              content: made_ms u64 | key 32

The key is 32 random bytes, handed on between devices; a new one is made when a device is revoked.
"""

from dataclasses import dataclass

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt
from nacl.exceptions import CryptoError

from essaim.protocol.device import Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.padding import LENGTH_SIZE, envelope_size, pad, unpad

SALT = b"essaim/configuration/v1"
ENTRY = b"configuration"
RECOVERY = b"recovery"
NONCE_SIZE = 24
OVERHEAD = NONCE_SIZE + 16
KEY_SIZE = 32


class ConfigurationRefusedError(ProtocolError):
    """Not sealed under this key."""

    reason = "CONFIGURATION_REFUSED"


@dataclass(frozen=True)
class ConfigurationMailbox:
    """All that follows from a configuration key, or from the backup key for the entry that recovers it."""

    key: bytes

    def __repr__(self) -> str:
        return "ConfigurationMailbox(...)"

    @property
    def signer(self) -> SigningKey:
        return SigningKey(hkdf(self.key, salt=SALT, info=b"write", length=32))

    @property
    def policy(self) -> Policy:
        return Policy.outbox(self.signer.public)

    def seal(self, name: bytes, content: bytes, random: Random) -> bytes:
        """The smallest envelope that holds it (ContentTooLargeError)."""
        nonce = random(NONCE_SIZE)
        padded = pad(content, envelope_size(OVERHEAD + LENGTH_SIZE + len(content)) - OVERHEAD)
        box: bytes = encrypt(padded, name, nonce, self._key())
        return nonce + box

    def open(self, name: bytes, envelope: bytes) -> bytes:
        """Raises ConfigurationRefusedError."""
        try:
            padded: bytes = decrypt(envelope[NONCE_SIZE:], name, envelope[:NONCE_SIZE], self._key())
        except (CryptoError, ValueError, TypeError) as error:
            raise ConfigurationRefusedError("not sealed under this configuration key") from error
        return unpad(padded)

    def _key(self) -> bytes:
        return hkdf(self.key, salt=SALT, info=b"seal", length=32)
