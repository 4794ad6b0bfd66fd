"""Recordings and moving pictures that somebody sends on: their containers, which are written anew."""

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from essaim_client.attachments.aac import read_aac, write_aac
from essaim_client.attachments.boxes import BoxRefusedError, box, full_box, numbers
from essaim_client.attachments.colour import CURVES, SPACES, profile_of
from essaim_client.attachments.heic import cleaned_heic
from essaim_client.attachments.icc import plain_profile
from essaim_client.attachments.moving import MovingRefusedError, cleaned
from essaim_client.attachments.ogg import CHECKSUM_AT, FRONT, OggRefusedError, checksum, write_page
from essaim_client.attachments.opus import HEAD, NO_TAGS, read_opus, write_opus
from fuzzed.parser import Parser

RECORDINGS = Path(__file__).parents[3] / "unit" / "recordings"


def ogg(data: bytes) -> object:
    """Its pages have the checksums that they should."""
    recording = read_opus(_summed(data))
    assert read_opus(write_opus(recording)) == recording
    return recording


def _summed(data: bytes) -> bytes:
    mended, at = bytearray(data), 0
    while at + FRONT.size <= len(data):
        count = data[at + FRONT.size - 1]
        end = at + FRONT.size + count + sum(data[at + FRONT.size : at + FRONT.size + count])
        mended[at + CHECKSUM_AT : at + CHECKSUM_AT + 4] = bytes(4)
        mended[at + CHECKSUM_AT : at + CHECKSUM_AT + 4] = checksum(mended[at:end]).to_bytes(4, "little")
        at = end
    return bytes(mended)


def notes() -> Iterator[bytes]:
    head = HEAD.pack(b"OpusHead", 1, 1, 312, 48_000, 0, 0)
    front = write_page(7, 0, 2, 0, [head]) + write_page(7, 1, 0, 0, [NO_TAGS])
    yield front + write_page(7, 2, 4, 1_900, [b"\x08\x01", b"\x0b\x41\x02sound\0\0"])
    yield (
        front
        + write_page(7, 2, 0, 960, [b"\x08" + b"s" * 300])
        + write_page(7, 3, 4, 3_000, [b"\x0b\x02ab", b"\x09cd"])
    )


def m4a(data: bytes) -> object:
    recording = read_aac(data)
    assert read_aac(write_aac(recording)) == recording
    return recording


def memos() -> Iterator[bytes]:
    whole = write_aac(read_aac((RECORDINGS / "memo.m4a").read_bytes()))
    yield whole
    yield (RECORDINGS / "memo.m4a").read_bytes()


def heic(data: bytes) -> object:
    clean = cleaned_heic(data)
    assert len(clean) == len(data) and cleaned_heic(clean) == clean
    return clean


def photos() -> Iterator[bytes]:
    yield (RECORDINGS / "photo.heic").read_bytes()
    units = b"".join(numbers(1, kind) + numbers(2, 1, 4) + b"unit" for kind in (32, 33, 34, 39))
    yield _photo(
        box(b"hvcC", bytes(22), b"\4", units),
        box(b"colr", b"prof", b"words"),
        box(b"colr", b"nclx", numbers(2, 1, 13, 6), b"\x80"),
        full_box(b"auxC", b"urn:mpeg:hevc:2015:auxid:1\0words"),
        full_box(b"pixi", b"\1\x08"),
        box(b"av1C", b"\x81\0\x0c\0\x0a\1s"),
    )
    for data in profiles():
        yield _photo(box(b"colr", b"prof", data, b"words"))


def _photo(*properties: bytes) -> bytes:
    """Of one byte, with words and notes in its properties."""
    inner = (
        full_box(b"pitm", numbers(2, 1)),
        full_box(b"iinf", numbers(2, 1), full_box(b"infe", numbers(2, 1, 0), b"hvc1\0", version=2)),
        box(b"iprp", box(b"ipco", *properties), full_box(b"ipma", numbers(4, 0))),
        full_box(b"iloc", b"\x44\0", numbers(2, 1, 1, 1, 0, 1), numbers(4, 0, 1), version=1),
        box(b"idat", b"."),
    )
    return box(b"ftyp", b"heic", bytes(4)) + full_box(b"meta", *inner)


OURS = frozenset({b"", *map(profile_of, SPACES)})


def profile(data: bytes) -> object:
    """Whatever it is, what leaves in its place is one of a few."""
    found = plain_profile(data)
    assert found in OURS and len(found) <= len(data) and plain_profile(found) == found
    return found


def profiles() -> Iterator[bytes]:
    """Of another maker; the last with a table for its curve, and one curve upon the others."""
    for space in SPACES:
        data = profile_of(space)
        yield data[:80] + b"JANE" + data[84:]
    table = (round((at / 41) ** (563 / 256) * 65535) for at in range(42))
    curve = b"curv" + bytes(4) + numbers(4, 42) + numbers(2, *table)
    other = bytearray(profile_of(SPACES[2]))
    other[other.index(b"para") :] = curve
    other[:4] = numbers(4, len(other))
    for kind in CURVES:
        other[other.index(kind) + 8 : other.index(kind) + 12] = numbers(4, len(curve))
    yield bytes(other)


def moving(data: bytes) -> object:
    clean = cleaned(data)
    assert cleaned(clean) == clean and len(clean) <= len(data) + 1
    return clean


def pictures() -> Iterator[bytes]:
    frames = [Image.new("RGB", (3, 2), (shade, 0, 0)) for shade in (0, 200)]
    for form in ("GIF", "PNG", "WEBP"):
        frames[0].save(file := io.BytesIO(), form, save_all=True, append_images=frames[1:], loop=1)
        yield file.getvalue()
    # One frame whose codes have no end, and a note behind its last pixel.
    yield (
        b"GIF89a" + numbers(1, 2, 0, 2, 0, 0x80, 0, 0) + bytes(6) + b"\x2c" + bytes(4) + b"\2\0\2\0\0\2\6\x8c\5note\0;"
    )


PARSERS = (
    Parser("media.ogg", ogg, (OggRefusedError,), notes, longest=1_024),
    Parser("media.m4a", m4a, (BoxRefusedError,), memos, longest=4_096),
    Parser("media.heic", heic, (BoxRefusedError,), photos, longest=1_024),
    Parser("media.profile", profile, (), profiles, longest=1_024),
    Parser("media.moving", moving, (MovingRefusedError,), pictures, longest=1_024),
)
