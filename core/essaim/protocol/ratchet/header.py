"""Message headers, encrypted (Double Ratchet, section 4.2) unless the suite says otherwise.

    header      X25519 key 32 | ML-KEM key 1184 | ML-KEM ciphertext 1088 | PN 4 | N 4           2312 bytes
    on the wire tag 8 | nonce 12 | ChaCha20-Poly1305(header key, nonce, header, associated data = tag)   2348 bytes

The tag lets the receiver find session and key without trying all: HMAC-SHA256(HMAC-SHA256(header key, "essaim/tag/v1"),
N as 4 bytes), first 8 bytes. It is a hint, and checked all the same: no bit of an envelope may be altered.
"""

import hmac
from dataclasses import dataclass

from essaim.protocol.device import Random
from essaim.protocol.layout import Reader
from essaim.protocol.ratchet.aead import MAC_SIZE, NONCE_SIZE, ONCE, seal, unseal
from essaim.protocol.ratchet.chain import ChainName
from essaim.protocol.ratchet.pair import RatchetPublic, ciphertext_size
from essaim.protocol.ratchet.suite import Suite

TAG_SIZE = 8


def tag_key(header_key: bytes) -> bytes:
    """Derived for the tags alone."""
    return hmac.digest(header_key, b"essaim/tag/v1", "sha256")


def tag_of(key: bytes, number: int) -> bytes:
    """The 8-byte tag of message `number`, under a `tag_key`."""
    return hmac.digest(key, number.to_bytes(4, "big"), "sha256")[:TAG_SIZE]


@dataclass(frozen=True)
class Header:
    """`previous` (PN) is the length of the sender's chain before, `number` (N) the message's place in this one."""

    sender: RatchetPublic
    ciphertext: bytes
    previous: int
    number: int

    def encode(self) -> bytes:
        numbers = self.previous.to_bytes(4, "big") + self.number.to_bytes(4, "big")
        return self.sender.encode() + self.ciphertext + numbers

    @classmethod
    def decode(cls, data: bytes, suite: Suite) -> "Header":
        reader = Reader(data)
        sender, ciphertext = RatchetPublic.read(reader, suite), reader.take(ciphertext_size(suite))
        header = cls(sender, ciphertext, reader.number(4), reader.number(4))
        reader.end()
        return header

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
        return header if name.peer in (b"", header.sender.agreement.raw) else None
    tag, nonce, box = wire[:TAG_SIZE], wire[TAG_SIZE : TAG_SIZE + NONCE_SIZE], wire[TAG_SIZE + NONCE_SIZE :]
    plain = unseal(name.header_key, nonce, box, tag)
    if plain is None:
        return None
    header = Header.decode(plain, suite)
    expected = tag_of(tag_key(name.header_key), header.number)
    return header if hmac.compare_digest(expected, tag) else None
