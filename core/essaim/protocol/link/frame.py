"""The frames of a link, byte for byte as docs/protocol/link.md lays them out. Big-endian; a type byte comes first.

Nobody changes a frame; the classes are not frozen because making a frozen one takes three times as long.

A message is one or more whole frames. Every parser of foreign bytes here ends in a frame or in `LinkBrokenError`.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from essaim.protocol.geometry import CELL_SIZES, MESSAGE_LIMIT, NODE_ID_SIZE
from essaim.protocol.keys import SIGNATURE_SIZE
from essaim.protocol.link.refusal import LinkBrokenError
from essaim.protocol.onion.refusal import Refusal

NONCE_SIZE = 32
MESSAGE_CLASS = 0xFF
"""The class of a link that carries messages between nodes, no cells."""


class FrameType(IntEnum):
    """The first byte of a frame."""

    CHALLENGE = 1
    HELLO = 2
    CELL = 3
    GRANT = 4
    CANCEL = 5
    REFUSE = 6
    END = 7
    GOAWAY = 8
    MESSAGE = 9


_CHALLENGE = struct.Struct(">B32sQ")
_HELLO = struct.Struct(">BBB32s32sQ64s")
_CELL = struct.Struct(">BIIB")
_GRANT = struct.Struct(">BIH")
_CALL = struct.Struct(">BI")
_REFUSE = struct.Struct(">BIBQ")
_MESSAGE = struct.Struct(">BI")
_CELL_TYPE, _END_TYPE = int(FrameType.CELL), int(FrameType.END)
"""Of the frames that each call costs: to look a member up takes as long as to pack the frame."""
_CELL_HEAD = _CELL.size

MAX_MESSAGE = MESSAGE_LIMIT - 1_024
"""Most bytes of one MESSAGE."""


@dataclass(slots=True)
class Challenge:
    """The acceptor's first frame: a nonce to sign, and its clock in unix milliseconds."""

    nonce: bytes
    time_ms: int

    def encode(self) -> bytes:
        return _CHALLENGE.pack(FrameType.CHALLENGE, self.nonce, self.time_ms)


@dataclass(slots=True)
class Hello:
    """The dialler's first frame. A client's ids, serial and signature are zeros, except the peer's id."""

    version: int
    link_class: int
    own_id: bytes
    peer_id: bytes
    view_serial: int
    signature: bytes = field(repr=False)

    def encode(self) -> bytes:
        head = (FrameType.HELLO, self.version, self.link_class, self.own_id, self.peer_id)
        return _HELLO.pack(*head, self.view_serial, self.signature)


@dataclass(slots=True)
class Cell:
    """A request (sequence 0, opens the call) or a reply cell; `cell` has the size of a class."""

    call: int
    seq: int
    cell: bytes = field(repr=False)


@dataclass(slots=True)
class Grant:
    """The acceptor may send so many more reply cells of this call."""

    call: int
    cells: int

    def encode(self) -> bytes:
        return _GRANT.pack(FrameType.GRANT, self.call, self.cells)


@dataclass(slots=True)
class Cancel:
    """The dialler wants no more of this call."""

    call: int

    def encode(self) -> bytes:
        return _CALL.pack(FrameType.CANCEL, self.call)


@dataclass(slots=True)
class Refuse:
    """The acceptor will not carry this call (any further). `time_ms`: its clock with STALE, else 0."""

    call: int
    refusal: Refusal
    time_ms: int = 0

    def encode(self) -> bytes:
        return _REFUSE.pack(FrameType.REFUSE, self.call, self.refusal, self.time_ms)


@dataclass(slots=True)
class End:
    """No more reply cells of this call. Says nothing of completeness: only the sealed reply does."""

    call: int

    def encode(self) -> bytes:
        return _CALL.pack(_END_TYPE, self.call)


@dataclass(slots=True)
class Goaway:
    """Its sender drains: no new calls; those under way go on."""

    def encode(self) -> bytes:
        return bytes((FrameType.GOAWAY,))


@dataclass(slots=True)
class Message:
    """Bytes from node to node."""

    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return _MESSAGE.pack(FrameType.MESSAGE, len(self.data)) + self.data


Frame = Challenge | Hello | Cell | Grant | Cancel | Refuse | End | Goaway | Message

_CLASS_OF_SIZE = {size: code for code, size in enumerate(CELL_SIZES)}


def cell_head(call: int, seq: int, cell: bytes) -> bytes:
    """What stands before a cell in its frame. The two are joined once, when the whole batch is."""
    return _CELL.pack(_CELL_TYPE, call, seq, _CLASS_OF_SIZE[len(cell)])


def message_head(data: bytes) -> bytes:
    """What stands before the data in a MESSAGE frame."""
    return _MESSAGE.pack(FrameType.MESSAGE, len(data))


def frames_of(message: memoryview) -> Iterator[Frame]:
    """The frames of one message, in order; LinkBrokenError where it stops being one."""
    at, end = 0, len(message)
    try:
        while at < end:
            frame, at = _PARSERS[message[at]](message, at)
            yield frame
    except (struct.error, KeyError):
        raise LinkBrokenError("a frame that is cut off or unknown") from None


def _body(message: memoryview, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(message):
        raise LinkBrokenError("a frame that is cut off")
    return bytes(message[at:end]), end


def _challenge(message: memoryview, at: int) -> tuple[Frame, int]:
    _, nonce, time_ms = _CHALLENGE.unpack_from(message, at)
    return Challenge(nonce, time_ms), at + _CHALLENGE.size


def _hello(message: memoryview, at: int) -> tuple[Frame, int]:
    _, *fields = _HELLO.unpack_from(message, at)
    return Hello(*fields), at + _HELLO.size


def _cell(message: memoryview, at: int) -> tuple[Frame, int]:
    _, call, seq, code = _CELL.unpack_from(message, at)
    if code >= len(CELL_SIZES):
        raise LinkBrokenError("a cell of no class")
    at += _CELL_HEAD
    end = at + CELL_SIZES[code]
    if end > len(message):
        raise LinkBrokenError("a frame that is cut off")
    return Cell(call, seq, bytes(message[at:end])), end


def _grant(message: memoryview, at: int) -> tuple[Frame, int]:
    _, call, cells = _GRANT.unpack_from(message, at)
    if not cells:
        raise LinkBrokenError("a grant of nothing")
    return Grant(call, cells), at + _GRANT.size


def _refuse(message: memoryview, at: int) -> tuple[Frame, int]:
    _, call, code, time_ms = _REFUSE.unpack_from(message, at)
    try:
        return Refuse(call, Refusal(code), time_ms), at + _REFUSE.size
    except ValueError:
        raise LinkBrokenError("an unknown reason") from None


def _call(frame: type[Cancel] | type[End]) -> Callable[[memoryview, int], tuple[Frame, int]]:
    def parse(message: memoryview, at: int) -> tuple[Frame, int]:
        return frame(_CALL.unpack_from(message, at)[1]), at + _CALL.size

    return parse


def _goaway(_: memoryview, at: int) -> tuple[Frame, int]:
    return Goaway(), at + 1


def _message(message: memoryview, at: int) -> tuple[Frame, int]:
    _, length = _MESSAGE.unpack_from(message, at)
    data, at = _body(message, at + _MESSAGE.size, length)
    return Message(data), at


_PARSERS: dict[int, Callable[[memoryview, int], tuple[Frame, int]]] = {
    FrameType.CHALLENGE: _challenge,
    FrameType.HELLO: _hello,
    FrameType.CELL: _cell,
    FrameType.GRANT: _grant,
    FrameType.CANCEL: _call(Cancel),
    FrameType.REFUSE: _refuse,
    FrameType.END: _call(End),
    FrameType.GOAWAY: _goaway,
    FrameType.MESSAGE: _message,
}

assert _HELLO.size == 3 + 2 * NODE_ID_SIZE + 8 + SIGNATURE_SIZE
assert _CHALLENGE.size == 1 + NONCE_SIZE + 8
