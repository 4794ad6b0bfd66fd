"""The codes of a frame of GIF (GIF89a specification, appendix F), followed to where the frame ends.

Nothing is drawn: of each entry of the table only how many pixels it stands for is kept.
"""

from essaim.protocol.errors import ProtocolError

SIZE_MAX = 11
"""Bits of a pixel; codes have at least one more, and at most 12."""
WIDTH_MAX = 12
ENTRIES_MAX = 1 << WIDTH_MAX


class LzwRefusedError(ProtocolError):
    """Codes that stand for nothing."""

    reason = "LZW_REFUSED"


def lzw_end(data: bytes | bytearray, size: int, pixels: int) -> int:
    """Bits of `data` up to the end code, or, where there is none, to the code with the last pixel, or to the last code.

    `size`: bits of a pixel, as before the blocks of the frame. Raises LzwRefusedError.
    """
    if not 0 < size <= SIZE_MAX:
        raise LzwRefusedError("a frame with pixels of an unknown size")
    clear, end = 1 << size, (1 << size) + 1
    lengths = [1] * ENTRIES_MAX
    # `last`: pixels of the last code, 0 behind a clear one.
    width, count, last, drawn = size + 1, clear + 2, 0, 0
    held = bits = done = 0
    for byte in data:
        held |= byte << bits
        bits += 8
        while bits >= width:
            code = held & (1 << width) - 1
            if drawn >= pixels and code != end:
                return done
            held >>= width
            bits -= width
            done += width
            if code == end:
                return done
            if code == clear:
                width, count, last = size + 1, clear + 2, 0
                continue
            if last and count < ENTRIES_MAX:
                lengths[count] = last + 1
                count += 1
                if count == 1 << width and width < WIDTH_MAX:
                    width += 1
            if code >= count:
                raise LzwRefusedError("a frame with a code that stands for nothing")
            last = lengths[code]
            drawn += last
    return done
