"""What becomes of photos and sound before they leave, and of names that others give to files."""

import io
import os
import random
import struct
import wave
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageSequence
from PIL.PngImagePlugin import PngInfo

from essaim.protocol.attachment import SIZE_MAX, FileTooLargeError
from essaim_client.attachments.download import _name, safe_name
from essaim_client.attachments.moving import MovingRefusedError, cleaned
from essaim_client.attachments.photo import THUMBNAIL_MAX, PhotoRefusedError, photo_source
from essaim_client.attachments.source import FileUnreadableError, file_source, is_picture
from essaim_client.attachments.voice import VoiceRefusedError, voice_source, waveform

SEED = 20261123
SECRET = "50.1234 N owner Jane"
ORIENTATION, GPS, MAKER = 0x0112, 0x8825, 0x010F


def exif_of(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[MAKER], exif[ORIENTATION] = SECRET, orientation
    exif.get_ifd(GPS)[29] = SECRET
    return exif


def sent(source) -> bytes:
    with source.open() as file:
        data = file.read()
    assert len(data) == source.size
    return data


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_photo_keeps_its_pixels_and_nothing_else(tmp_path, form):
    path = tmp_path / f"holiday.{form.lower()}"
    notes = PngInfo()
    notes.add_text("Author", SECRET)
    more = {"pnginfo": notes} if form == "PNG" else {"comment": SECRET.encode()} if form == "JPEG" else {}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (600, 400), (200, 30, 60)).save(path, form, exif=exif_of(), icc_profile=profile, **more)
    assert SECRET.encode() in path.read_bytes()
    source = photo_source(path)
    data = sent(source)
    assert SECRET.encode() not in data
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size, dict(image.getexif())) == (form, (600, 400), {})
        assert not {"icc_profile", "comment", "Author", "exif", "xmp"} & set(image.info)
        assert all(
            abs(a - b) < 8 for a, b in zip(image.convert("RGB").getpixel((300, 200)), (200, 30, 60), strict=True)
        )
    with Image.open(io.BytesIO(source.thumbnail)) as small:
        assert small.format == "JPEG" and max(small.size) == 256 and len(source.thumbnail) <= THUMBNAIL_MAX
        assert not dict(small.getexif())


def test_photo_is_turned_as_its_orientation_said(tmp_path):
    path = tmp_path / "upright.jpg"
    Image.new("RGB", (600, 400)).save(path, exif=exif_of(orientation=6))
    source = photo_source(path)
    assert (source.width, source.height, source.media_type) == (400, 600, "image/jpeg")


def test_transparency_stays(tmp_path):
    Image.new("RGBA", (20, 20), (1, 2, 3, 0)).save(tmp_path / "icon.png")
    with Image.open(io.BytesIO(sent(photo_source(tmp_path / "icon.png")))) as image:
        assert image.getpixel((0, 0)) == (1, 2, 3, 0)


def test_noise_has_a_thumbnail_that_fits(tmp_path):
    Image.effect_noise((1_000, 1_000), 100).save(tmp_path / "noise.png")
    assert len(photo_source(tmp_path / "noise.png").thumbnail) <= THUMBNAIL_MAX


def test_what_is_no_clean_photo_is_refused(tmp_path):
    frames = [Image.new("RGB", (9, 9), (n, 0, 0)) for n in (0, 200)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "moving.gif").write_bytes((tmp_path / "moving.gif").read_bytes()[:-9])
    frames[0].save(tmp_path / "pages.tiff", save_all=True, append_images=frames[1:])
    Image.new("F", (9, 9)).save(tmp_path / "measured.tiff")
    frames[0].save(tmp_path / "cut.png")
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "page.svg").write_text("<svg/>")
    for name in ("moving.gif", "pages.tiff", "measured.tiff", "cut.png", "page.svg"):
        assert is_picture(tmp_path / name)
        with pytest.raises(PhotoRefusedError):
            photo_source(tmp_path / name)


def test_damaged_picture_is_refused_however_its_reader_fails(tmp_path):
    """Pillow says so with an IndexError, a struct.error and a RuntimeError here."""
    frames = [Image.effect_noise((8, 8), 50).convert("P") for _ in range(2)]
    frames[0].save(file := io.BytesIO(), "GIF", save_all=True, append_images=frames[1:])
    moving = file.getvalue()
    second = moving.rindex(b"\x2c" + bytes(4))
    frames[0].convert("RGB").save(file := io.BytesIO(), "AVIF")
    still = bytearray(file.getvalue())
    still[still.index(b"mdat") + 4 :] = b"\xff" * len(still[still.index(b"mdat") + 4 :])
    for data in (moving[: second + 10], moving[: moving.rindex(b"\x21\xf9") + 4], bytes(still)):
        (tmp_path / "damaged").write_bytes(data)
        with pytest.raises(PhotoRefusedError):
            photo_source(tmp_path / "damaged")


def frames_of(data: bytes) -> list[tuple[bytes, int]]:
    with Image.open(io.BytesIO(data)) as image:
        return [
            (each.convert("RGBA").tobytes(), each.info.get("duration", 0)) for each in ImageSequence.Iterator(image)
        ]


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_moving_picture_keeps_its_frames_and_nothing_else(tmp_path, form):
    path = tmp_path / f"dance.{form.lower()}"
    first, *others = [Image.effect_noise((40, 30), shade).convert("RGB") for shade in (20, 90, 160)]
    notes = PngInfo()
    notes.add_text("Author", SECRET)
    exif = {} if form == "GIF" else {"exif": exif_of()}
    more = {"GIF": {"comment": SECRET.encode()}, "PNG": {"pnginfo": notes}, "WEBP": {"xmp": SECRET.encode()}}[form]
    profile = (
        {} if form == "GIF" else {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()}
    )
    first.save(
        path, form, save_all=True, append_images=others, duration=[70, 120, 200], loop=3, **exif, **more, **profile
    )
    with path.open("ab") as file:
        file.write(SECRET.encode())
    whole = path.read_bytes()
    source = photo_source(path)
    data = sent(source)
    assert whole.count(SECRET.encode()) > 1 and SECRET.encode() not in data
    assert frames_of(data) == frames_of(whole) and len(frames_of(data)) == 3
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["loop"] == 3 and not {"icc_profile", "comment", "Author", "exif", "xmp"} & set(image.info)
    assert (source.name, source.width, source.height) == (path.name, 40, 30) and source.thumbnail
    assert cleaned(data) == data


def bits_of(codes: list[tuple[int, int]]) -> bytes:
    """Codes of GIF as bytes; each with its width."""
    whole = shift = 0
    for code, width in codes:
        whole, shift = whole | code << shift, shift + width
    return whole.to_bytes((shift + 7) // 8, "little")


def gif_of(data: bytes, width: int, height: int) -> bytes:
    """One frame of two bits for a pixel: 4 clears, 5 ends."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, 0, 0) + bytes(range(12))
    parts = b"".join(bytes([len(each)]) + each for each in (data[at : at + 9] for at in range(0, len(data), 9)))
    return screen + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02" + parts + b"\0;"


@pytest.mark.parametrize("size", [(4, 4), (300, 200)])
def test_what_stands_behind_the_last_code_of_a_frame_goes(size):
    """Of small frames, and of those whose table of codes is full and begun anew."""
    frames = [Image.effect_noise(size, shade).convert("P") for shade in (30, 90)]
    frames[0].save(file := io.BytesIO(), "GIF", save_all=True, append_images=frames[1:])
    whole = file.getvalue()
    second = whole.rindex(b"\0\x21\xf9\x04") if b"\0\x21\xf9\x04" in whole else whole.rindex(b"\0\x2c" + bytes(4))
    note = bytes([len(SECRET)]) + SECRET.encode()
    hidden = whole[:second] + note + whole[second:-2] + note + note + b"\0;"
    clean = cleaned(hidden)
    assert clean == cleaned(whole) and SECRET.encode() not in clean
    assert frames_of(clean) == frames_of(whole) and len(frames_of(clean)) == 2


@pytest.mark.parametrize("end", [[], [(5, 4)]])
def test_frame_without_an_end_code_ends_with_its_last_pixel(end):
    codes = [(4, 3), (1, 3), (6, 3), (2, 3)]  # 1, 1 1, 2; then the table has eight entries, and codes four bits
    plain = gif_of(bits_of(codes + end), 2, 2)
    assert cleaned(gif_of(bits_of(codes + end) + SECRET.encode(), 2, 2)) == plain == cleaned(plain)
    with Image.open(io.BytesIO(plain)) as image:
        assert image.convert("P").tobytes() == bytes([1, 1, 1, 2])


@pytest.mark.parametrize("codes", [[(4, 3), (6, 3)], [(4, 3), (1, 3), (7, 3)]])
def test_code_that_stands_for_nothing_is_refused(codes):
    with pytest.raises(MovingRefusedError):
        cleaned(gif_of(bits_of(codes), 9, 9))


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_tiff_becomes_png_upright_and_without_metadata(tmp_path, mode, compression):
    image = Image.new("RGB", (60, 40), "white")
    image.paste("black", (0, 0, 10, 10))
    image.convert(mode).save(tmp_path / "scan.tif", exif=exif_of(orientation=6), compression=compression)
    source = photo_source(tmp_path / "scan.tif")
    assert (source.name, source.media_type, source.width, source.height) == ("scan.png", "image/png", 40, 60)
    with Image.open(io.BytesIO(sent(source))) as read:
        corners = [read.convert("L").getpixel(place) for place in ((35, 5), (5, 5), (35, 55), (5, 55))]
        assert corners == [0, 255, 255, 255] and not dict(read.getexif())


def test_avif_becomes_what_every_program_reads(tmp_path):
    Image.new("RGB", (60, 40), (200, 30, 60)).save(tmp_path / "photo.avif", exif=exif_of())
    Image.new("RGBA", (60, 40), (200, 30, 60, 9)).save(tmp_path / "icon.avif")
    assert SECRET.encode() in (tmp_path / "photo.avif").read_bytes()
    photo, icon = photo_source(tmp_path / "photo.avif"), photo_source(tmp_path / "icon.avif")
    assert (photo.name, icon.name) == ("photo.jpg", "icon.png") and SECRET.encode() not in sent(photo)


def test_grey_picture_of_sixteen_bits_stays_grey(tmp_path):
    image = Image.new("I;16", (2, 1))
    image.putpixel((0, 0), 65_535)
    image.putpixel((1, 0), 32_768)
    image.save(tmp_path / "x-ray.png")
    with Image.open(io.BytesIO(sent(photo_source(tmp_path / "x-ray.png")))) as read:
        assert [read.convert("L").getpixel((x, 0)) for x in (0, 1)] == [255, 128]


def test_whatever_stands_in_a_moving_picture_it_is_refused_or_cleaned(tmp_path):
    dice = random.Random(SEED)
    frames = [Image.new("RGB", (9, 9), (n, 0, 0)) for n in (0, 90, 200)]
    wholes = []
    for form in ("GIF", "PNG", "WEBP"):
        frames[0].save(file := io.BytesIO(), form, save_all=True, append_images=frames[1:])
        wholes.append(file.getvalue())
    kept = 0
    for _ in range(3_000):
        data = bytearray(dice.choice(wholes))
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(8, len(data))] = dice.randrange(256)
        try:
            once = cleaned(bytes(data[: dice.choice([len(data), dice.randrange(len(data))])]))
        except MovingRefusedError:
            continue
        kept += 1
        assert cleaned(once) == once
    assert kept > 100, SEED


def test_picture_is_known_by_its_bytes_too(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "notes.txt", "JPEG")
    (tmp_path / "real.txt").write_text("notes")
    assert is_picture(tmp_path / "notes.txt") and not is_picture(tmp_path / "real.txt")


def sound(path, samples: bytes, width: int, channels: int = 1, rate: int = 8_000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(samples)


def test_voice_message_has_its_length_and_loudness_and_no_notes(tmp_path):
    path = tmp_path / "hello.wav"
    quiet, loud = struct.pack("<h", 0) * 8_000, struct.pack("<h", -32_768) * 8_000
    sound(path, quiet + loud, 2)
    note = SECRET.encode().ljust(20, b"\0")
    with path.open("ab") as file:
        file.write(b"LIST" + struct.pack("<I", 12 + len(note)) + b"INFOIART" + struct.pack("<I", len(note)) + note)
    source = voice_source(path)
    assert (source.duration_ms, source.media_type, source.name) == (2_000, "audio/wav", "hello.wav")
    assert source.waveform == bytes(64) + b"\xff" * 64
    assert SECRET.encode() not in sent(source)


@pytest.mark.parametrize(
    ("width", "silent", "loudest"),
    [(1, b"\x80", b"\0"), (2, bytes(2), b"\0\x80"), (3, bytes(3), b"\0\0\x80"), (4, bytes(4), b"\0\0\0\x80")],
)
def test_loudness_of_each_sample_width(width, silent, loudest):
    assert waveform(silent * 200 + loudest * 200, width) == bytes(64) + b"\xff" * 64
    assert waveform(silent * 3, width) == bytes(3)


def test_what_is_no_sound_is_refused(tmp_path):
    (tmp_path / "song.opus").write_bytes(b"OggS" + bytes(100))
    (tmp_path / "empty.wav").touch()
    sound(tmp_path / "silent.wav", b"", 2)
    for name in ("song.opus", "empty.wav", "silent.wav"):
        with pytest.raises(VoiceRefusedError):
            voice_source(tmp_path / name)


def test_file_that_is_too_large_or_none_is_refused(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(SIZE_MAX + 1)
    with pytest.raises(FileTooLargeError):
        file_source(tmp_path / "large")
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(FileUnreadableError):
            file_source(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that opens and cannot be read")
@pytest.mark.parametrize("read", [is_picture, photo_source, voice_source])
def test_file_that_opens_and_cannot_be_read_is_refused(read):
    with pytest.raises(FileUnreadableError):
        read(Path("/proc/self/mem"))


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("..", "file"),
        ("", "file"),
        (".bashrc", "bashrc"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe"),
        ("a\0b\n.txt", "a_b_.txt"),
        ("-rf", "-rf"),
        ("Ünïcode 名.txt", "Ünïcode 名.txt"),
    ],
)
def test_name_of_somebody_else_stays_in_its_directory(told, kept):
    assert safe_name(told) == kept


def test_long_name_is_cut_before_its_ending():
    name = safe_name("ü" * 500 + ".tar.gz")
    assert len(name.encode()) <= 200 and name.endswith(".gz")


def test_file_on_a_file_system_without_links_goes_over_no_other(tmp_path, monkeypatch):
    """Another program makes one of this name just after it was looked for."""

    def refused(clear, path):
        (tmp_path / "notes.txt").write_text("another's")
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(type(tmp_path), "exists", lambda path: False)
    (tmp_path / "part").write_text("whole")
    saved = _name(tmp_path / "part", tmp_path, "notes.txt")
    assert saved == tmp_path / "notes (1).txt" and saved.read_text() == "whole"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["notes (1).txt", "notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "another's"
