"""The Double Ratchet with header encryption and a hybrid post-quantum step.

Signal, "The Double Ratchet Algorithm", revision 4, section 4 (header encryption). Beside the X25519 step at each
change of direction goes an ML-KEM-768 encapsulation to the other side's newest key, so that a session heals against
an attacker with a quantum computer as it heals against any other. Both keys and the ciphertext are in each encrypted
header.
"""

from essaim.protocol.ratchet.double_ratchet import DoubleRatchet
from essaim.protocol.ratchet.errors import (
    DuplicateError,
    NotOursError,
    NotYetAnsweredError,
    RatchetError,
    TooManySkippedError,
    UnreadableError,
)
from essaim.protocol.ratchet.pair import RatchetPair, RatchetPublic
from essaim.protocol.ratchet.suite import CLASSIC, HYBRID, Suite

__all__ = [
    "CLASSIC",
    "HYBRID",
    "DoubleRatchet",
    "DuplicateError",
    "NotOursError",
    "NotYetAnsweredError",
    "RatchetError",
    "RatchetPair",
    "RatchetPublic",
    "Suite",
    "TooManySkippedError",
    "UnreadableError",
]
