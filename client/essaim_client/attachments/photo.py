"""Photos: turned upright, written anew without anything but their pixels, and a small picture beside them.

Of pictures that move the frames stay as they are (`moving`), of HEIC the pictures (`heic`).

What a camera writes into a file (place, time, owner, its own number, a preview of what was cropped) does not leave.
"""

import io
import struct
from pathlib import Path

from PIL import Image, ImageCms, ImageOps

from essaim.protocol.attachment.descriptor import check_size
from essaim.protocol.errors import ProtocolError
from essaim_client.attachments.avif import profile_of_avif
from essaim_client.attachments.boxes import BoxRefusedError
from essaim_client.attachments.heic import cleaned_heic
from essaim_client.attachments.moving import MovingRefusedError, cleaned
from essaim_client.attachments.source import HEIC, FileUnreadableError, Source, front_of, name_of, size_of

PIXELS_MAX = 100_000_000
THUMBNAIL_EDGE = 256
THUMBNAIL_MAX = 8_192
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}
READ = (*SUFFIXES, "TIFF", "AVIF")
PROFILE = "icc_profile"
MOVING = frozenset({"GIF", "PNG", "WEBP"})
SIXTEEN_BITS = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
OF_RGB = frozenset({"RGB", "RGBA", "P", "PA"})
"""Modes whose profile is one of red, green and blue."""
UNBOUND = frozenset({"I", "F"})
"""Modes whose white is anybody's guess."""
BROKEN = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    struct.error,
    MovingRefusedError,
    Image.DecompressionBombError,
)
"""What reading a damaged picture ends with: each of its formats has its own way."""
OPTIONS: dict[str, dict[str, int | bool]] = {
    "JPEG": {"quality": 92, "optimize": True},
    "PNG": {"optimize": False},
    "WEBP": {"quality": 92},
}


class PhotoRefusedError(ProtocolError):
    """Not a photo that can be written anew without its metadata."""

    reason = "PHOTO_REFUSED"


def photo_source(path: Path) -> Source:
    """Raises PhotoRefusedError, FileUnreadableError, FileTooLargeError."""
    size_of(path)
    if _is_heic(path):
        return _heic_source(path)
    try:
        # By its file, not its name: what Pillow 13 maps into memory (TIFF without compression) it turns wrongly.
        with path.open("rb") as file, Image.open(file, formats=READ) as image:
            form, moves = _form(image), image.format != "MPO" and getattr(image, "is_animated", False)
            if image.width * image.height > PIXELS_MAX:
                raise PhotoRefusedError("a photo may have at most 100 million pixels")
            if moves and image.format not in MOVING:
                raise PhotoRefusedError(
                    "several pictures in a file cannot be cleaned of metadata here: send it as it is"
                )
            data, pixels = _moving(path) if moves or form == "GIF" else _still(path, image, form)
    except BROKEN:
        raise PhotoRefusedError("the picture cannot be read, so not be cleaned of metadata: send it as it is") from None
    check_size(len(data))
    return Source(
        name_of(path, SUFFIXES[form]),
        Image.MIME[form],
        len(data),
        lambda: io.BytesIO(data),
        thumbnail=_thumbnail(pixels),
        width=pixels.width,
        height=pixels.height,
    )


def _is_heic(path: Path) -> bool:
    front = front_of(path, 64)
    return front[4:12] in HEIC and b"avif" not in front


def _heic_source(path: Path) -> Source:
    """Without a small picture, for which it would have to be decoded."""
    try:
        data = cleaned_heic(path.read_bytes())
    except BoxRefusedError as error:
        raise PhotoRefusedError(f"the photo cannot be cleaned of metadata: {error}") from None
    except OSError:
        raise FileUnreadableError("the file cannot be read") from None
    return Source(name_of(path, ".heic"), "image/heic", len(data), lambda: io.BytesIO(data))


def picture_of(path: Path) -> bytes:
    """A small JPEG of a picture's pixels, at most 8,192 bytes. Raises as `photo_source`."""
    thumbnail = photo_source(path).thumbnail
    if not thumbnail:
        raise PhotoRefusedError("the picture cannot be made small enough")
    return thumbnail


def _form(image: Image.Image) -> str:
    """What it is written as; a format that few programs read becomes one that all do."""
    match image.format:
        case "MPO":  # many phones: a JPEG with others behind it
            return "JPEG"
        case "AVIF" if not image.has_transparency_data:
            return "JPEG"
        case "AVIF" | "TIFF":
            return "PNG"
    return str(image.format)


def _moving(path: Path) -> tuple[bytes, Image.Image]:
    data = cleaned(path.read_bytes())
    with Image.open(io.BytesIO(data), formats=tuple(MOVING)) as first:
        return data, _pixels(first)


def _still(path: Path, image: Image.Image, form: str) -> tuple[bytes, Image.Image]:
    if image.format == "AVIF" and not image.info.get(PROFILE):
        image.info[PROFILE] = profile_of_avif(path.read_bytes())
    pixels = _pixels(image)
    return _written(pixels, form, **OPTIONS[form]), pixels


def _pixels(image: Image.Image) -> Image.Image:
    """Upright, in sRGB (a profile may name the device), and without whatever else was in the file."""
    if image.mode in UNBOUND:
        raise ValueError(image.mode)
    upright = _of_eight_bits(ImageOps.exif_transpose(image))
    profile = upright.info.get(PROFILE)
    clear = "RGBA" if upright.has_transparency_data else "RGB"
    plain = upright if upright.mode in {"L", clear} else upright.convert(clear)
    if profile and plain.mode == clear and upright.mode in OF_RGB:
        plain = _in_srgb(plain, profile)
    fresh = Image.new(plain.mode, plain.size)
    fresh.paste(plain)
    return fresh


def _of_eight_bits(image: Image.Image) -> Image.Image:
    """Of a grey picture with 16 bits the upper ones; converted as it is, all but the darkest would be white."""
    if image.mode not in SIXTEEN_BITS:
        return image
    return image.point(lambda value: value * (1 / 256)).convert("L")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB")) or image
    except (ImageCms.PyCMSError, OSError):
        return image


def _thumbnail(image: Image.Image) -> bytes:
    """A JPEG that a message has room for."""
    small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE))
    for quality in (70, 50, 30, 10):
        data = _written(small, "JPEG", quality=quality, optimize=True)
        if len(data) <= THUMBNAIL_MAX:
            return data
    return b""


def _written(image: Image.Image, form: str, **options: int | bool) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
