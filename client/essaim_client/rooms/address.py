"""How a room is named: `<host>/<room>`, the host by 64 hexadecimal digits (or the first 12 and more), the room by name.

An invitation adds `?token=<32 hexadecimal digits>` and the room's id, by which alone an unlisted room is known.
"""

from dataclasses import dataclass

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import PUBLIC_SIZE
from essaim.protocol.opengroup.chain import ROOM_ID_SIZE
from essaim.protocol.opengroup.settings import NAME, TOKEN_SIZE

LEAST_DIGITS = 12
DIGITS = frozenset("0123456789abcdef")


class RoomAddressError(ProtocolError):
    """Not the name of a host or room."""

    reason = "ROOM_ADDRESS_REFUSED"


@dataclass(frozen=True)
class RoomAddress:
    """`host` may be the beginning of a host id; `room` a name, or 32 digits of a room id."""

    host: str
    room: str
    token: bytes = b""

    def __str__(self) -> str:
        return f"{self.host}/{self.room}" + (f"?token={self.token.hex()}" if self.token else "")

    @property
    def room_id(self) -> bytes:
        """Empty where the room is given by name."""
        return bytes.fromhex(self.room[1:]) if self.room.startswith("=") else b""

    @classmethod
    def parse(cls, text: str) -> "RoomAddress":
        """Raises RoomAddressError."""
        place, _, query = text.strip().partition("?")
        host, slash, room = place.partition("/")
        if not slash or not (NAME.fullmatch(room) or (room.startswith("=") and _is_hex(room[1:], ROOM_ID_SIZE))):
            raise RoomAddressError("a room is named by host/room")
        token = query.removeprefix("token=")
        if query and not (query.startswith("token=") and _is_hex(token, TOKEN_SIZE)):
            raise RoomAddressError("an invitation ends with ?token= and 32 hexadecimal digits")
        return cls(host_part(host), room, bytes.fromhex(token))


def host_part(text: str) -> str:
    """A host id or its beginning, checked in form. Raises RoomAddressError."""
    folded = text.strip().lower()
    if not LEAST_DIGITS <= len(folded) <= 2 * PUBLIC_SIZE or set(folded) - DIGITS:
        raise RoomAddressError(f"a host is named by {LEAST_DIGITS} to {2 * PUBLIC_SIZE} hexadecimal digits")
    return folded


def member_part(text: str) -> bytes:
    """A member's key. Raises RoomAddressError."""
    if not _is_hex(text.strip().lower(), PUBLIC_SIZE):
        raise RoomAddressError("a member is named by 64 hexadecimal digits")
    return bytes.fromhex(text.strip())


def _is_hex(text: str, size: int) -> bool:
    return len(text) == 2 * size and not set(text) - DIGITS
