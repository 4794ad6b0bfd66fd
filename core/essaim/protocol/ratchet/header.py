"""Message headers, encrypted (Double Ratchet, section 4.2) unless the suite says otherwise.

    header      X25519 key 32 | ML-KEM key 1184 | ML-KEM ciphertext 1088 | PN 4 | N 4           2312 bytes
    on the wire tag 8 | nonce 12 | ChaCha20-Poly1305(header key, nonce, header, associated data = tag)   2348 bytes

The tag lets the receiver find session and key without trying all: HMAC-SHA256(HMAC-SHA256(header key, "essaim/tag/v1"),
N as 4 bytes), first 8 bytes. It is a hint, and checked all the same: no bit of an envelope may be altered.
"""

import struct
from hmac import compare_digest
from typing import NamedTuple

from cryptography.hazmat.primitives.hmac import HMAC

from essaim.protocol.device import Random
from essaim.protocol.kdf import keyed, mac_of
from essaim.protocol.keys import PUBLIC_SIZE
from essaim.protocol.layout import MalformedError
from essaim.protocol.ratchet.aead import MAC_SIZE, NONCE_SIZE, ONCE, seal, unseal
from essaim.protocol.ratchet.chain import ChainName
from essaim.protocol.ratchet.pair import RatchetPublic, ciphertext_size
from essaim.protocol.ratchet.suite import Suite

TAG_SIZE = 8
_NUMBERS = struct.Struct(">II")


def tag_key(header_key: bytes) -> HMAC:
    """Derived for the tags alone, and ready to make them."""
    return keyed(mac_of(keyed(header_key), b"essaim/tag/v1"))


def tag_of(key: HMAC, number: int) -> bytes:
    """The 8-byte tag of message `number`, under a `tag_key`."""
    return mac_of(key, number.to_bytes(4, "big"))[:TAG_SIZE]


class Header(NamedTuple):
    """`previous` (PN) is the length of the sender's chain before, `number` (N) the message's place in this one."""

    keys: bytes
    """The sender's, encoded: only the first message of a chain is asked for them."""
    ciphertext: bytes
    previous: int
    number: int

    @property
    def sender(self) -> RatchetPublic:
        return RatchetPublic.decode(self.keys)

    def encode(self) -> bytes:
        return self.keys + self.ciphertext + _NUMBERS.pack(self.previous, self.number)

    @classmethod
    def decode(cls, data: bytes, suite: Suite) -> "Header":
        if len(data) != suite.header_size:
            raise MalformedError("not the size of a header")
        numbers_at = len(data) - _NUMBERS.size
        keys_end = numbers_at - ciphertext_size(suite)
        return cls(data[:keys_end], data[keys_end:numbers_at], *_NUMBERS.unpack_from(data, numbers_at))

    def write(self, suite: Suite, header_key: bytes, random: Random) -> bytes:
        """As it goes on the wire."""
        if not suite.header_encryption:
            return self.encode()
        tag, nonce = tag_of(tag_key(header_key), self.number), random(NONCE_SIZE)
        return tag + nonce + seal(header_key, nonce, self.encode(), tag)


def wire_size(suite: Suite) -> int:
    """The size of a header on the wire."""
    return suite.header_size + (TAG_SIZE + NONCE_SIZE + MAC_SIZE if suite.header_encryption else 0)


def body_nonce(suite: Suite, wire: bytes) -> bytes:
    """The header's random nonce serves the body, too: a store that was put back seals nothing twice under one nonce."""
    return wire[TAG_SIZE : TAG_SIZE + NONCE_SIZE] if suite.header_encryption else ONCE


def open_header(suite: Suite, name: ChainName, wire: bytes) -> Header | None:
    """The header, if it is one of the chain `name`."""
    if not suite.header_encryption:
        header = Header.decode(wire, suite)
        return header if name.peer in (b"", header.keys[:PUBLIC_SIZE]) else None
    tag, nonce, box = wire[:TAG_SIZE], wire[TAG_SIZE : TAG_SIZE + NONCE_SIZE], wire[TAG_SIZE + NONCE_SIZE :]
    plain = unseal(name.header_key, nonce, box, tag)
    if plain is None:
        return None
    header = Header.decode(plain, suite)
    expected = tag_of(tag_key(name.header_key), header.number)
    return header if compare_digest(expected, tag) else None
