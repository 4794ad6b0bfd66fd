"""Padding to exactly one of the envelope sizes.

    length u32 | content | zeros

The padding is inside the authenticated encryption, so what it hides it also proves.
"""

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.protocol.layout import MalformedError, Reader

LENGTH_SIZE = 4


class ContentTooLargeError(ProtocolError):
    """More than the largest envelope holds."""

    reason = "CONTENT_TOO_LARGE"


def envelope_size(needed: int) -> int:
    """The smallest envelope of at least `needed` bytes."""
    for size in ENVELOPE_SIZES:
        if needed <= size:
            return size
    raise ContentTooLargeError("more than the largest envelope holds")


def pad(content: bytes, size: int) -> bytes:
    """`content` in exactly `size` bytes, its length first."""
    if LENGTH_SIZE + len(content) > size:
        raise ContentTooLargeError("the content does not fit the padded size")
    return (len(content).to_bytes(LENGTH_SIZE, "big") + content).ljust(size, b"\0")


def unpad(padded: bytes) -> bytes:
    """What `pad` was given; padding other than zeros is malformed."""
    content = Reader(padded).block(LENGTH_SIZE)
    padding = padded[LENGTH_SIZE + len(content) :]
    if padding != bytes(len(padding)):
        raise MalformedError("the padding is not zero")
    return content
