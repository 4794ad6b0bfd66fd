"""The sealed part of an export: libsodium's secretstream in chunks of one size, so that no length of a text shows.

sealed   header 24 | chunks of 65,553 bytes: 65,536 of the plaintext each, the last one filled up with zeros
key      HKDF-SHA256(secret, salt = "essaim/export/v1", info = BLAKE2b-256("essaim/export/v1" || front)), 32 bytes
tags     FINAL for the last chunk, MESSAGE for the others; no associated data: the key depends on the whole front
"""

from typing import BinaryIO

from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES,
    crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
)
from nacl.exceptions import CryptoError

from essaim.protocol.export.refusal import ExportRefusedError
from essaim.protocol.kdf import blake2b256, hkdf

LABEL = b"essaim/export/v1"
ROOM = 65_536
HEADER_SIZE = crypto_secretstream_xchacha20poly1305_HEADERBYTES
SEALED_SIZE = ROOM + crypto_secretstream_xchacha20poly1305_ABYTES
State = crypto_secretstream_xchacha20poly1305_state


def stream_state(secret: bytes, front: bytes, header: bytes) -> State:
    """Of either direction: libsodium makes the same of key and header; its own init_push only draws the header."""
    state = State()
    key = hkdf(secret, salt=LABEL, info=blake2b256(LABEL, front), length=32)
    crypto_secretstream_xchacha20poly1305_init_pull(state, header, key)
    return state


class ChunkWriter:
    """Takes the plaintext as it comes; never holds more than a chunk and what was just given."""

    def __init__(self, file: BinaryIO, state: State) -> None:
        self._file = file
        self._state = state
        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        """A chunk leaves when there is more than it holds: the last one is never empty."""
        self._waiting += data
        while len(self._waiting) > ROOM:
            self._push(bytes(self._waiting[:ROOM]), crypto_secretstream_xchacha20poly1305_TAG_MESSAGE)
            del self._waiting[:ROOM]

    def end(self) -> None:
        """The last chunk."""
        self._push(bytes(self._waiting).ljust(ROOM, b"\0"), crypto_secretstream_xchacha20poly1305_TAG_FINAL)

    def _push(self, content: bytes, tag: int) -> None:
        self._file.write(crypto_secretstream_xchacha20poly1305_push(self._state, content, tag=tag))


class ChunkReader:
    """Gives the plaintext as it is asked for. Whatever does not fit is an ExportRefusedError."""

    def __init__(self, file: BinaryIO, state: State) -> None:
        self._file = file
        self._state = state
        self._content = b""
        self._position = 0
        self._last = False

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        taken = bytearray()
        while len(taken) < size:
            if self._position == len(self._content):
                self._next()
            piece = self._content[self._position : self._position + size - len(taken)]
            self._position += len(piece)
            taken += piece
        return bytes(taken)

    def end(self) -> None:
        """That nothing but zeros is left, and nothing stands behind the last chunk."""
        if not self._last or self._content[self._position :].strip(b"\0"):
            raise ExportRefusedError("the export does not end where it says")
        if self._file.read(1):
            raise ExportRefusedError("something stands behind the export's end")

    def _next(self) -> None:
        if self._last:
            raise ExportRefusedError("the export ends before it is closed")
        sealed = self._file.read(SEALED_SIZE)
        if len(sealed) != SEALED_SIZE:
            raise ExportRefusedError("the export is cut short")
        try:
            self._content, tag = crypto_secretstream_xchacha20poly1305_pull(self._state, sealed)
        except (CryptoError, ValueError, RuntimeError) as error:
            raise ExportRefusedError("the passphrase or key is another, or the export was altered") from error
        self._position, self._last = 0, tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL
