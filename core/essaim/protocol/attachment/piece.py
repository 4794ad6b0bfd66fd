"""How a file is cut: every piece fills the largest envelope, the last one the smallest that holds what is left.

piece 0        secretstream header 24 | box
piece 1, 2 ... box
box            content + 17 bytes; of the last piece content and zeros up to the envelope's size, in one box
"""

from dataclasses import dataclass

from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES,
    crypto_secretstream_xchacha20poly1305_HEADERBYTES,
)

from essaim.protocol.geometry import ENVELOPE_SIZES

HEADER_SIZE: int = crypto_secretstream_xchacha20poly1305_HEADERBYTES
BOX_SIZE: int = crypto_secretstream_xchacha20poly1305_ABYTES
PIECE_SIZE = ENVELOPE_SIZES[-1]
SIZE_MAX = 100_000_000
"""Bytes of a file: 394 pieces, whose names fit a message."""


@dataclass(frozen=True)
class Piece:
    """`start` and `length`: bytes of the file that it holds; `size`: bytes of the blob."""

    number: int
    start: int
    length: int
    size: int
    last: bool

    @property
    def room(self) -> int:
        """Bytes of content and zeros in its box."""
        return self.size - _overhead(self.number)


def pieces_of(size: int) -> tuple[Piece, ...]:
    """Of a file of `size` bytes: at least one, an empty file has a piece, too."""
    pieces: list[Piece] = []
    start = 0
    while not pieces or start < size:
        number = len(pieces)
        left = size - start
        last = left <= PIECE_SIZE - _overhead(number)
        blob = next(each for each in ENVELOPE_SIZES if each - _overhead(number) >= left) if last else PIECE_SIZE
        length = left if last else blob - _overhead(number)
        pieces.append(Piece(number, start, length, blob, last))
        start += length
    return tuple(pieces)


def _overhead(number: int) -> int:
    return BOX_SIZE + (0 if number else HEADER_SIZE)
