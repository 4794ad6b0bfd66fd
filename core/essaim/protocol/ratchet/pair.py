"""Ratchet keys: X25519 and, in a hybrid suite, ML-KEM-768, renewed together at each change of direction."""

from dataclasses import dataclass
from functools import cached_property

from essaim.protocol.device import Random
from essaim.protocol.keys import (
    KEM_CIPHERTEXT_SIZE,
    KEM_SEED_SIZE,
    PUBLIC_SIZE,
    SEED_SIZE,
    AgreementKey,
    AgreementPublic,
    KemKey,
    KemPublic,
)
from essaim.protocol.layout import Reader
from essaim.protocol.ratchet.suite import Suite


@dataclass(frozen=True)
class RatchetPublic:
    """The other side's newest keys."""

    agreement: AgreementPublic
    kem: KemPublic | None = None

    def encode(self) -> bytes:
        return self.agreement.raw + (self.kem.raw if self.kem else b"")

    @classmethod
    def decode(cls, data: bytes) -> "RatchetPublic":
        """KeyRefusedError for anything but 32 bytes, or 32 and 1184."""
        kem = data[PUBLIC_SIZE:]
        return cls(AgreementPublic(data[:PUBLIC_SIZE]), KemPublic(kem) if kem else None)


@dataclass(frozen=True)
class RatchetPair:
    """Our own newest keys."""

    agreement: AgreementKey
    kem: KemKey | None = None

    @classmethod
    def create(cls, suite: Suite, random: Random) -> "RatchetPair":
        return cls(AgreementKey(random(SEED_SIZE)), KemKey(random(KEM_SEED_SIZE)) if suite.kem else None)

    @cached_property
    def public(self) -> RatchetPublic:
        return RatchetPublic(self.agreement.public, self.kem.public if self.kem else None)

    def receive(self, sender: RatchetPublic, ciphertext: bytes) -> bytes:
        """The shared secret of a step that the other side made: 32 bytes, 64 with the KEM."""
        shared = self.agreement.exchange(sender.agreement)
        return shared + self.kem.decapsulate(ciphertext) if self.kem else shared

    def send(self, receiver: RatchetPublic) -> tuple[bytes, bytes]:
        """The shared secret of a step that we make, and the KEM ciphertext that tells it (empty without)."""
        shared = self.agreement.exchange(receiver.agreement)
        if receiver.kem is None:
            return shared, b""
        encapsulated, ciphertext = receiver.kem.encapsulate()
        return shared + encapsulated, ciphertext

    def encode(self) -> bytes:
        return self.agreement.raw + (self.kem.seed if self.kem else b"")

    @classmethod
    def read(cls, reader: Reader, suite: Suite) -> "RatchetPair":
        agreement = AgreementKey(reader.take(SEED_SIZE))
        return cls(agreement, KemKey(reader.take(KEM_SEED_SIZE)) if suite.kem else None)


def ciphertext_size(suite: Suite) -> int:
    return KEM_CIPHERTEXT_SIZE if suite.kem else 0
