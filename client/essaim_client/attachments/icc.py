"""Profiles of others (ICC.1:2022, and version 2 of 2001): which space one tells of, by its numbers and never its words.

Whatever the bytes are, there is an answer and no error: cut off, contradicting or unknown ones are of no space.
"""

from collections.abc import Callable
from functools import cache
from struct import Struct, unpack_from

from essaim_client.attachments.colour import COLOURANTS, CURVES, FRONT, ONE, SPACES, Space, profile_of

NEAR = ONE // 500
"""What a colourant may be off, of white. Programs round and adapt in their own ways, which makes some 0.001; any two of
the spaces are 0.06 apart in one colourant or more."""
STEP = 1 / 255
"""What a curve may be off, as written: a step of 8 bits, as tables of few numbers are. An exponent of 2.2 is some eight
from sRGB's."""
SAMPLES = tuple(each / 32 for each in range(33))
KINDS_MAX = 100
PART_MAX = 12 + 2 * 4_096
"""Bytes of a colourant or curve: tables of more numbers are cut off."""
EXPONENT_MAX = 4
ENTRY = Struct(">4sII")
CODES = b"cicp"
KNOWN = frozenset({*COLOURANTS, *CURVES, CODES})
TABLES = (b"A2B", b"D2B")
"""Of colours: who finds one looks at nothing else."""
PARAMETERS = {0: 1, 3: 5, 4: 7}
"""Numbers of curves (`para`), by their kinds; the others none of the spaces has."""


def plain_profile(profile: bytes) -> bytes:
    """Ours for the same space, where that is known and it is no longer; else nothing."""
    space = space_of(profile)
    ours = profile_of(space) if space else b""
    return ours if len(ours) <= len(profile) else b""


def space_of(profile: bytes) -> Space | None:
    """None of a profile that tells of none of `SPACES`."""
    parts = _parts(profile)
    if not parts.keys() >= {*COLOURANTS, *CURVES}:
        return None
    colourants = [_colour(parts[kind]) for kind in COLOURANTS]
    space = next((each for each in SPACES if all(map(_is_near, colourants, each.colourants))), None)
    if space is None or (CODES in parts and tuple(parts[CODES][8:10]) not in space.codes):
        return None
    return space if all(_is_of(space, curve) for curve in {parts[kind] for kind in CURVES}) else None


def _parts(profile: bytes) -> dict[bytes, bytes]:
    """What tells of colours, by its kind; nothing of what is no profile of RGB, or has tables for it."""
    size, count = (int.from_bytes(profile[at : at + 4], "big") for at in (0, FRONT))
    begin, parts = FRONT + 4, dict[bytes, bytes]()
    end = begin + ENTRY.size * count
    is_such = profile[16:24] == b"RGB XYZ " and profile[36:40] == b"acsp"
    if not is_such or count > KINDS_MAX or not end <= size <= len(profile):
        return {}
    for kind, start, length in ENTRY.iter_unpack(profile[begin:end]):
        if kind in parts or kind.startswith(TABLES) or start + length > size:
            return {}
        if kind in KNOWN:
            parts[kind] = profile[start : start + min(length, PART_MAX)]
    return parts


def _colour(part: bytes) -> tuple[int, ...]:
    return unpack_from(">3i", part, 8) if part.startswith(b"XYZ ") and len(part) >= 20 else ()


def _is_near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return len(one) == len(other) and all(abs(a - b) <= NEAR for a, b in zip(one, other, strict=True))


def _is_of(space: Space, part: bytes) -> bool:
    curve = _curve(part)
    return curve is not None and all(low <= curve(at) <= high for at, low, high in _bounds(space))


@cache
def _bounds(space: Space) -> list[tuple[float, float, float]]:
    """What is written, and the light that it may be."""
    curve = _power(*space.curve)
    return [(at, curve(at - STEP), curve(at + STEP)) for at in SAMPLES] if curve else []


def _curve(part: bytes) -> Callable[[float], float] | None:
    """From what is written to light, both from 0 to 1."""
    kind, count = part[:4], int.from_bytes(part[8:12], "big")
    if kind == b"curv" and count and len(part) >= 12 + 2 * count:
        table = unpack_from(f">{count}H", part, 12)
        return _power(table[0] << 8) if count == 1 else lambda at: _between(table, at)
    several = PARAMETERS.get(count >> 16, 0)
    if kind == b"para" and several and len(part) >= 12 + 4 * several:
        return _power(*unpack_from(f">{several}i", part, 12))
    return None


def _power(*parameters: int) -> Callable[[float], float] | None:
    """(a x + b) ** g + e from d on, c x + f below it; nothing where that could not be counted."""
    rest = (0, ONE, 0, 0, 0, 0, 0)[len(parameters) :]
    g, a, b, c, d, e, f = (each / ONE for each in (*parameters, *rest))
    if not 0 < g <= EXPONENT_MAX:
        return None
    return lambda at: float(max(a * at + b, 0.0) ** g + e) if at >= d else c * at + f


def _between(table: tuple[int, ...], at: float) -> float:
    place = at * (len(table) - 1)
    first = min(int(place), len(table) - 2)
    low, high = table[first : first + 2]
    return (low + (high - low) * (place - first)) / 0xFFFF
