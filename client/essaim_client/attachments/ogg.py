"""Ogg pages (RFC 3533) of one stream: read with their checksums, and written anew."""

import zlib
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from essaim.protocol.errors import ProtocolError

FRONT = Struct("<4sBBqIIIB")
"""Capture pattern, version, flags, granule position, serial, number, checksum, segments."""
CHECKSUM_AT = 22
CONTINUED, FIRST, LAST = 1, 2, 4
SEGMENT = 255
SEGMENTS_MAX = 255
PACKET_MAX = SEGMENT * SEGMENTS_MAX - 1
"""Bytes that one page has room for, with the segment that ends them."""
MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


class OggRefusedError(ProtocolError):
    """Not the pages of one stream, or damaged."""

    reason = "OGG_REFUSED"


class Page(NamedTuple):
    """`granule`: the position behind the last packet that ends here, -1 where none does. `packets`: those."""

    granule: int
    last: bool
    packets: list[bytes]


def read_pages(data: bytes) -> Iterator[Page]:
    """Each with the packets that end in it; one that never ends is left out. Raises OggRefusedError."""
    at, begun, serial = 0, list[bytes](), None
    while at < len(data):
        flags, granule, of, segments, body = _page(data, at)
        if serial is None:
            serial = of
        if of != serial or bool(flags & FIRST) != (at == 0):
            raise OggRefusedError("several streams in one Ogg file")
        if bool(flags & CONTINUED) != bool(begun):
            raise OggRefusedError("a page is missing")
        packets = _packets(segments, body, begun)
        yield Page(granule, bool(flags & LAST), packets)
        at += FRONT.size + len(segments) + len(body)


def _page(data: bytes, at: int) -> tuple[int, int, int, bytes, bytes]:
    """Flags, granule position, serial, the lengths of the segments, what is in them."""
    if len(data) - at < FRONT.size:
        raise OggRefusedError("the last page is cut off")
    capture, version, flags, granule, serial, _, said, count = FRONT.unpack_from(data, at)
    segments = data[at + FRONT.size : at + FRONT.size + count]
    end = at + FRONT.size + count + sum(segments)
    if capture != b"OggS" or version or len(segments) != count or end > len(data):
        raise OggRefusedError("this is no page of Ogg")
    if checksum(data[at : at + CHECKSUM_AT] + bytes(4) + data[at + CHECKSUM_AT + 4 : end]) != said:
        raise OggRefusedError("a page is damaged")
    return flags, granule, serial, segments, data[end - sum(segments) : end]


def _packets(segments: bytes, body: bytes, begun: list[bytes]) -> list[bytes]:
    """Those that end; a segment of less than 255 bytes ends its packet.

    `begun` has the parts of the one that goes on, as many as pages, which are put together once: tags with a picture
    go over many pages.
    """
    packets, start, at = [], 0, 0
    for length in segments:
        at += length
        if length < SEGMENT:
            packets.append(b"".join((*begun, body[start:at])))
            begun.clear()
            start = at
    if at > start:
        begun.append(body[start:at])
    return packets


def write_page(serial: int, number: int, flags: int, granule: int, packets: Sequence[bytes]) -> bytes:
    """One that holds all of its packets; `segments_of` them together at most 255."""
    segments = b"".join(bytes([SEGMENT]) * (len(each) // SEGMENT) + bytes([len(each) % SEGMENT]) for each in packets)
    front = FRONT.pack(b"OggS", 0, flags, granule, serial, number, 0, len(segments))
    page = bytearray(front + segments + b"".join(packets))
    page[CHECKSUM_AT : CHECKSUM_AT + 4] = checksum(page).to_bytes(4, "little")
    return bytes(page)


def segments_of(packet: bytes) -> int:
    """How many of a page's 255 it takes."""
    return len(packet) // SEGMENT + 1


def checksum(data: bytes | bytearray) -> int:
    """RFC 3533: CRC-32 with the polynomial 0x04c11db7, bits in order, beginning with 0.

    zlib has the same one with bits and result mirrored, beginning with all ones and inverted at the end.
    """
    mirrored = zlib.crc32(data.translate(MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
