"""Reading the fixed binary layouts of what others sent: big-endian, no optional bytes, nothing left over."""

from essaim.protocol.errors import ProtocolError


class MalformedError(ProtocolError):
    """Not laid out as the protocol says: too short, too long, or an unknown version."""

    reason = "MALFORMED"


class Reader:
    """Takes fields off the front of `data`; whatever does not fit is a `MalformedError`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._data):
            raise MalformedError("a field is cut short")
        field = self._data[self._position : end]
        self._position = end
        return field

    def number(self, size: int) -> int:
        """An unsigned big-endian number of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def block(self, length_size: int = 4) -> bytes:
        """Bytes behind their own length, a number of `length_size` bytes."""
        return self.take(self.number(length_size))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._position)

    def version(self, expected: int) -> None:
        if self.number(1) != expected:
            raise MalformedError("an unknown version")

    @property
    def position(self) -> int:
        return self._position

    def end(self) -> None:
        if self._position != len(self._data):
            raise MalformedError("bytes are left over")


def block(data: bytes, length_size: int = 4) -> bytes:
    """`data` behind its length: what `Reader.block` takes."""
    return len(data).to_bytes(length_size, "big") + data
