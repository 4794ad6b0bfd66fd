"""What a message says of a file so that it can be fetched and opened."""

from collections.abc import Sequence
from dataclasses import dataclass

from essaim.protocol.attachment.keys import KEY_SIZE, FileKeys
from essaim.protocol.attachment.piece import SIZE_MAX, Piece, pieces_of
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.policy import MAILBOX_ID_SIZE, Policy


class AttachmentRefusedError(ProtocolError):
    """Not a file as the protocol has it: its description, or what its pieces hold."""

    reason = "ATTACHMENT_REFUSED"


class FileTooLargeError(ProtocolError):
    """More than 100,000,000 bytes."""

    reason = "FILE_TOO_LARGE"


def check_size(size: int) -> None:
    """Raises FileTooLargeError."""
    if size > SIZE_MAX:
        raise FileTooLargeError("a file may have at most 100 MB (100,000,000 bytes)")


@dataclass(frozen=True)
class Descriptor:
    """`names`: the mailbox ids of its pieces, in order. `expires_ms`: when they go, unix milliseconds."""

    size: int
    keys: FileKeys
    names: tuple[bytes, ...]
    expires_ms: int

    @classmethod
    def check(cls, size: int, key: bytes, names: Sequence[bytes], expires_ms: int) -> "Descriptor":
        """Raises FileTooLargeError or AttachmentRefusedError: of what somebody sent."""
        check_size(size)
        if len(key) != KEY_SIZE or any(len(each) != MAILBOX_ID_SIZE for each in names):
            raise AttachmentRefusedError("the key of a file and the name of a piece have 32 bytes")
        if size < 0 or len(names) != len(pieces_of(size)) or len(set(names)) != len(names):
            raise AttachmentRefusedError("the file has another number of pieces than its size asks for")
        return cls(size, FileKeys(key), tuple(names), expires_ms)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """In order."""
        return pieces_of(self.size)

    def is_piece(self, piece: Piece, blob: bytes) -> bool:
        """Whether these are the bytes that were named."""
        if len(blob) != piece.size:
            return False
        return name_of(self.keys, piece, blob) == self.names[piece.number]


def name_of(keys: FileKeys, piece: Piece, blob: bytes) -> bytes:
    """The mailbox id under which these bytes are kept: 32 bytes."""
    return Policy.blob(keys.delete(piece.number).public, blob).mailbox_id
