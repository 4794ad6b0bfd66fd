"""How a device notices that its store is an old copy: a number that grows, in a mailbox that the device alone can name.

    seed        HKDF-SHA256(device signing seed, salt "essaim/device/v1", info "generation"), 32 bytes
    mailbox     an outbox whose write key has the seed HKDF(seed, "essaim/generation/v1", "write")
    entry       "generation": nonce 24 | XChaCha20-Poly1305(HKDF(seed, "essaim/generation/v1", "seal"), nonce,
                length u32 = 8 | number u64 | zeros, associated data "generation"), 4096 bytes in all

Before it seals anything after a start a device reads the number. Higher than its store's: the store is older than what
was sent from it, and message keys would be used twice, so all sessions go. Then it keeps one more, and publishes that.
"""

from dataclasses import dataclass

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt
from nacl.exceptions import CryptoError

from essaim.protocol.device import DeviceKeys, Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import SigningKey
from essaim.protocol.layout import MalformedError
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.padding import pad, unpad

ENTRY = b"generation"
SALT = b"essaim/generation/v1"
NONCE_SIZE = 24
OVERHEAD = NONCE_SIZE + 16
NUMBER_SIZE = 8


class GenerationRefusedError(ProtocolError):
    """Not sealed by this device."""

    reason = "GENERATION_REFUSED"


@dataclass(frozen=True)
class GenerationMailbox:
    """Where one device keeps its number."""

    seed: bytes

    @classmethod
    def of(cls, keys: DeviceKeys) -> "GenerationMailbox":
        return cls(hkdf(keys.signing.seed, salt=b"essaim/device/v1", info=b"generation", length=32))

    def __repr__(self) -> str:
        return "GenerationMailbox(...)"

    @property
    def signer(self) -> SigningKey:
        return SigningKey(hkdf(self.seed, salt=SALT, info=b"write", length=32))

    @property
    def policy(self) -> Policy:
        return Policy.outbox(self.signer.public)

    def _key(self) -> bytes:
        return hkdf(self.seed, salt=SALT, info=b"seal", length=32)

    def seal(self, number: int, random: Random) -> bytes:
        """An envelope of 4096 bytes."""
        nonce = random(NONCE_SIZE)
        padded = pad(number.to_bytes(NUMBER_SIZE, "big"), ENVELOPE_SIZES[0] - OVERHEAD)
        box: bytes = encrypt(padded, ENTRY, nonce, self._key())
        return nonce + box

    def open(self, envelope: bytes) -> int:
        """Raises GenerationRefusedError."""
        try:
            padded: bytes = decrypt(envelope[NONCE_SIZE:], ENTRY, envelope[:NONCE_SIZE], self._key())
            number = unpad(padded)
        except (CryptoError, ValueError, TypeError, MalformedError) as error:
            raise GenerationRefusedError("not sealed by this device") from error
        if len(number) != NUMBER_SIZE:
            raise GenerationRefusedError("not a number of 8 bytes")
        return int.from_bytes(number, "big")
