"""A file that is to be sent, as it will leave: its bytes, and what is told of it beside them."""

import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from essaim.protocol.attachment.descriptor import check_size
from essaim.protocol.errors import ProtocolError

NAME_MAX = 200
"""Bytes."""
UNKNOWN_TYPE = "application/octet-stream"
HEIC = frozenset({b"ftypheic", b"ftypheix", b"ftypheim", b"ftypheis", b"ftypmif1"})
PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*")


class FileUnreadableError(ProtocolError):
    """Not a file that this program may read."""

    reason = "FILE_UNREADABLE"


@dataclass(frozen=True)
class Source:
    """`open` gives the `size` bytes from the beginning, each time; the rest is what a message's File has."""

    name: str
    media_type: str
    size: int
    open: Callable[[], BinaryIO]
    thumbnail: bytes = b""
    waveform: bytes = b""
    duration_ms: int = 0
    width: int = 0
    height: int = 0


def file_source(path: Path) -> Source:
    """As it is. Raises FileUnreadableError, FileTooLargeError."""
    size = size_of(path)
    return Source(name_of(path), media_type_of(path), size, lambda: path.open("rb"))


def size_of(path: Path) -> int:
    """Bytes of a file that can be sent. Raises FileUnreadableError, FileTooLargeError."""
    try:
        if not path.is_file():
            raise FileUnreadableError("there is no such file")
        with path.open("rb"):
            size = path.stat().st_size
    except OSError:
        raise FileUnreadableError("the file cannot be read") from None
    check_size(size)
    return size


def front_of(path: Path, size: int) -> bytes:
    """At most so many bytes of its beginning. Raises FileUnreadableError."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        raise FileUnreadableError("the file cannot be read") from None


def media_type_of(path: Path) -> str:
    """By the name alone."""
    return mimetypes.guess_type(path.name)[0] or UNKNOWN_TYPE


def is_picture(path: Path) -> bool:
    """By its name or its first bytes: a photo under another name is one, too."""
    size_of(path)
    front = front_of(path, 12)
    looks = front.startswith(PICTURES) or front[8:] == b"WEBP" or front[4:] in HEIC | {b"ftypavif"}
    return looks or media_type_of(path).startswith("image/")


def name_of(path: Path, suffix: str | None = None) -> str:
    """What others see: without the directory, and no longer than a file system takes."""
    ending = path.suffix if suffix is None else suffix
    stem = path.stem.encode(errors="replace")[: NAME_MAX - len(ending.encode(errors="replace"))]
    return stem.decode(errors="ignore") + ending.encode(errors="replace").decode()
