"""Colours of photos: the spaces that cameras and phones write, and a profile of our own for each.

A profile (ICC.1:2022) of somebody else has words, dates and numbers of who made it, which may name a device. Ours has
the same bytes for everybody whose photo is of that space.
"""

from functools import cache
from typing import NamedTuple

from essaim_client.attachments.boxes import numbers

ONE = 1 << 16
"""Of the numbers in a profile (s15Fixed16Number), here and below."""
Colour = tuple[int, int, int]
"""X, Y and Z, where the white is D50."""
COLOURANTS, CURVES = (b"rXYZ", b"gXYZ", b"bXYZ"), (b"rTRC", b"gTRC", b"bTRC")
WHITE = (63190, ONE, 54061)
"""D50."""
ADAPTED = (68674, 1502, -3291, 1939, 64912, -1119, -606, 988, 49262)
"""From a white as D65 to one as D50 (Bradford; ICC.1:2022, annex E)."""
VERSION = 4 << 24
"""4.0, as phones have it: whoever reads their photos reads ours."""
DATE = (2000, 1, 1, 0, 0, 0)
"""Of all: there must be one, and readers stumble over zeros (Pillow)."""
FRONT, ENTRY = 128, 12
WRITTEN = {1: 0, 5: 3}
"""Kinds of curves (`para`), by how many numbers they have."""
OF_SRGB = (157286, 62119, 3417, 5072, 2651)


class Space(NamedTuple):
    """Colours that are told by red, green and blue, of a white as D65.

    Attributes:
        name: as short as can be, for whoever looks.
        colourants: all that there is of red, of green and of blue.
        curve: from what is written to light: an exponent g, or g, a, b, c, d of (a x + b) ** g, c x below d.
        codes: (primaries, transfer) of ITU-T H.273 that tell of the same; many write the transfer of video for sRGB's.
    """

    name: str
    colourants: tuple[Colour, Colour, Colour]
    curve: tuple[int, ...]
    codes: frozenset[tuple[int, int]] = frozenset()


SPACES = (
    Space(
        "P3",  # Display P3, of phones: the primaries of SMPTE EG 432-1, the curve of sRGB
        ((33759, 15807, -69), (19135, 45367, 2745), (10296, 4363, 51385)),
        OF_SRGB,
        frozenset({(12, 1), (12, 13)}),
    ),
    Space(
        "sRGB",  # IEC 61966-2-1: where nothing is said, not every reader takes it (libheif does from 1.19 on)
        ((28576, 14581, 912), (25239, 46983, 6361), (9375, 3972, 46787)),
        OF_SRGB,
        frozenset({(1, 1), (1, 13)}),
    ),
    Space(
        "A98",  # Adobe RGB (1998)
        ((39960, 20389, 1276), (13453, 41004, 3989), (9777, 4143, 48796)),
        (144128,),
    ),
    Space(
        "2020",  # ITU-R BT.2020, with no more light than white
        ((44137, 18287, -127), (10857, 44259, 1965), (8195, 2989, 52223)),
        (145636, 59616, 5920, 14564, 5324),
        frozenset({(9, 1), (9, 6), (9, 14), (9, 15)}),
    ),
)


def space_of_codes(primaries: int, transfer: int) -> Space | None:
    """By the numbers of ITU-T H.273."""
    return next((each for each in SPACES if (primaries, transfer) in each.codes), None)


@cache
def profile_of(space: Space) -> bytes:
    """Of version 4, for a display: the parts that must be there, without maker and identifier."""
    curve = b"para" + numbers(4, 0, WRITTEN[len(space.curve)] << 16) + _signed(*space.curve)
    parts = {
        b"desc": _words(space.name),
        b"cprt": _words("CC0"),
        b"wtpt": _xyz(WHITE),
        b"chad": b"sf32" + bytes(4) + _signed(*ADAPTED),
        **dict(zip(COLOURANTS, map(_xyz, space.colourants), strict=True)),
        **dict.fromkeys(CURVES, curve),
    }
    table, body = numbers(4, len(parts)), b""
    begin, places = FRONT + 4 + ENTRY * len(parts), dict[bytes, int]()
    for kind, part in parts.items():
        if part not in places:
            places[part] = begin + len(body)
            body += part + bytes(-len(part) % 4)
        table += kind + numbers(4, places[part], len(part))
    front = numbers(4, begin + len(body), 0, VERSION) + b"mntrRGB XYZ " + numbers(2, *DATE) + b"acsp" + bytes(28)
    return front + _signed(*WHITE) + bytes(48) + table + body


def _words(text: str) -> bytes:
    """For readers of English, as no language cannot be said."""
    data = text.encode("utf-16-be")
    return b"mluc" + numbers(4, 0, 1, 12) + b"enUS" + numbers(4, len(data), 28) + data


def _xyz(colour: Colour) -> bytes:
    return b"XYZ " + bytes(4) + _signed(*colour)


def _signed(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big", signed=True) for value in values)
