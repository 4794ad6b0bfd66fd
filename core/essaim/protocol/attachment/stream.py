"""Sealing and opening a file piece by piece, in order: libsodium's secretstream (XChaCha20-Poly1305).

The tag of the last piece is FINAL, of the others MESSAGE; no associated data. A piece out of its place, another file's,
or a missing end does not open.
"""

from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
)
from nacl.exceptions import CryptoError

from essaim.protocol.attachment.descriptor import AttachmentRefusedError
from essaim.protocol.attachment.keys import FileKeys
from essaim.protocol.attachment.piece import HEADER_SIZE, Piece

State = crypto_secretstream_xchacha20poly1305_state


class Sealer:
    """Pieces of one file in order. `header`: 24 random bytes.

    The same key and header with the same content yield the same bytes, so an upload can go on after a kill. With
    another content they must never be used: compare the pieces' names before a byte leaves.
    """

    def __init__(self, keys: FileKeys, header: bytes) -> None:
        self._header = header
        self._state = _state(keys, header)

    def seal(self, piece: Piece, content: bytes) -> bytes:
        """The next piece's blob; `content` has its length (ValueError)."""
        if len(content) != piece.length:
            raise ValueError("a piece holds as many bytes as it was cut for")
        tag = (
            crypto_secretstream_xchacha20poly1305_TAG_FINAL
            if piece.last
            else crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
        )
        box: bytes = crypto_secretstream_xchacha20poly1305_push(self._state, content.ljust(piece.room, b"\0"), tag=tag)
        return box if piece.number else self._header + box


class Opener:
    """Opens the pieces of one file in order."""

    def __init__(self, keys: FileKeys) -> None:
        self._keys = keys
        self._state: State | None = None

    def open(self, piece: Piece, blob: bytes) -> bytes:
        """The content of the next piece. Raises AttachmentRefusedError."""
        if len(blob) != piece.size:
            raise AttachmentRefusedError("a piece has another size than the file asks for")
        if piece.number == 0:
            self._state, blob = _state(self._keys, blob[:HEADER_SIZE]), blob[HEADER_SIZE:]
        if self._state is None:
            raise AttachmentRefusedError("the pieces of a file are opened in order")
        try:
            content, tag = crypto_secretstream_xchacha20poly1305_pull(self._state, blob)
        except (CryptoError, ValueError, RuntimeError):
            raise AttachmentRefusedError("a piece does not open: it was altered, or is another's") from None
        if (tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL) != piece.last:
            raise AttachmentRefusedError("the file ends elsewhere than it says")
        if content[piece.length :].strip(b"\0"):
            raise AttachmentRefusedError("the padding is not zero")
        return bytes(content[: piece.length])


def _state(keys: FileKeys, header: bytes) -> State:
    """Of either direction: libsodium makes the same of key and header; its own init_push only draws the header."""
    state = State()
    crypto_secretstream_xchacha20poly1305_init_pull(state, header, keys.stream)
    return state
