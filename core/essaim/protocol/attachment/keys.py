"""What follows from the key of a file. Who has it, reads the file and may delete it.

stream key     HKDF(file key, salt "essaim/attachment/v1", info "stream", 32)
delete key n   Ed25519, seed HKDF(file key, salt "essaim/attachment/v1", info "delete" || n u32, 32)

A delete key is made for one blob, so that its public half links no two.
"""

from dataclasses import dataclass

from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import SEED_SIZE, SigningKey

KEY_SIZE = 32
LABEL = b"essaim/attachment/v1"


@dataclass(frozen=True)
class FileKeys:
    """`key`: 32 random bytes, never used for another content."""

    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) != KEY_SIZE:
            raise ValueError("the key of a file has 32 bytes")

    def __repr__(self) -> str:
        return "FileKeys(...)"

    @property
    def stream(self) -> bytes:
        """32 bytes, for secretstream."""
        return hkdf(self.key, salt=LABEL, info=b"stream", length=32)

    def delete(self, number: int) -> SigningKey:
        """Owns the blob of this piece."""
        return SigningKey(hkdf(self.key, salt=LABEL, info=b"delete" + number.to_bytes(4), length=SEED_SIZE))
