"""What lies in a group's mailbox: envelopes that only the members of the epoch can open.

    envelope   nonce 24, random | XChaCha20-Poly1305(frame key of the day, nonce, padded frame, ad = entry name)
    frame      kind 1 | body       SPOKEN 1 sender_key.py, ANNOUNCED 2 announcement.py, RECORDS 3 a GroupRecords
    padded     length 4 | frame | zeros, so that the envelope has one of the four sizes

Entry names: "spoken" (version 0), "typing" for what passes; "records" (with a version, so an admin's) for all records.
"""

from enum import IntEnum
from typing import NamedTuple

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt
from nacl.exceptions import CryptoError

from essaim.protocol.device import Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.layout import MalformedError
from essaim.protocol.padding import LENGTH_SIZE, envelope_size, pad, unpad

NONCE_SIZE = 24
OVERHEAD = NONCE_SIZE + 16
SPOKEN_ENTRY, RECORDS_ENTRY, TYPING_ENTRY = b"spoken", b"records", b"typing"
BODY_NONCE_SIZE = 12


class FrameRefusedError(ProtocolError):
    """Not sealed under this epoch and day."""

    reason = "GROUP_FRAME_REFUSED"


class FrameKind(IntEnum):
    """The first byte of a frame."""

    SPOKEN = 1
    ANNOUNCED = 2
    RECORDS = 3


class Frame(NamedTuple):
    """`nonce` is the front of the envelope's: a message body is sealed under it, too."""

    kind: FrameKind
    body: bytes
    nonce: bytes


def draw_nonce(random: Random) -> bytes:
    return random(NONCE_SIZE)


def body_nonce(nonce: bytes) -> bytes:
    """What of an envelope's nonce seals the message in it: a store that was put back seals nothing twice under one."""
    return nonce[:BODY_NONCE_SIZE]


def seal_frame(key: bytes, kind: FrameKind, body: bytes, nonce: bytes, entry: bytes = SPOKEN_ENTRY) -> bytes:
    """The smallest envelope that holds it (ContentTooLargeError)."""
    frame = bytes((kind,)) + body
    padded = pad(frame, envelope_size(OVERHEAD + LENGTH_SIZE + len(frame)) - OVERHEAD)
    box: bytes = encrypt(padded, entry, nonce, key)
    return nonce + box


def open_frame(key: bytes, entry: bytes, envelope: bytes) -> Frame:
    """Raises FrameRefusedError, MalformedError."""
    nonce = envelope[:NONCE_SIZE]
    try:
        padded: bytes = decrypt(envelope[NONCE_SIZE:], entry, nonce, key)
    except (CryptoError, ValueError, TypeError) as error:
        raise FrameRefusedError("not sealed under this epoch and day") from error
    frame = unpad(padded)
    try:
        kind = FrameKind(frame[0]) if frame else None
    except ValueError:
        kind = None
    if kind is None or (entry == RECORDS_ENTRY and kind != FrameKind.RECORDS):
        raise MalformedError("a frame of an unknown kind, or in another's place")
    return Frame(kind, frame[1:], body_nonce(nonce))
