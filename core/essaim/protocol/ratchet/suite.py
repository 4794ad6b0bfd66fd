"""What a ratchet is made of. Essaim speaks HYBRID; CLASSIC is the plain Double Ratchet, to compare with others.

Both are the same code: a suite only says whether headers are encrypted and whether the KEM takes part.
"""

from dataclasses import dataclass
from functools import cached_property

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import KEM_CIPHERTEXT_SIZE, KEM_PUBLIC_SIZE, PUBLIC_SIZE


class SuiteUnknownError(ProtocolError):
    """A state of a suite that this program does not speak."""

    reason = "SUITE_UNKNOWN"


@dataclass(frozen=True)
class Suite:
    """`root_info` is the HKDF info of the root chain."""

    number: int
    root_info: bytes
    header_encryption: bool
    kem: bool

    @cached_property
    def header_size(self) -> int:
        """A header in clear: X25519 key 32 [| ML-KEM key 1184 | ciphertext 1088] | PN 4 | N 4."""
        return PUBLIC_SIZE + (KEM_PUBLIC_SIZE + KEM_CIPHERTEXT_SIZE if self.kem else 0) + 8


CLASSIC = Suite(1, b"essaim/ratchet/classic/v1", header_encryption=False, kem=False)
HYBRID = Suite(2, b"essaim/ratchet/v1", header_encryption=True, kem=True)


def suite_of(number: int) -> Suite:
    for suite in (CLASSIC, HYBRID):
        if suite.number == number:
            return suite
    raise SuiteUnknownError("a ratchet of an unknown suite")
