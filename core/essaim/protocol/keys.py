"""Keys as types, never bare bytes: Ed25519 (RFC 8032), X25519 (RFC 7748), ML-KEM-768 (FIPS 203).

A public key is checked when it is made: what is not a point of the prime-order group, or would give an
all-zero shared secret, is refused here and nowhere else.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign_open
from nacl.exceptions import BadSignatureError

from essaim.protocol.errors import ProtocolError

PUBLIC_SIZE = 32
SEED_SIZE = 32
SIGNATURE_SIZE = 64
KEM_PUBLIC_SIZE = 1184
KEM_CIPHERTEXT_SIZE = 1088
KEM_SEED_SIZE = 64
_CACHED_POINTS = 4_096


class KeyRefusedError(ProtocolError):
    """Not a key: wrong length, not on the curve, or of small order."""

    reason = "KEY_REFUSED"


@dataclass(frozen=True)
class VerifyKey:
    """An Ed25519 public key: 32 bytes, a point of the prime-order subgroup."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != PUBLIC_SIZE or not _is_point(self.raw):
            raise KeyRefusedError("an Ed25519 key must be a point of prime order")

    def __hash__(self) -> int:  # accounts are looked up by it, several times for each message
        return hash(self.raw)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """By libsodium, which takes half the time of OpenSSL, and no key object."""
        if len(signature) != SIGNATURE_SIZE:
            return False
        try:
            crypto_sign_open(signature + message, self.raw)
        except BadSignatureError:
            return False
        return True


@lru_cache(_CACHED_POINTS)
def _is_point(raw: bytes) -> bool:
    """Cached, for it costs as much as a signature, and the same few keys are read again and again."""
    return bool(crypto_core_ed25519_is_valid_point(raw))


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 private key, kept as its 32-byte seed."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_SIZE:
            raise KeyRefusedError("an Ed25519 seed has 32 bytes")

    def __repr__(self) -> str:
        return "SigningKey(...)"

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @cached_property
    def public(self) -> VerifyKey:
        return VerifyKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


@dataclass(frozen=True)
class AgreementPublic:
    """An X25519 public key: 32 bytes. Small-order points are refused by `AgreementKey.exchange`."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != PUBLIC_SIZE:
            raise KeyRefusedError("an X25519 key has 32 bytes")

    def check(self) -> None:
        """KeyRefusedError for a point of small order, with which nobody can agree on a secret."""
        AgreementKey(bytes(SEED_SIZE)).exchange(self)  # a clamped scalar takes such a point, and no other, to zero

    @cached_property
    def _key(self) -> X25519PublicKey:
        return X25519PublicKey.from_public_bytes(self.raw)


@dataclass(frozen=True)
class AgreementKey:
    """An X25519 private key: 32 bytes, clamped when used."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != SEED_SIZE:
            raise KeyRefusedError("an X25519 private key has 32 bytes")

    def __repr__(self) -> str:
        return "AgreementKey(...)"

    @cached_property
    def _key(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self.raw)

    @cached_property
    def public(self) -> AgreementPublic:
        return AgreementPublic(self._key.public_key().public_bytes_raw())

    def exchange(self, other: AgreementPublic) -> bytes:
        """The 32-byte shared secret; a point of small order (RFC 7748, section 6.1) is refused."""
        return self._exchange(other._key)

    def exchange_once(self, other: bytes) -> bytes:
        """As `exchange`, with a 32-byte key that is used this one time: the onion's hot path."""
        return self._exchange(X25519PublicKey.from_public_bytes(other))

    def _exchange(self, other: X25519PublicKey) -> bytes:
        try:
            return self._key.exchange(other)
        except ValueError as error:
            raise KeyRefusedError("an X25519 key of small order") from error


@dataclass(frozen=True)
class KemPublic:
    """An ML-KEM-768 encapsulation key: 1184 bytes, checked as FIPS 203 section 7.2 asks."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEM_PUBLIC_SIZE:
            raise KeyRefusedError("an ML-KEM-768 key has 1184 bytes")

    def check(self) -> None:
        """KeyRefusedError for a key with a coefficient out of range."""
        _ = self._key

    @cached_property
    def _key(self) -> MLKEM768PublicKey:
        try:
            return MLKEM768PublicKey.from_public_bytes(self.raw)
        except ValueError as error:
            raise KeyRefusedError("an ML-KEM-768 key out of range") from error

    def encapsulate(self) -> tuple[bytes, bytes]:
        """(shared secret 32, ciphertext 1088). The library draws its own randomness: it takes none from outside."""
        return self._key.encapsulate()


@dataclass(frozen=True)
class KemKey:
    """An ML-KEM-768 decapsulation key, kept as its 64-byte seed."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != KEM_SEED_SIZE:
            raise KeyRefusedError("an ML-KEM-768 seed has 64 bytes")

    def __repr__(self) -> str:
        return "KemKey(...)"

    @cached_property
    def _key(self) -> MLKEM768PrivateKey:
        return MLKEM768PrivateKey.from_seed_bytes(self.seed)

    @cached_property
    def public(self) -> KemPublic:
        return KemPublic(self._key.public_key().public_bytes_raw())

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The 32-byte shared secret. A wrong ciphertext of the right length gives a random one (implicit rejection)."""
        if len(ciphertext) != KEM_CIPHERTEXT_SIZE:
            raise KeyRefusedError("an ML-KEM-768 ciphertext has 1088 bytes")
        return self._key.decapsulate(ciphertext)
