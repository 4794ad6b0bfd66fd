"""Moving pictures (GIF, PNG, WebP): their frames as they are, without whatever else is in the file.

Each of these formats is a row of parts. Those that draw, and those that say when, stay; comments, places, times,
owners, colour profiles, parts that are not known, and what stands behind the end, of the file or of a frame of GIF,
do not.
"""

from collections.abc import Iterator
from struct import Struct

from essaim.protocol.errors import ProtocolError
from essaim.protocol.layout import Reader
from essaim_client.attachments.lzw import lzw_end

PNG, GIF, RIFF = b"\x89PNG\r\n\x1a\n", b"GIF8", b"RIFF"
PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"sRGB", b"acTL", b"fcTL", b"IDAT", b"fdAT", b"IEND"})
WEBP_KEPT = frozenset({b"VP8X", b"ANIM", b"ANMF"})
WEBP_FRAME_KEPT = frozenset({b"ALPH", b"VP8 ", b"VP8L"})
WEBP_FRAME_FRONT = 16
WEBP_NOTES = 0x2C
"""Flags of a colour profile, Exif and XMP."""
GIF_SCREEN, GIF_IMAGE = 13, 9
BLOCK_MAX = 255
IMAGE, EXTENSION, END = 0x2C, 0x21, 0x3B
DRAWS, APPLICATION = 0xF9, 0xFF
REPEATS = b"\x0bNETSCAPE2.0\x03\x01"
CHUNK = Struct("<4sI")


class MovingRefusedError(ProtocolError):
    """Not such a file, or cut off."""

    reason = "MOVING_REFUSED"


def cleaned(data: bytes) -> bytes:
    """The same picture. Raises MovingRefusedError."""
    try:
        if data.startswith(GIF):
            return b"".join(_gif(data))
        if data.startswith(PNG):
            return PNG + b"".join(_png(data))
        return _riff(b"WEBP" + b"".join(_webp(data)))
    except ProtocolError:
        raise MovingRefusedError("the moving picture cannot be read, so not be cleaned of metadata") from None


# GIF (GIF89a specification)


def _gif(data: bytes) -> Iterator[bytes]:
    reader = Reader(data)
    screen = reader.take(GIF_SCREEN)
    yield screen + reader.take(_table(screen[10]))
    drawn = b""
    while (kind := reader.number(1)) != END:
        if kind == IMAGE:
            front = reader.take(GIF_IMAGE)
            yield drawn + bytes([IMAGE]) + front + reader.take(_table(front[8])) + _frame(reader, front)
            drawn = b""
        elif kind == EXTENSION:
            label, blocks = reader.number(1), _blocks(reader)
            if label == DRAWS and len(blocks) == 6:
                drawn = bytes([EXTENSION, DRAWS]) + blocks
            elif label == APPLICATION and blocks.startswith(REPEATS):
                yield bytes([EXTENSION, APPLICATION]) + blocks[: len(REPEATS) + 2] + b"\0"
        else:
            raise MovingRefusedError("there is no such block")
    yield bytes([END])


def _table(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks(reader: Reader) -> bytes:
    """With their lengths, and the 0 behind them."""
    blocks = []
    while length := reader.number(1):
        blocks.append(bytes([length]) + reader.take(length))
    return b"".join(blocks) + b"\0"


def _frame(reader: Reader, front: bytes) -> bytes:
    """The codes of a frame, without what stands behind its last one."""
    size, blocks = reader.number(1), _blocks(reader)
    data, at = bytearray(), 0
    while length := blocks[at]:
        data += blocks[at + 1 : at + 1 + length]
        at += 1 + length
    pixels = int.from_bytes(front[4:6], "little") * int.from_bytes(front[6:8], "little")
    bits = lzw_end(data, size, pixels)
    del data[(bits + 7) // 8 :]
    if bits % 8:
        data[-1] &= (1 << bits % 8) - 1
    parts = (data[start : start + BLOCK_MAX] for start in range(0, len(data), BLOCK_MAX))
    return bytes([size]) + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


# PNG (W3C, third edition)


def _png(data: bytes) -> Iterator[bytes]:
    reader, kind = Reader(data[len(PNG) :]), b""
    while kind != b"IEND":
        length = reader.number(4)
        kind = reader.take(4)
        body = reader.take(length + 4)
        if kind in PNG_KEPT:
            yield length.to_bytes(4, "big") + kind + body


# WebP (RFC 9649)


def _webp(data: bytes) -> Iterator[bytes]:
    reader = Reader(data)
    if reader.take(4) != RIFF or reader.take(8)[4:] != b"WEBP":
        raise MovingRefusedError("this is no WebP")
    for kind, body in _chunks(data[12 : 8 + int.from_bytes(data[4:8], "little")]):
        if kind == b"VP8X" and body:
            yield _chunk(kind, bytes([body[0] & ~WEBP_NOTES]) + body[1:])
        elif kind == b"ANMF":
            frame = [_chunk(*each) for each in _chunks(body[WEBP_FRAME_FRONT:]) if each[0] in WEBP_FRAME_KEPT]
            yield _chunk(kind, body[:WEBP_FRAME_FRONT] + b"".join(frame))
        elif kind in WEBP_KEPT:
            yield _chunk(kind, body)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + CHUNK.size <= len(data):
        kind, length = CHUNK.unpack_from(data, at)
        at += CHUNK.size + length + length % 2
        if at > len(data) + length % 2:
            raise MovingRefusedError("the last part is cut off")
        yield kind, data[at - length - length % 2 : at - length % 2]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return CHUNK.pack(kind, len(body)) + body + bytes(len(body) % 2)


def _riff(body: bytes) -> bytes:
    return CHUNK.pack(RIFF, len(body)) + body
