"""Boxes of ISO media files (ISO/IEC 14496-12), of which MP4 is one: found, and written."""

from collections.abc import Iterator
from typing import NamedTuple

from essaim.protocol.errors import ProtocolError
from essaim.protocol.layout import Reader

FULL = 4
"""Version and flags before what is in a full box."""


class BoxRefusedError(ProtocolError):
    """A box that is cut off, or missing."""

    reason = "BOX_REFUSED"


class Span(NamedTuple):
    """Where a box stands: it begins `at`, its content at `start`, and it ends before `end`."""

    kind: bytes
    at: int
    start: int
    end: int


def spans(data: bytes, at: int, end: int) -> Iterator[Span]:
    """Of the boxes between two places. Raises BoxRefusedError."""
    while at < end:
        size, kind, front = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, front = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:  # to the end
            size = end - at
        if size < front or at + size > end:
            raise BoxRefusedError("a box is cut off")
        yield Span(kind, at, at + front, at + size)
        at += size


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, what is in it) of each. Raises BoxRefusedError."""
    return ((each.kind, data[each.start : each.end]) for each in spans(data, 0, len(data)))


def find(data: bytes, *path: bytes) -> bytes:
    """What is in the first box at this path, one box in another. Raises BoxRefusedError."""
    for kind in path:
        found = next((body for each, body in boxes(data) if each == kind), None)
        if found is None:
            raise BoxRefusedError(f"there is no {kind.decode()} in it")
        data = found
    return data


def full(data: bytes, *path: bytes) -> tuple[int, Reader]:
    """The version of a full box, and what follows its flags. Raises BoxRefusedError, MalformedError."""
    reader = Reader(find(data, *path))
    return reader.number(FULL) >> 24, reader


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box of these parts."""
    body = b"".join(parts)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def full_box(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Likewise one with version and flags."""
    return box(kind, (version << 24 | flags).to_bytes(FULL, "big"), *parts)


def numbers(size: int, *values: int) -> bytes:
    """Each in so many bytes."""
    return b"".join(value.to_bytes(size, "big") for value in values)
