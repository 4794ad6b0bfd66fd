"""Messages of one `bytes` field, number 1, as raw bytes: the same on the wire as the generated stubs, without a copy.

A protobuf message with `bytes frames = 1` is `0x0a | varint length | bytes`. Generated stubs build an object and copy
the bytes twice each way; a link carries 256 KiB a message.
"""

from collections.abc import Iterable

import grpc
import grpc.aio

from essaim.protocol.errors import ProtocolError

_TAG = 0x0A
MAX_VARINT = 5


class RawMessageError(ProtocolError):
    """Not a message of exactly one `bytes` field."""

    reason = "MALFORMED"


def _varint(value: int) -> bytes:
    output = bytearray()
    while value > 0x7F:
        output.append(value & 0x7F | 0x80)
        value >>= 7
    output.append(value)
    return bytes(output)


def encode(pieces: Iterable[bytes]) -> bytes:
    """The message whose field is the pieces, joined once. An empty field is an empty message."""
    parts = [b"", *pieces]
    length = sum(map(len, parts))
    parts[0] = bytes((_TAG,)) + _varint(length) if length else b""
    return b"".join(parts)


def decode(message: bytes) -> memoryview:
    """The field, without a copy; RawMessageError when the message is anything else."""
    view = memoryview(message)
    if not message:
        return view
    if message[0] != _TAG:
        raise RawMessageError("an unknown field")
    length = shift = 0
    for at, byte in enumerate(message[1 : 1 + MAX_VARINT], 2):
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if len(message) - at != length:
                raise RawMessageError("more or less than one field")
            return view[at:]
    raise RawMessageError("a length that does not end")


def _identity(message: bytes) -> bytes:
    return message


LINK_METHOD = "/essaim.link.v1.LinkService/Link"


def link_stream(channel: grpc.aio.Channel) -> grpc.aio.StreamStreamCall[bytes, bytes]:
    """The dialler's end of a link: writes and reads whole messages as bytes (`encode`, `decode`)."""
    return channel.stream_stream(LINK_METHOD, _identity, _identity)()
