"""What becomes of photos and sound before they leave, and of names that others give to files."""

import io
import struct
import wave

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from essaim.protocol.attachment import SIZE_MAX, FileTooLargeError
from essaim_client.attachments.download import safe_name
from essaim_client.attachments.photo import THUMBNAIL_MAX, PhotoRefusedError, photo_source
from essaim_client.attachments.source import FileUnreadableError, file_source, is_picture
from essaim_client.attachments.voice import VoiceRefusedError, voice_source, waveform

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
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "cut.png")
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "page.svg").write_text("<svg/>")
    for name in ("moving.webp", "cut.png", "page.svg"):
        assert is_picture(tmp_path / name)
        with pytest.raises(PhotoRefusedError):
            photo_source(tmp_path / name)


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
