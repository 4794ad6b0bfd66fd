"""Files that others tell of: their description and names, and their pieces."""

from collections.abc import Iterator

from google.protobuf.message import DecodeError
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
)

from essaim.messaging.v1 import content_pb2
from essaim.protocol.attachment import (
    AttachmentRefusedError,
    Descriptor,
    FileKeys,
    FileTooLargeError,
    Opener,
    pieces_of,
)
from essaim.protocol.attachment.piece import HEADER_SIZE
from essaim.protocol.attachment.stream import _state
from essaim_client.attachments.download import safe_name
from essaim_client.attachments.source import NAME_MAX
from essaim_client.messaging.sender import file_message
from essaim_client.messaging.transcript import file_of
from fuzzed.parser import Parser, chosen

KEYS = FileKeys(bytes(range(32)))
HEADER = bytes(HEADER_SIZE)
FILE = pieces_of(1_000)
SEVERAL = pieces_of(600_000)


def description(data: bytes) -> object:
    try:
        told = content_pb2.File.FromString(data)
    except DecodeError:
        return None  # the content around it is none either
    shown = file_message(file_of(told))
    name = safe_name(shown.name)
    assert name not in ("", ".", "..") and not set(name) & set("/\\\0") and len(name.encode()) <= NAME_MAX
    return Descriptor.check(shown.size, shown.key, shown.blobs, shown.expires_ms)


def descriptions() -> Iterator[bytes]:
    one = content_pb2.File(name="a.txt", media_type="text/plain", size=1_000, key=KEYS.key, blobs=[b"b" * 32])
    yield one.SerializeToString()
    more = content_pb2.File(
        name="../..\\photo.jpeg", size=600_000, key=KEYS.key, blobs=[bytes([n]) * 32 for n in range(3)], waveform=b"w"
    )
    yield more.SerializeToString()


def name(data: bytes) -> object:
    """Any text at all: a name that stays in its directory, and can be written."""
    found = safe_name(data.decode(errors="replace"))
    assert found not in ("", ".", "..") and not set(found) & set("/\\\0") and len(found.encode()) <= NAME_MAX
    return found


def names() -> Iterator[bytes]:
    yield from (b"a.txt", b"../../etc/passwd", "…\u202egpj.exe".encode(), b"." * 9, b"x" * 300 + b"." + b"y" * 99)


def piece(data: bytes) -> object:
    """A piece that the sender has sealed: its padding, and where it says that the file ends."""
    how, content = chosen(data, 8)
    file = SEVERAL if how & 4 else FILE
    tag = (
        crypto_secretstream_xchacha20poly1305_TAG_FINAL
        if how & 1
        else crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
    )
    size = len(content) if how & 2 else file[0].room
    box = crypto_secretstream_xchacha20poly1305_push(_state(KEYS, HEADER), content[:size].ljust(size, b"\0"), tag=tag)
    opened = Opener(KEYS).open(file[0], HEADER + box)
    assert len(opened) == file[0].length
    return opened


def pieces() -> Iterator[bytes]:
    yield b"\1" + b"c" * 1_000
    yield b"\1" + b"c" * 1_001
    yield b"\0" + b"c" * 1_000
    yield b"\4" + b"c" * 64
    yield b"\3short"


PARSERS = (
    Parser(
        "attachment.description", description, (AttachmentRefusedError, FileTooLargeError), descriptions, longest=1_024
    ),
    Parser("attachment.name", name, (), names, longest=512),
    Parser("attachment.piece", piece, (AttachmentRefusedError,), pieces, longest=1_200),
)
