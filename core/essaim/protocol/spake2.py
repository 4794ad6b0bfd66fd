"""SPAKE2 (RFC 9382) over edwards25519 with SHA-256: from a short shared code to a strong shared key.

Who does not know the code has one guess for each run, and learns nothing that could be tried offline. A is the side
that begins. The transcript is the RFC's, with the two roles' names as identities:

    pA = x*B + w*M      pB = y*B + w*N      K = 8*x*(pB - w*N) = 8*y*(pA - w*M)
    TT = each of A, B, pA, pB, K, w behind its length as u64, little-endian;   key = SHA-256(TT), 32 bytes
"""

import hashlib
from dataclasses import dataclass

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_core_ed25519_sub,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)
from nacl.exceptions import RuntimeError  # noqa: A004  # as PyNaCl names it

from essaim.protocol.device import Random
from essaim.protocol.errors import ProtocolError

M = bytes.fromhex("d048032c6ea0b6d697ddc2e86bda85a33adac920f1bf18e1b0c6d166a5cecdaf")
N = bytes.fromhex("d3bfb518f44f3430f29d0c92af503865a1ed3281dc69b35dd868ba85f886c4ab")
POINT_SIZE = 32
SCALAR_SEED_SIZE = 64
_COFACTOR = (8).to_bytes(32, "little")


class ExchangeRefusedError(ProtocolError):
    """What came is no point of the group."""

    reason = "EXCHANGE_REFUSED"


@dataclass(frozen=True)
class Exchange:
    """One side of one run: send `share`, then `agree` on what the other sent. Never used twice."""

    begins: bool
    password: bytes
    secret: bytes
    share: bytes

    def __repr__(self) -> str:
        return "Exchange(...)"

    @classmethod
    def begin(cls, password: bytes, random: Random) -> "Exchange":
        """A's side; `password`: 64 bytes, stretched from the code."""
        return cls._make(True, password, random)

    @classmethod
    def answer(cls, password: bytes, random: Random) -> "Exchange":
        """B's side."""
        return cls._make(False, password, random)

    @classmethod
    def _make(cls, begins: bool, password: bytes, random: Random) -> "Exchange":
        scalar, secret = _scalar(password), _scalar(random(SCALAR_SEED_SIZE))
        blind = crypto_scalarmult_ed25519_noclamp(scalar, M if begins else N)
        share = crypto_core_ed25519_add(crypto_scalarmult_ed25519_base_noclamp(secret), blind)
        return cls(begins, scalar, secret, share)

    def agree(self, identities: tuple[bytes, bytes], other: bytes) -> bytes:
        """The 32-byte key; it is the other side's only if the codes were the same (ExchangeRefusedError)."""
        if len(other) != POINT_SIZE or not crypto_core_ed25519_is_valid_point(other):
            raise ExchangeRefusedError("not a share of an exchange")
        blind = crypto_scalarmult_ed25519_noclamp(self.password, N if self.begins else M)
        by = crypto_core_ed25519_scalar_mul(_COFACTOR, self.secret)
        try:
            key = crypto_scalarmult_ed25519_noclamp(by, crypto_core_ed25519_sub(other, blind))
        except RuntimeError as error:  # libsodium: the result is the neutral element
            raise ExchangeRefusedError("not a share of an exchange") from error
        shares = (self.share, other) if self.begins else (other, self.share)
        parts = (*identities, *shares, key, self.password)
        return hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).digest()


def _scalar(seed: bytes) -> bytes:
    scalar: bytes = crypto_core_ed25519_scalar_reduce(seed)
    return scalar
