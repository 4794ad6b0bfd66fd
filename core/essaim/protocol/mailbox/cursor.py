"""A cursor: how far a reader has read at each of up to 8 replicas.

    cursor  version u8 (1) | count u8 | count * (replica 8 | incarnation 16 | number u64)

`replica` is the first 8 bytes of a node id; `incarnation` is random and changes whenever that node's database is
restored; `number` is the arrival number of the last record read there. Opaque to clients. The replica last read comes
first; the ninth is dropped. The empty cursor (no bytes) is the beginning.
"""

from dataclasses import dataclass

from essaim.protocol.mailbox.refusal import CursorMalformedError

VERSION = 1
MAX_POSITIONS = 8
REPLICA_SIZE = 8
INCARNATION_SIZE = 16
_POSITION_SIZE = REPLICA_SIZE + INCARNATION_SIZE + 8


@dataclass(frozen=True)
class Position:
    """How far was read at one replica."""

    replica: bytes
    incarnation: bytes
    number: int


@dataclass(frozen=True)
class Cursor:
    """Where a reader is; immutable."""

    positions: tuple[Position, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> "Cursor":
        """Raises CursorMalformedError."""
        if not data:
            return cls()
        valid = len(data) >= 2 and data[0] == VERSION and 1 <= data[1] <= MAX_POSITIONS
        if not valid or len(data) != 2 + data[1] * _POSITION_SIZE:
            raise CursorMalformedError("not a cursor")
        positions = tuple(_position(data[at : at + _POSITION_SIZE]) for at in range(2, len(data), _POSITION_SIZE))
        if len({each.replica for each in positions}) != len(positions):
            raise CursorMalformedError("a replica twice")
        return cls(positions)

    @property
    def encoded(self) -> bytes:
        if not self.positions:
            return b""
        each = (p.replica + p.incarnation + p.number.to_bytes(8) for p in self.positions)
        return bytes((VERSION, len(self.positions))) + b"".join(each)

    def number_at(self, node_id: bytes, incarnation: bytes) -> int:
        """The last number read at this replica in this incarnation; 0: nothing yet."""
        replica = node_id[:REPLICA_SIZE]
        found = (p.number for p in self.positions if p.replica == replica and p.incarnation == incarnation)
        return next(found, 0)

    def advanced(self, node_id: bytes, incarnation: bytes, number: int) -> "Cursor":
        """The same reader, having read up to `number` here."""
        replica = node_id[:REPLICA_SIZE]
        others = tuple(each for each in self.positions if each.replica != replica)
        return Cursor((Position(replica, incarnation, number), *others)[:MAX_POSITIONS])


def _position(data: bytes) -> Position:
    incarnation_end = REPLICA_SIZE + INCARNATION_SIZE
    number = int.from_bytes(data[incarnation_end:])
    if number >> 63:
        raise CursorMalformedError("a number out of range")
    return Position(data[:REPLICA_SIZE], data[REPLICA_SIZE:incarnation_end], number)
