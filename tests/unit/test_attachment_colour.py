"""Colours of photos: spaces found by numbers alone, our own profiles in their place, and what littlecms makes of them.

What is expected is counted here from chromaticities, or was published by others (W3C's tests of CSS Color 4).
"""

import io
import random
import struct
from itertools import product

import pytest
from PIL import Image, ImageCms

from essaim_client.attachments.colour import CURVES, ONE, SPACES, Space, profile_of
from essaim_client.attachments.icc import plain_profile, space_of
from essaim_client.attachments.photo import photo_source

SEED = 20261123
P3, SRGB, A98, REC2020 = SPACES
SECRET = b"made by the camera of Jane, 50.1234 N"
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
D50 = (0.9642, 1.0, 0.8249)
PRIMARIES = {
    P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    SRGB: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    A98: ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)),
    REC2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
}
PHONE = (0x83DF, 0x3DBF, -0x45), (0x4ABF, 0xB137, 0xAB9), (0x2838, 0x110B, 0xC8B9)
"""What an iPhone 8 writes, as its owner published it."""
PHONE_CURVE = 0x26666, 0xF2A7, 0xD59, 0x13D0, 0xA5B


def xyz_of(x: float, y: float) -> tuple[float, ...]:
    return x / y, 1.0, (1 - x - y) / y


def solved(columns, target) -> list[float]:
    """What of each of three colours makes up one more (Cramer)."""

    def volume(a, b, c):
        return sum(a[i] * (b[i - 2] * c[i - 1] - b[i - 1] * c[i - 2]) for i in range(3))

    whole = volume(*columns)
    return [volume(*(target if i == place else each for i, each in enumerate(columns))) / whole for place in range(3)]


BRADFORD = ((0.8951, -0.7502, 0.0389), (0.2664, 1.7135, -0.0685), (-0.1614, 0.0367, 1.0296))
"""Its columns."""


def adapted(colour, white) -> list[float]:
    """As it is where the white is D50."""

    def cones(light):
        return [sum(BRADFORD[i][j] * light[i] for i in range(3)) for j in range(3)]

    scaled = [a * b / c for a, b, c in zip(cones(colour), cones(D50), cones(white), strict=True)]
    return solved(BRADFORD, scaled)


def counted(space: Space) -> list[list[float]]:
    white, primaries = xyz_of(0.3127, 0.3290), [xyz_of(*each) for each in PRIMARIES[space]]
    shares = solved(primaries, white)
    return [adapted([share * each for each in one], white) for share, one in zip(shares, primaries, strict=True)]


def light_of(space: Space, at: float) -> float:
    match space.name:
        case "A98":
            return at ** (563 / 256)
        case "2020":
            return at / 4.5 if at < 0.081243 else ((at + 0.099297) / 1.099297) ** (1 / 0.45)
    return at / 12.92 if at <= 0.04045 else ((at + 0.055) / 1.055) ** 2.4


def signed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value)) for value in values)


def xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + signed(*values)


def para(kind: int, *values: int) -> bytes:
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + signed(*values)


def curv(*values: int) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">I", len(values)) + struct.pack(f">{len(values)}H", *values)


def words(text: bytes) -> bytes:
    """As version 2 has them."""
    return b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text + bytes(79)


def made(colourants=PHONE, curve=b"", space=b"RGB XYZ ", **more: bytes) -> bytes:
    """Somebody's profile: dated, signed and with words; `more` are parts, over these."""
    parts = {b"desc": words(SECRET), b"cprt": b"text" + bytes(4) + SECRET + b"\0", b"wtpt": xyz(62289, 65536, 71372)}
    parts |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), (xyz(*each) for each in colourants), strict=True))
    parts |= {
        **dict.fromkeys(CURVES, curve or para(3, *PHONE_CURVE)),
        **{kind.encode(): part for kind, part in more.items()},
    }
    table, body, begin = struct.pack(">I", len(parts)), b"", 132 + 12 * len(parts)
    for kind, part in parts.items():
        table += kind + struct.pack(">II", begin + len(body), len(part))
        body += part + bytes(-len(part) % 4)
    front = b"appl" + b"\x02\x10\0\0" + b"mntr" + space + bytes.fromhex("07e100070007000d00160020") + b"acspAPPL"
    front += bytes(4) + b"JANE" + bytes(16) + signed(63190, 65536, 54061) + SECRET.ljust(48)[:48]
    return struct.pack(">I", begin + len(body)) + front + table + body


def opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def shown(profile: bytes, *pixels: tuple[int, ...]) -> list[tuple[int, ...]]:
    """In sRGB."""
    image = Image.new("RGB", (len(pixels), 1))
    image.putdata(pixels)
    made = ImageCms.profileToProfile(image, opened(profile), opened(SRGB_PROFILE))
    return [made.getpixel((place, 0)) for place in range(len(pixels))]


def near(one, other, most=1) -> bool:
    return all(abs(a - b) <= most for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("space", SPACES, ids=lambda each: each.name)
def test_our_profile_is_what_its_chromaticities_say(space):
    ours = profile_of(space)
    read = opened(ours).profile
    assert read.is_matrix_shaper and (read.version, read.profile_description) == (4.0, space.name)
    for told, expected in zip(
        (read.red_colorant, read.green_colorant, read.blue_colorant), counted(space), strict=True
    ):
        assert near(told[0], expected, 0.0001)
    assert (
        int.from_bytes(ours[:4], "big") == len(ours) <= 480 and space_of(ours) is space and plain_profile(ours) == ours
    )
    assert near([sum(each) for each in zip(*space.colourants, strict=True)], (63190, ONE, 54061))
    places = [struct.unpack_from(">II", ours, at + 4) for at in range(132, 132 + 12 * 10, 12)]
    assert all(start % 4 == 0 and start + length <= len(ours) for start, length in places)
    ends = {start: start + -(-length // 4) * 4 for start, length in places}
    assert sorted([252, *ends.values()]) == sorted([*ends, len(ours)]), "no byte belongs to nothing"


@pytest.mark.parametrize("space", SPACES, ids=lambda each: each.name)
def test_our_profile_shows_the_colours_of_one_of_another_make(space):
    """That one: version 2, with a table of 1,024 numbers and what is counted here."""
    table = curv(*(round(light_of(space, at / 1023) * 65535) for at in range(1024)))
    other = made([[each * ONE for each in one] for one in counted(space)], table)
    pixels = [*product((0, 37, 90, 128, 201, 255), repeat=3)]
    ours, theirs = shown(profile_of(space), *pixels), shown(other, *pixels)
    assert all(map(near, ours, theirs)) and plain_profile(other) == profile_of(space)


@pytest.mark.parametrize(
    "told, expected",
    [
        ((0.21604, 0.49418, 0.13151), (0, 128 / 255, 0)),
        ((0.465377, 0.532768, 0.317713), (0.448436, 0.53537, 0.288113)),
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ((1, 0, 0), (1, 0, 0)),  # more than sRGB has: 1.093, -0.227, -0.150
        ((0, 1, 0), (0, 1, 0)),
        ((0, 0, 1), (0, 0, 1)),
    ],
)
def test_display_p3_is_shown_as_others_published(told, expected):
    pixel = tuple(round(255 * each) for each in told)
    assert near(shown(profile_of(P3), pixel)[0], [255 * each for each in expected])


def test_pure_green_of_display_p3_is_the_one_that_sRGB_has_not():
    """lab(86.61399% -106.539 102.871), by W3C (display-p3-004)."""
    image = Image.new("RGB", (1, 1), (0, 255, 0))
    lab = ImageCms.profileToProfile(image, opened(profile_of(P3)), ImageCms.createProfile("LAB"), outputMode="LAB")
    assert near(lab.getpixel((0, 0)), (86.61399 * 2.55, 128 - 106.539, 128 + 102.871))


@pytest.mark.parametrize(
    "profile, space",
    {
        "a phone's": (made(), P3),
        "with what another says behind": (made(cicp=b"cicp" + bytes(4) + b"\x0c\x0d\0\1"), P3),
        "with all numbers of a curve": (made(curve=para(4, *PHONE_CURVE, 0, 0)), P3),
        "by a table of 42": (made(curve=curv(*(round(light_of(P3, at / 41) * 65535) for at in range(42)))), P3),
        "with red that is not below nothing": (made(((33759, 15807, 0), *PHONE[1:])), P3),
        "of littlecms": (SRGB_PROFILE, SRGB),
        "Adobe's": (made(((39960, 20389, 1276), (13453, 41004, 3989), (9777, 4143, 48796)), curv(0x0233)), A98),
        "with bytes behind its end": (made() + SECRET, P3),
    }.values(),
)
def test_space_is_known_by_its_numbers(profile, space):
    assert space_of(profile) is space
    assert plain_profile(profile) == profile_of(space) and SECRET not in profile_of(space)


def lies(at: int, value: int) -> bytes:
    """A phone's profile, with another number of four bytes at a place."""
    whole = bytearray(made())
    whole[at : at + 4] = value.to_bytes(4, "big")
    return bytes(whole)


RED = made().index(b"rXYZ")
CURVE = made().index(b"rTRC")
BODY = made().index(b"para")


@pytest.mark.parametrize(
    "profile",
    {
        "nothing": b"",
        "P3 with an exponent of 2.2": made(curve=curv(0x0233)),
        "of cinemas": made(curve=para(0, round(2.6 * ONE))),
        "one curve of another kind": made(bTRC=para(0, ONE)),
        "of numbers that are light": made(curve=curv()),
        "another red": made((tuple(each + 200 for each in PHONE[0]), *PHONE[1:])),
        "colours in another order": made(PHONE[::-1]),
        "with a table of colours": made(A2B0=b"mft2" + bytes(60)),
        "of more light than white": made(cicp=b"cicp" + bytes(4) + b"\x0c\x10\0\1"),
        "codes cut off": made(cicp=b"cicp"),
        "grey": made(space=b"GRAYXYZ "),
        "by Lab": made(space=b"RGB Lab "),
        "no red": made(rXYZ=b""),
        "red of another type": made(rXYZ=b"text" + bytes(16)),
        "longer than it is": lies(0, len(made()) + 1),
        "shorter than its parts": lies(0, 300),
        "without end": lies(0, 2**32 - 1),
        "four billion parts": lies(128, 2**32 - 1),
        "101 parts": lies(128, 101),
        "two reds": lies(made().index(b"desc"), int.from_bytes(b"rXYZ", "big")),
        "red behind the end": lies(RED + 4, len(made()) - 19),
        "red far behind the end": lies(RED + 4, 2**32 - 1),
        "red of four billion bytes": lies(RED + 8, 2**32 - 1),
        "red of too few bytes": lies(RED + 8, 19),
        "red upon a curve": lies(RED + 4, BODY),
        "a curve upon red": lies(CURVE + 4, int.from_bytes(made()[RED + 4 : RED + 8], "big")),
        "a curve of too few bytes": lies(CURVE + 8, 31),
        "a curve of no kind": lies(BODY + 8, 0xFFFF0000),
        "no exponent": lies(BODY + 12, 0),
        "an exponent below nothing": lies(BODY + 12, 2**31),
        "an exponent beyond counting": made(curve=para(3, 2**31 - 1, 2**31 - 1, 0, 0, 0)),
        "a table of four billion": made(curve=b"curv" + bytes(4) + b"\xff" * 4 + bytes(99)),
        "a table that is cut off": made(curve=curv(*range(99))[:-1]),
        "a table of two, and level": made(curve=curv(9, 9)),
        "a table of 5,000": made(curve=curv(*(round(light_of(P3, at / 4999) * 65535) for at in range(5000)))),
    }.values(),
)
def test_what_is_no_such_profile_is_of_no_space(profile):
    assert space_of(profile) is None and plain_profile(profile) == b""


def test_profile_that_is_cut_off_anywhere_is_of_no_space():
    whole = made()
    assert not any(plain_profile(whole[:end]) for end in range(len(whole)))


def test_shorter_profile_than_ours_makes_room_for_none():
    whole = made(desc=b"", cprt=b"", wtpt=b"")
    assert space_of(whole) is P3 and len(whole) < len(profile_of(P3)) and plain_profile(whole) == b""


def test_whatever_the_bytes_are_ours_comes_out_or_nothing():
    dice, known = random.Random(SEED), 0
    ours = {b"", *map(profile_of, SPACES)}
    for _ in range(2_000):
        profile = bytearray(dice.choice((made(), SRGB_PROFILE, profile_of(A98))))
        for _ in range(dice.randrange(1, 4)):
            profile[dice.randrange(len(profile))] = dice.choice((0, 1, 127, 255, dice.randrange(256)))
        found = plain_profile(bytes(profile))
        assert found in ours and len(found) <= len(profile), SEED
        known += bool(found)
    assert 200 < known < 1_900, SEED


@pytest.mark.parametrize(
    "form, modes",
    [
        ("JPEG", ["RGB"]),
        ("PNG", ["RGB", "RGBA", "P"]),
        ("WEBP", ["RGB", "RGBA"]),
        ("TIFF", ["RGB", "P"]),
        ("AVIF", ["RGB"]),
    ],
)
def test_photo_of_display_p3_leaves_as_sRGB(tmp_path, form, modes):
    """Moss green, as above."""
    for mode in modes:
        image = Image.new(mode, (32, 32), (119, 136, 81, 255)[: len(mode)] if mode != "P" else 0)
        if mode == "P":
            image.putpalette((119, 136, 81))
        image.save(tmp_path / mode, form, icc_profile=made(), **({"quality": 100} if form in {"WEBP", "AVIF"} else {}))
        assert near(sent_pixel(tmp_path / mode), (114, 137, 73), 4), mode


def sent_pixel(path) -> tuple[int, ...]:
    with photo_source(path).open() as file, Image.open(io.BytesIO(file.read())) as read:
        assert "icc_profile" not in read.info
        return read.convert("RGB").getpixel((16, 16))


def test_transparent_colour_of_png_does_not_keep_a_wide_space(tmp_path):
    Image.new("RGB", (32, 32), (119, 136, 81)).save(
        tmp_path / "moss", "PNG", icc_profile=made(), transparency=(1, 2, 3)
    )
    assert near(sent_pixel(tmp_path / "moss"), (114, 137, 73))


@pytest.mark.parametrize(
    "codes, expected", [((12, 13), (114, 137, 73)), ((12, 16), (119, 136, 81)), ((1, 13), (119, 136, 81))]
)
def test_avif_tells_of_its_space_by_numbers(tmp_path, codes, expected):
    Image.new("RGB", (32, 32), (119, 136, 81)).save(file := io.BytesIO(), "AVIF", quality=100)
    front = b"colrnclx" + struct.pack(">HH", 1, 13)
    assert file.getvalue().count(front) == 1
    (tmp_path / "moss").write_bytes(file.getvalue().replace(front, b"colrnclx" + struct.pack(">HH", *codes)))
    assert near(sent_pixel(tmp_path / "moss"), expected, 4)
