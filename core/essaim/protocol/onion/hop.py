"""A hop's onion keys: the public pair that a sender wraps to, and the private pair that a node unwraps with."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from essaim.protocol.geometry import KEY_ID_SIZE, NODE_ID_SIZE, Suite
from essaim.protocol.kdf import blake2b256
from essaim.protocol.keys import AgreementKey, AgreementPublic, KemKey, KemPublic
from essaim.protocol.onion.replay import ReplayWindow


def key_id_of(x25519: bytes, mlkem: bytes) -> bytes:
    """The first 4 bytes of BLAKE2b-256(X25519 key || ML-KEM key), for both suites."""
    return blake2b256(x25519, mlkem)[:KEY_ID_SIZE]


@dataclass(frozen=True)
class HopPublic:
    """A node and the pair of its onion keys to use now. Keep the object: it caches what parsing the keys costs."""

    node_id: bytes
    x25519: AgreementPublic
    mlkem: KemPublic

    def __post_init__(self) -> None:
        if len(self.node_id) != NODE_ID_SIZE or not any(self.node_id):
            raise ValueError("a node id has 32 bytes, not all zero")

    def check(self) -> None:
        """KeyRefusedError for keys that `wrap` would refuse."""
        self.x25519.check()
        self.mlkem.check()

    @cached_property
    def key_id(self) -> bytes:
        """The 4 bytes that name this pair in a cell."""
        return key_id_of(self.x25519.raw, self.mlkem.raw)

    @cached_property
    def transcripts(self) -> dict[Suite, "hashlib._Hash"]:
        """For each suite, SHA3-256 that has taken in the public keys."""
        return transcripts_of(self.x25519.raw, self.mlkem.raw)


@dataclass(frozen=True)
class PrivatePair:
    """The private keys behind one key id, with the replay window of that id. Never leaves memory."""

    x25519: AgreementKey = field(repr=False)
    mlkem: KemKey = field(repr=False)
    until_ms: int
    """From this moment (exclusive) cells to this pair are refused: the end of the shorter period, and the grace."""
    replay: ReplayWindow = field(default_factory=ReplayWindow, repr=False)

    @cached_property
    def key_id(self) -> bytes:
        return key_id_of(self.x25519.public.raw, self.mlkem.public.raw)

    @cached_property
    def transcripts(self) -> dict[Suite, "hashlib._Hash"]:
        return transcripts_of(self.x25519.public.raw, self.mlkem.public.raw)


def transcripts_of(x25519: bytes, mlkem: bytes) -> dict[Suite, "hashlib._Hash"]:
    """The state of SHA3-256 after the public keys that a suite uses: they come first, so that it can be kept."""
    return {Suite.X25519: hashlib.sha3_256(x25519), Suite.HYBRID: hashlib.sha3_256(x25519 + mlkem)}
