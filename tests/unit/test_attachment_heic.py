"""Photos in HEIC: their pictures as they are, and nothing beside them.

`recordings/photo.heic` is of another hand: libheif (pillow-heif) wrote a picture of 48 x 32, with a place in Exif
and XMP; `recordings/wide.heic` another of 48 x 32, with a profile of Display P3 that names its owner.
"""

import random
from pathlib import Path

import pytest

from essaim_client.attachments.boxes import BoxRefusedError, box, full_box, numbers, spans
from essaim_client.attachments.colour import SPACES, profile_of
from essaim_client.attachments.heic import cleaned_heic
from essaim_client.attachments.photo import PhotoRefusedError, photo_source
from essaim_client.attachments.source import is_picture

RECORDINGS = Path(__file__).parent / "recordings"
PHOTO, WIDE = ((RECORDINGS / name).read_bytes() for name in ("photo.heic", "wide.heic"))
SECRET = b"50.1234 N owner Jane"
SEED = 20261123


def made(*items: tuple[bytes, bytes, bytes], more: bytes = b"", notes: bytes = b"", told: int = 1) -> bytes:
    """A file of (kind, name, bytes) in one `mdat`, with a row of other boxes behind and of properties inside.

    `told`: how many times each range is told of.
    """
    brand = box(b"ftyp", b"heic", bytes(4), b"mif1heic")

    def meta(begin: int) -> bytes:
        rows, at = b"", begin
        for number, (_, _, body) in enumerate(items, 1):
            rows += numbers(2, number, 0, told) + numbers(4, at, len(body)) * told
            at += len(body)
        entries = [
            full_box(b"infe", numbers(2, number, 0), kind, name + b"\0", version=2)
            for number, (kind, name, _) in enumerate(items, 1)
        ]
        handler = full_box(b"hdlr", bytes(4), b"pict", bytes(12), SECRET + b"\0")
        inner = full_box(b"pitm", numbers(2, 1)), full_box(b"iinf", numbers(2, len(items)), *entries)
        properties = box(b"iprp", box(b"ipco", full_box(b"ispe", numbers(4, 8, 8)), notes))
        return full_box(
            b"meta", handler, *inner, properties, full_box(b"iloc", b"\x44\0", numbers(2, len(items)), rows)
        )

    begin = len(brand) + len(meta(0)) + 8
    return brand + meta(begin) + box(b"mdat", *(body for _, _, body in items)) + more


def test_photo_keeps_its_picture_and_nothing_else(tmp_path):
    path = tmp_path / "IMG_1.HEIC"
    path.write_bytes(PHOTO)
    assert PHOTO.count(SECRET) > 1 and is_picture(path)
    source = photo_source(path)
    with source.open() as file:
        data = file.read()
    assert (source.name, source.media_type, source.size) == ("IMG_1.heic", "image/heic", len(PHOTO))
    assert not [each for each in (SECRET, b"owner", b"Exif", b"rdf+xml") if each in data]
    mdat = next(each for each in spans(PHOTO, 0, len(PHOTO)) if each.kind == b"mdat")
    before, after = PHOTO[mdat.start : mdat.end], data[mdat.start : mdat.end]
    assert all(new in (0, old) for old, new in zip(before, after, strict=True)) and any(after)
    assert cleaned_heic(data) == data


def test_photo_of_a_wide_space_has_our_profile_and_its_picture():
    at, ours = WIDE.index(b"colrprof") + 8, profile_of(SPACES[0])
    size = int.from_bytes(WIDE[at : at + 4], "big")
    data = cleaned_heic(WIDE)
    assert b"Jane" in WIDE[at : at + size] and b"Jane" not in data
    assert data[: at + size].endswith(WIDE[at - 12 : at] + ours + bytes(size - len(ours)))
    mdat = next(each for each in spans(WIDE, 0, len(WIDE)) if each.kind == b"mdat")
    assert data[mdat.at :] == WIDE[mdat.at :] and cleaned_heic(data) == data


def test_only_what_belongs_to_a_picture_is_copied():
    more = box(b"uuid", SECRET) + box(b"free", SECRET) + box(b"mpvd", SECRET)
    notes = box(b"udes", SECRET) + full_box(b"crtt", b"2026")
    items = (
        (b"hvc1", SECRET, b"the picture"),
        (b"Exif", b"", SECRET),
        (b"mime", SECRET, SECRET),
        (b"hvc1", b"", b"a second"),
    )
    data = cleaned_heic(made(*items, more=more, notes=notes))
    assert len(data) == len(made(*items, more=more, notes=notes)) and SECRET not in data and b"2026" not in data
    assert b"the picture" in data and b"a second" in data and data.count(b"ispe") == 1 and b"udes" not in data


def setup_of(*units: tuple[int, bytes]) -> bytes:
    """`hvcC` with one array for each unit."""
    arrays = (numbers(1, 0x80 | kind) + numbers(2, 1, len(unit)) + unit for kind, unit in units)
    return box(b"hvcC", b"\1" * 22, numbers(1, len(units)), *arrays)


def test_properties_keep_their_numbers_and_no_words():
    sets = setup_of((32, b"video"), (33, b"sequence"), (34, b"picture"))
    kept = (
        sets,
        box(b"colr", b"nclx", numbers(2, 1, 13, 6), b"\x80"),
        full_box(b"pixi", b"\3\x08\x08\x08"),
        full_box(b"auxC", b"urn:mpeg:hevc:2015:auxid:1\0"),
        box(b"irot", b"\1"),
        box(b"av1C", b"\x81\0\x0c\0\x0a\3seq"),
    )
    worded = (
        box(b"colr", b"prof", SECRET),
        box(b"colr", b"nclx", numbers(2, 1, 13, 6), b"\x80", SECRET),
        full_box(b"auxC", b"urn:x:", SECRET, b"\0"),
        full_box(b"auxC", b"urn:mpeg:hevc:2015:auxid:2\0", SECRET),
        full_box(b"pixi", b"\3\x08\x08\x08", SECRET),
        full_box(b"ispe", numbers(4, 8, 8), SECRET),
        setup_of((32, b"video"), (39, SECRET), (33, b"sequence"), (40, SECRET), (34, b"picture")),
    )
    whole = made((b"hvc1", b"", b"the picture"), notes=b"".join(kept + worded))
    data = cleaned_heic(whole)
    assert whole.count(SECRET) == 8 + 1 and SECRET not in data and len(data) == len(whole)
    assert all(each in data for each in kept) and cleaned_heic(data) == data
    assert data.count(sets[8:31] + sets[31:]) == 2 and data.count(b"auxC") == 3


def test_profile_becomes_ours_of_the_same_space_or_goes():
    """Also one of the reduced kind; what is damaged, cut off or of another kind goes."""
    ours = profile_of(SPACES[0])
    signed = ours[:100] + SECRET + ours[100 + len(SECRET) :]
    other = signed.replace(b"XYZ ", b"ZYX ")
    bodies = b"prof" + signed + SECRET, b"rICC" + signed, b"prof" + other, b"prof" + signed[:-1], b"rICD" + signed
    notes = b"".join(box(b"colr", each) for each in (b"nclx" + numbers(2, 1, 13, 6) + b"\x80", *bodies))
    whole = made((b"hvc1", b"", b"the picture"), notes=notes)
    data = cleaned_heic(whole)
    assert whole.count(SECRET) == 1 + 6 and SECRET not in data and len(data) == len(whole)
    kept = box(b"colr", b"prof", ours, bytes(len(SECRET))), box(b"colr", b"prof", ours)
    assert all(each in data for each in kept) and data.count(b"prof") == 2 and data.count(b"acsp") == 2
    assert data.count(b"colr") == 3 and cleaned_heic(data) == data


@pytest.mark.parametrize("flags", [0, 1])
def test_no_item_needs_a_property_that_is_gone(flags):
    """A profile and a turn, both needed: the third and the fourth property."""
    size = 1 + flags
    top = 1 << 8 * size - 1
    needed = numbers(2, 1) + b"\4" + numbers(size, 1, 2, top | 3, top | 4)
    table = full_box(b"ipma", numbers(4, 1), needed, flags=flags)
    notes = full_box(b"pixi", b"\1\x08") + box(b"colr", b"prof", SECRET) + box(b"irot", b"\1")
    whole = made((b"hvc1", b"", b"picture"), notes=notes)
    at = whole.index(b"iprp") - 4
    end = at + int.from_bytes(whole[at : at + 4], "big")
    inner = box(b"iprp", whole[at + 8 : end], table)
    meta = whole.index(b"meta") - 4
    size_of_meta = int.from_bytes(whole[meta : meta + 4], "big") + len(table)
    begin = whole.index(b"iloc") + 14  # where the only range begins, which moves
    moved = numbers(4, int.from_bytes(whole[begin + 4 : begin + 8], "big") + len(table))
    rest = whole[end : begin + 4] + moved + whole[begin + 8 :]
    data = cleaned_heic(whole[:meta] + numbers(4, size_of_meta) + whole[meta + 4 : at] + inner + rest)
    assert numbers(size, 1, 2, 3, top | 4) in data and b"picture" in data and SECRET not in data
    assert cleaned_heic(data) == data


@pytest.mark.parametrize(
    "data",
    {
        "no place for the number of items": box(b"ftyp", b"heic", bytes(8)) + full_box(b"meta", box(b"iinf")),
        "ranges beyond the file": made((b"hvc1", b"", b"a picture" * 90), told=3),
        "more ranges than a photo has": made((b"hvc1", b"", b"."), (b"Exif", b"", b"note"), told=5_001),
        "more boxes than a photo has": made((b"hvc1", b"", b"."), more=box(b"free") * 10_001),
        "many stores": made((b"hvc1", b"", b"picture"), more=box(b"mdat") * 17),
        "notes in the setup of AV1": made((b"av01", b"", b"."), notes=box(b"av1C", b"\x81\0\x0c\0", b"\x2a\3one")),
        "a picture with an Exif of its own": made((b"jpeg", b"", b"\xff\xd8\xff\xe1")),
    }.values(),
)
def test_tables_that_would_stop_or_break_the_reader_are_refused(data):
    """Each at once, in a sentence."""
    with pytest.raises(BoxRefusedError):
        cleaned_heic(data)


@pytest.mark.parametrize(
    "data",
    {
        "cut": PHOTO[:-9],
        "a sequence": made((b"hvc1", b"", b"picture"), more=box(b"moov", b"")),
        "no places": PHOTO.replace(b"iloc", b"free"),
        "two lists of items": PHOTO.replace(b"iprp", b"iinf"),
        "no table at all": box(b"ftyp", b"heic", bytes(8)),
        "a picture outside": made((b"hvc1", b"", b"picture")).replace(b"mdat", b"free"),
    }.values(),
)
def test_what_is_no_such_photo_is_refused(tmp_path, data):
    (tmp_path / "photo.heic").write_bytes(data)
    with pytest.raises(PhotoRefusedError):
        photo_source(tmp_path / "photo.heic")


def test_whatever_the_tables_say_it_is_refused_or_cleaned():
    dice, kept = random.Random(SEED), 0
    for _ in range(2_000):
        data = bytearray(dice.choice((PHOTO, made((b"hvc1", b"name", b"picture"), (b"Exif", b"", b"note")))))
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(4, len(data))] = dice.choice((0, 1, 2, 255, dice.randrange(256)))
        try:
            clean = cleaned_heic(bytes(data))
        except BoxRefusedError:
            continue
        kept += 1
        assert len(clean) == len(data) and cleaned_heic(clean) == clean
    assert kept > 100, SEED
