"""Sender keys: each device speaks in a chain of its own, which everybody else in the group can follow.

    message key    HMAC-SHA256(chain key, 0x01)          next chain key   HMAC-SHA256(chain key, 0x02)
    spoken         chain id 16 | account 32 | slot 1 | number 4 | AEAD(message key, nonce 12, signature 64 | said)
                   associated data: group id || the first 53 bytes; the nonce is the frame's (frame.py)
    said           count 1 | count x head 32 | content     the newest records of the group that the author had
    signature      Ed25519(the chain's signing key, "essaim/group-message/v1" || group id || chain id || number u32
                   || BLAKE2b-256("essaim/group-message/v1" || said))

A chain has at most 100 messages and is used for a day, so who follows it never keeps more than 99 skipped keys. The
signing key is the chain's alone: it tells members apart for members, and names nobody to others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from essaim.protocol.device import Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import HASH_SIZE, blake2b256
from essaim.protocol.keys import PUBLIC_SIZE, SIGNATURE_SIZE, SigningKey, VerifyKey
from essaim.protocol.layout import MalformedError, Reader
from essaim.protocol.ratchet.aead import seal, unseal
from essaim.protocol.ratchet.chain import Chain, ChainName

MESSAGES_MAX = 100
CHAIN_LIFE_MS = 24 * 60 * 60 * 1000
CHAIN_ID_SIZE = 16
FRONT_SIZE = CHAIN_ID_SIZE + PUBLIC_SIZE + 1 + 4
LABEL = b"essaim/group-message/v1"
VERSION = 1


class SpokenRefusedError(ProtocolError):
    """Not what the device of this chain said next or before: altered, repeated, or beyond its end."""

    reason = "GROUP_MESSAGE_REFUSED"


@dataclass(frozen=True)
class Front:
    """Who says something, and where in which chain."""

    chain_id: bytes
    account: bytes
    slot: int
    number: int

    def encode(self) -> bytes:
        return self.chain_id + self.account + bytes((self.slot,)) + self.number.to_bytes(4, "big")

    @classmethod
    def read(cls, reader: Reader) -> "Front":
        return cls(reader.take(CHAIN_ID_SIZE), reader.take(PUBLIC_SIZE), reader.number(1), reader.number(4))


@dataclass(frozen=True)
class Said:
    """A content, and the newest records that its author had when it was said."""

    heads: tuple[bytes, ...]
    content: bytes

    def encode(self) -> bytes:
        return bytes((len(self.heads),)) + b"".join(self.heads) + self.content

    @classmethod
    def decode(cls, data: bytes) -> "Said":
        reader = Reader(data)
        return cls(tuple(reader.take(HASH_SIZE) for _ in range(reader.number(1))), reader.rest())


@dataclass(frozen=True)
class Proof:
    """Where somebody said something, and the chain's signature over it: it counts, whoever brings it."""

    chain_id: bytes
    number: int
    signature: bytes

    def holds(self, signing: VerifyKey, group_id: bytes, said: Said) -> bool:
        """Whether the chain with this signing key said it."""
        return signing.verifies(self.signature, signed_text(group_id, self.chain_id, self.number, said.encode()))


@dataclass(frozen=True)
class SendingChain:
    """A value: `speak` gives the next one, too."""

    chain_id: bytes
    account: bytes
    slot: int
    signing: SigningKey
    key: bytes = field(repr=False)
    number: int = 0

    @classmethod
    def create(cls, account: bytes, slot: int, random: Random) -> "SendingChain":
        return cls(random(CHAIN_ID_SIZE), account, slot, SigningKey(random(32)), random(32))

    @property
    def spent(self) -> bool:
        return self.number >= MESSAGES_MAX

    def speak(self, group_id: bytes, said: Said, nonce: bytes) -> tuple[bytes, Proof, "SendingChain"]:
        """(what goes into a frame, the proof of it, the chain after)."""
        front = Front(self.chain_id, self.account, self.slot, self.number)
        after, message_key = Chain(ChainName(b"", b""), self.key, self.number).step()
        signature = self.signing.sign(signed_text(group_id, self.chain_id, self.number, said.encode()))
        box = seal(message_key, nonce, signature + said.encode(), group_id + front.encode())
        return (
            front.encode() + box,
            Proof(self.chain_id, self.number, signature),
            replace(self, key=after.key, number=after.number),
        )

    def following(self) -> "ReceivingChain":
        """What others are given to read from here on."""
        return ReceivingChain(self.chain_id, self.account, self.slot, self.signing.public, self.key, self.number, {})

    def encode(self) -> bytes:
        front = bytes((VERSION,)) + Front(self.chain_id, self.account, self.slot, self.number).encode()
        return front + self.signing.seed + self.key

    @classmethod
    def decode(cls, data: bytes) -> "SendingChain":
        reader = Reader(data)
        reader.version(VERSION)
        front, seed, key = Front.read(reader), reader.take(32), reader.take(32)
        reader.end()
        return cls(front.chain_id, front.account, front.slot, SigningKey(seed), key, front.number)


@dataclass(frozen=True)
class ReceivingChain:
    """Somebody's chain as this device can read it: from `number` on, and the messages of `skipped`. A value."""

    chain_id: bytes
    account: bytes
    slot: int
    signing: VerifyKey
    key: bytes = field(repr=False)
    number: int
    skipped: Mapping[int, bytes] = field(repr=False)

    def open(self, group_id: bytes, front: Front, box: bytes, nonce: bytes) -> tuple[Said, Proof, "ReceivingChain"]:
        """(what was said, its proof, the chain after). Raises SpokenRefusedError; then nothing has changed."""
        if (front.chain_id, front.account, front.slot) != (self.chain_id, self.account, self.slot):
            raise SpokenRefusedError("of another chain")
        after, message_key = self._key_of(front.number)
        opened = unseal(message_key, nonce, box, group_id + front.encode())
        if opened is None or len(opened) < SIGNATURE_SIZE:
            raise SpokenRefusedError("the message was altered")
        said, proof = _read(opened[SIGNATURE_SIZE:]), Proof(front.chain_id, front.number, opened[:SIGNATURE_SIZE])
        if not proof.holds(self.signing, group_id, said):
            raise SpokenRefusedError("not signed by the device of this chain")
        return said, proof, after

    def _key_of(self, number: int) -> tuple["ReceivingChain", bytes]:
        if number in self.skipped:
            rest = {each: key for each, key in self.skipped.items() if each != number}
            return replace(self, skipped=rest), self.skipped[number]
        if not self.number <= number < MESSAGES_MAX:
            raise SpokenRefusedError("opened before, or beyond the chain's end")
        chain, skipped = Chain(ChainName(b"", b""), self.key, self.number), dict(self.skipped)
        while chain.number < number:
            passed = chain.number
            chain, skipped[passed] = chain.step()
        chain, message_key = chain.step()
        return replace(self, key=chain.key, number=chain.number, skipped=skipped), message_key

    def encode(self) -> bytes:
        front = bytes((VERSION,)) + Front(self.chain_id, self.account, self.slot, self.number).encode()
        skipped = b"".join(number.to_bytes(4, "big") + key for number, key in sorted(self.skipped.items()))
        return front + self.signing.raw + self.key + bytes((len(self.skipped),)) + skipped

    @classmethod
    def decode(cls, data: bytes) -> "ReceivingChain":
        reader = Reader(data)
        reader.version(VERSION)
        front, signing, key = Front.read(reader), VerifyKey(reader.take(PUBLIC_SIZE)), reader.take(32)
        skipped = {reader.number(4): reader.take(32) for _ in range(reader.number(1))}
        reader.end()
        if front.number > MESSAGES_MAX:
            raise MalformedError("beyond the end of a chain")
        return cls(front.chain_id, front.account, front.slot, signing, key, front.number, skipped)


def signed_text(group_id: bytes, chain_id: bytes, number: int, said: bytes) -> bytes:
    """What a chain's signing key signs of a message."""
    return LABEL + group_id + chain_id + number.to_bytes(4, "big") + blake2b256(LABEL, said)


def _read(said: bytes) -> Said:
    try:
        return Said.decode(said)
    except MalformedError as error:
        raise SpokenRefusedError("not laid out as something said") from error
