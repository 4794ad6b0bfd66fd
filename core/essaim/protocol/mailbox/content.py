"""What a blob's mailbox holds, and for ever: one ciphertext, named by its hash and its size class.

content      33 bytes: content hash 32 | size class u8 (0 to 3)      at the end of a blob's policy
content hash BLAKE2b-256("essaim/content/v1" || bytes)
"""

from dataclasses import dataclass

from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.protocol.kdf import HASH_SIZE, blake2b256
from essaim.protocol.mailbox.refusal import EnvelopeMalformedError

LABEL = b"essaim/content/v1"
CONTENT_SIZE = HASH_SIZE + 1


@dataclass(frozen=True)
class Content:
    """`size_class` counts the four envelope sizes from 0."""

    hash: bytes
    size_class: int

    @classmethod
    def of(cls, data: bytes) -> "Content":
        """Of these bytes; EnvelopeMalformedError unless they have one of the four sizes."""
        if len(data) not in ENVELOPE_SIZES:
            raise EnvelopeMalformedError("a blob has 4096, 10240, 57344 or 253952 bytes")
        return cls(blake2b256(LABEL, data), ENVELOPE_SIZES.index(len(data)))

    @classmethod
    def parse(cls, data: bytes) -> "Content":
        """Raises EnvelopeMalformedError."""
        if len(data) != CONTENT_SIZE or data[-1] >= len(ENVELOPE_SIZES):
            raise EnvelopeMalformedError("a content has 33 bytes and a size class from 0 to 3")
        return cls(data[:HASH_SIZE], data[-1])

    @property
    def encoded(self) -> bytes:
        """33 bytes."""
        return self.hash + bytes((self.size_class,))

    @property
    def size(self) -> int:
        """Bytes."""
        return ENVELOPE_SIZES[self.size_class]
