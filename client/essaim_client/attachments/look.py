"""How a picture of HEIC is looked at: its properties (ISO/IEC 23008-12, 14496-12 and -15), without words and notes."""

from collections.abc import Callable

from essaim.protocol.layout import Reader
from essaim_client.attachments.boxes import FULL, BoxRefusedError, numbers
from essaim_client.attachments.icc import plain_profile

SIZES = {b"ispe": 12, b"irot": 1, b"imir": 1, b"clap": 32, b"pasp": 8, b"clli": 4, b"mdcv": 24}
"""Bytes of properties that are numbers alone."""
NUMBERED = b"nclx"
NUMBERED_SIZE = 11
PROFILE, PROFILES = b"prof", (b"prof", b"rICC")
SETUP_SIZE = 22
"""Of the setup of HEVC, before the arrays."""
SETUP_UNITS = range(32, 35)
"""Of video, sequence and picture: all that a decoder needs. Others are notes (SEI)."""
AV1_FRONT, AV1_SEQUENCE = 4, 1
AUXILIARY = (
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth",
    b"urn:mpeg:hevc:2015:auxid:1",
    b"urn:mpeg:hevc:2015:auxid:2",
    b"urn:com:apple:photo:2018:aux:portraiteffectsmatte",
    b"urn:com:apple:photo:2019:aux:semanticskinmatte",
    b"urn:com:apple:photo:2019:aux:semantichairmatte",
    b"urn:com:apple:photo:2019:aux:semanticteethmatte",
    b"urn:com:apple:photo:2020:aux:semanticglassesmatte",
    b"urn:com:apple:photo:2020:aux:semanticskymatte",
    b"urn:com:apple:photo:2020:aux:hdrgainmap",
)
"""What a picture beside another is for."""


def look_of(kind: bytes, body: bytes) -> bytes | None:
    """What stays of a property, no longer than it was; None of one that goes.

    Raises BoxRefusedError, MalformedError: cut off, or with notes that cannot be taken out.
    """
    if kind in SIZES:
        return body[: SIZES[kind]]
    kept = OTHERS[kind](body) if kind in OTHERS else None
    return None if kept is None else kept[: len(body)]


def _depths(body: bytes) -> bytes:
    """Bits of each channel."""
    reader = Reader(body)
    reader.take(FULL)
    reader.take(reader.number(1))
    return body[: reader.position]


def _colours(body: bytes) -> bytes | None:
    """As numbers; of a profile, which may name the device, ours of the same space; one of another space goes.

    Not `nclx` for a profile: it would tell of matrix and range as well, over what the stream of HEVC says of them
    (ISO/IEC 14496-12, 12.1.5), and that is not read here.
    """
    if body.startswith(NUMBERED):
        return body[:NUMBERED_SIZE]
    profile = plain_profile(body[len(PROFILE) :]) if body.startswith(PROFILES) else b""
    return PROFILE + profile if profile else None


def _auxiliary(body: bytes) -> bytes:
    """Without what is not known; a reader then knows that the picture is one beside another, not what it is for."""
    front, (name, _, _) = body[:FULL], body[FULL:].partition(b"\0")
    return front + name + b"\0" if name in AUXILIARY else front


def _setup(body: bytes) -> bytes:
    """Of HEVC (hvcC), with the units alone that are needed."""
    reader, kept = Reader(body), []
    front = reader.take(SETUP_SIZE)
    for _ in range(reader.number(1)):
        kind, count = reader.take(1), reader.number(2)
        units = [reader.block(2) for _ in range(count)]
        if kind[0] & 63 in SETUP_UNITS:
            kept.append(kind + numbers(2, count) + b"".join(numbers(2, len(unit)) + unit for unit in units))
    return front + bytes([len(kept)]) + b"".join(kept)


def _av1(body: bytes) -> bytes:
    """Of AV1 (av1C), where there is nothing but a sequence behind the numbers."""
    rest = body[AV1_FRONT:]
    if rest and (rest[0] >> 3 & 15 != AV1_SEQUENCE or not rest[0] & 2 or len(rest) != 2 + rest[1]):
        raise BoxRefusedError("the setup of a picture has notes in it")
    return body


OTHERS: dict[bytes, Callable[[bytes], bytes | None]] = {
    b"pixi": _depths,
    b"colr": _colours,
    b"auxC": _auxiliary,
    b"hvcC": _setup,
    b"av1C": _av1,
}
