"""The routing block: the 64 bytes that one hop reads.

    command 1 | flags 1 | next node id 32 | delay 2 | issued minute 4 | next key id 4 | reserved 20

Big-endian. Flags, delay and reserved are zero in version 1; next node id and next key id are zero unless the command
is RELAY. Anything else is refused: one meaning has one form.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

from essaim.protocol.geometry import KEY_ID_SIZE, NODE_ID_SIZE
from essaim.protocol.onion.refusal import BadCellError

_BLOCK = struct.Struct(">BB32sHI4s20s")
_NO_NODE = bytes(NODE_ID_SIZE)
_NO_KEY = bytes(KEY_ID_SIZE)
_RESERVED = bytes(20)
_RELAY, _DROP = 1, 3  # of Command: to look a member up takes longer than all comparisons together


class Command(IntEnum):
    """What a hop does with the cell."""

    RELAY = 1
    DELIVER = 2
    DROP = 3


class Routing(NamedTuple):
    """One hop's instruction. `minute` is the unix minute of issue, the same in all layers."""

    command: int
    """A Command."""
    minute: int
    next_node: bytes = _NO_NODE
    next_key_id: bytes = _NO_KEY

    def encode(self) -> bytes:
        """The 64 bytes."""
        return _BLOCK.pack(self.command, 0, self.next_node, 0, self.minute, self.next_key_id, _RESERVED)

    @classmethod
    def parse(cls, block: bytes) -> "Routing":
        """The block of exactly 64 bytes; BadCellError unless it is in its one form."""
        command, flags, next_node, delay, minute, next_key_id, reserved = _BLOCK.unpack(block)
        if flags or delay or reserved != _RESERVED or not _RELAY <= command <= _DROP:
            raise BadCellError("a routing block that this version does not know")
        if (next_node == _NO_NODE) is (command == _RELAY):
            raise BadCellError("a next node where none belongs, or none where one does")
        if command != _RELAY and next_key_id != _NO_KEY:
            raise BadCellError("a next key where none belongs")
        return cls._make((command, minute, next_node, next_key_id))
