"""Blinded Ed25519 keys: the owner signs under a key that only those who know the factor can join with his own.

After Tor's rend-spec-v3, appendix A.2: with A = a*B and a factor h, the blinded public key is h*A and the private one
h*a mod L; the nonce prefix is derived from the old one and h. Signatures are plain Ed25519 (RFC 8032).

A blinded private key reveals its base to whoever knows the factor: it never goes where the factor is known but not the
base. Where the factor's secret is not known, it is a scalar like any other (essaim.protocol.opengroup.member).
"""

import hashlib
from dataclasses import dataclass, field

from nacl.bindings import (
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)

from essaim.protocol.kdf import blake2b256, hkdf
from essaim.protocol.keys import KeyRefusedError, SigningKey, VerifyKey

SECRET_SIZE = 32
DAY_MS = 24 * 60 * 60 * 1000
PUBLIC_INBOX = b"essaim/public/v1"
OUTBOX = b"essaim/outbox/v1"
PRIVATE_INBOX = b"essaim/private/v1"
PRIVATE_SLOT = b"essaim/private-slot/v1"
_ONE = (1).to_bytes(32, "little")


@dataclass(frozen=True)
class BlindedKey:
    """A blinded private key: signs like a `SigningKey`, under `public`."""

    scalar: bytes = field(repr=False)
    prefix: bytes = field(repr=False)
    public: VerifyKey

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature (RFC 8032, 5.1.6), 64 bytes."""
        nonce = _reduce(self.prefix, message)
        point: bytes = crypto_scalarmult_ed25519_base_noclamp(nonce)
        challenge = _reduce(point, self.public.raw, message)
        answer: bytes = crypto_core_ed25519_scalar_add(nonce, crypto_core_ed25519_scalar_mul(challenge, self.scalar))
        return point + answer


def _reduce(*parts: bytes) -> bytes:
    scalar: bytes = crypto_core_ed25519_scalar_reduce(hashlib.sha512(b"".join(parts)).digest())
    return scalar


def factor(label: bytes, *parts: bytes) -> bytes:
    """h = BLAKE2b-512(label || parts) mod L, 32 bytes little-endian; 0, which never happens, is 1."""
    digest = hashlib.blake2b(b"".join((label, *parts))).digest()
    scalar: bytes = crypto_core_ed25519_scalar_reduce(digest)
    return scalar if any(scalar) else _ONE


def blind_public(base: VerifyKey, by: bytes) -> VerifyKey:
    """h*A."""
    return VerifyKey(crypto_scalarmult_ed25519_noclamp(by, base.raw))


def blind_private(base: SigningKey, by: bytes) -> BlindedKey:
    """h*a mod L with a nonce prefix of its own."""
    expanded = hashlib.sha512(base.seed).digest()
    clamped = bytearray(expanded[:32])
    clamped[0] &= 0xF8
    clamped[31] = clamped[31] & 0x7F | 0x40
    scalar: bytes = crypto_core_ed25519_scalar_mul(by, bytes(clamped))
    return blinded_key(scalar, blake2b256(b"essaim/blinding/v1", expanded[32:], by))


def blinded_key(scalar: bytes, prefix: bytes) -> BlindedKey:
    """From its two halves of 32 bytes. Raises KeyRefusedError for a scalar that is 0 or not below L."""
    if not any(scalar) or crypto_core_ed25519_scalar_reduce(scalar + bytes(32)) != scalar:
        raise KeyRefusedError("no scalar of a key")
    return BlindedKey(scalar, prefix, VerifyKey(crypto_scalarmult_ed25519_base_noclamp(scalar)))


def public_inbox_key(identity: VerifyKey) -> VerifyKey:
    """The read key of an account's public inbox: whoever has the ID can derive it, storage cannot invert it."""
    return blind_public(identity, factor(PUBLIC_INBOX, identity.raw))


def public_inbox_signer(identity: SigningKey) -> BlindedKey:
    return blind_private(identity, factor(PUBLIC_INBOX, identity.public.raw))


def outbox_key(identity: VerifyKey) -> VerifyKey:
    """The write key of an account's outbox."""
    return blind_public(identity, factor(OUTBOX, identity.raw))


def outbox_signer(identity: SigningKey) -> BlindedKey:
    return blind_private(identity, factor(OUTBOX, identity.public.raw))


def mailbox_day(now: int) -> int:
    """The mailbox day of `now` (corrected unix milliseconds): whole days of 24 h UTC since 1970."""
    return now // DAY_MS


def _day_factor(secret: bytes, day: int, label: bytes = PRIVATE_INBOX) -> bytes:
    if len(secret) != SECRET_SIZE:
        raise ValueError("the secret of a private inbox has 32 bytes")
    return factor(label, secret, day.to_bytes(4, "big"))


def private_inbox_key(base: VerifyKey, secret: bytes, day: int) -> VerifyKey:
    """The read key of a private inbox on a mailbox day, for the contacts that were given `base` and `secret`."""
    return blind_public(base, _day_factor(secret, day))


def private_inbox_signer(base: SigningKey, secret: bytes, day: int) -> BlindedKey:
    return blind_private(base, _day_factor(secret, day))


def private_inbox_writer(secret: bytes, day: int) -> SigningKey:
    """The write key of that day, which all accepted contacts share."""
    if len(secret) != SECRET_SIZE:
        raise ValueError("the secret of a private inbox has 32 bytes")
    return SigningKey(hkdf(secret, salt=PRIVATE_INBOX, info=b"write" + day.to_bytes(4, "big"), length=32))


def private_slot_key(device: VerifyKey, secret: bytes, day: int) -> VerifyKey:
    """A device's slot key in the private inbox of a day: whoever has secret and manifest derives it, storage does not.

    So a manager signs slot records ahead without asking the device.
    """
    return blind_public(device, _day_factor(secret, day, PRIVATE_SLOT))


def private_slot_signer(device: SigningKey, secret: bytes, day: int) -> BlindedKey:
    return blind_private(device, _day_factor(secret, day, PRIVATE_SLOT))
