"""A new chain or epoch for everybody at once: an entry of 56 bytes for each device, by the export key of its session.

    notice     the announcement without its entries, as it lies in the frame
    keys       tag key 32 || cipher key 32 = HKDF-SHA256(export key, "essaim/group-entry/v1", group id || name 16), 64
    entry      tag 8 = first 8 of HMAC-SHA256(tag key, notice) | AEAD(cipher key, nonce 0, secret 32, ad = notice)

    chain      notice: 1 | chain id 16 | account 32 | slot 1 | signing key 32 | number 4       secret: the chain key
    epoch      notice: 2 | name 16, random | account 32 | slot 1 | admin key 32 | made_ms 8 | count 1 | count x head 32
               secret: the epoch's
    whole      notice length 2 | notice | count 2 | count x entry 56, in ascending order

A name (chain id) is used once, so each pair of keys seals one secret. Whoever opens an entry knows that the device at
the other end of that session made the announcement as it stands. 499 entries have 27,944 bytes: one envelope of 57,344.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from essaim.protocol.device import Random
from essaim.protocol.group.epoch import Epoch
from essaim.protocol.group.sender_key import CHAIN_ID_SIZE, ReceivingChain
from essaim.protocol.kdf import HASH_SIZE, hkdf
from essaim.protocol.keys import PUBLIC_SIZE, VerifyKey
from essaim.protocol.layout import MalformedError, Reader, block
from essaim.protocol.ratchet.aead import MAC_SIZE, ONCE, seal, unseal

CHAIN, EPOCH = 1, 2
TAG_SIZE = 8
SECRET_SIZE = 32
ENTRY_SIZE = TAG_SIZE + SECRET_SIZE + MAC_SIZE
LENGTH_SIZE = 2
SALT = b"essaim/group-entry/v1"


@dataclass(frozen=True)
class ChainNotice:
    """A device will speak in this chain."""

    chain_id: bytes
    account: bytes
    slot: int
    signing: VerifyKey
    number: int

    @property
    def name(self) -> bytes:
        return self.chain_id

    def encode(self) -> bytes:
        front = bytes((CHAIN,)) + self.chain_id + self.account + bytes((self.slot,))
        return front + self.signing.raw + self.number.to_bytes(4, "big")

    def chain(self, secret: bytes) -> ReceivingChain:
        return ReceivingChain(self.chain_id, self.account, self.slot, self.signing, secret, self.number, {})


@dataclass(frozen=True)
class EpochNotice:
    """From here on the group speaks in a new epoch."""

    name: bytes
    account: bytes
    slot: int
    admin_key: VerifyKey
    heads: tuple[bytes, ...]
    made_ms: int

    @classmethod
    def of(cls, epoch: Epoch, account: bytes, slot: int, random: Random) -> "EpochNotice":
        return cls(random(CHAIN_ID_SIZE), account, slot, epoch.admin_key, epoch.heads, epoch.made_ms)

    def encode(self) -> bytes:
        front = bytes((EPOCH,)) + self.name + self.account + bytes((self.slot,)) + self.admin_key.raw
        return front + self.made_ms.to_bytes(8, "big") + bytes((len(self.heads),)) + b"".join(self.heads)

    def epoch(self, group_id: bytes, secret: bytes) -> Epoch:
        return Epoch(group_id, secret, self.admin_key, self.heads, self.made_ms)


Notice = ChainNotice | EpochNotice


@dataclass(frozen=True)
class Announcement:
    """A notice with its entries."""

    notice: Notice
    entries: frozenset[bytes]

    @classmethod
    def make(cls, group_id: bytes, notice: Notice, secret: bytes, export_keys: Iterable[bytes]) -> "Announcement":
        """For the devices at the other ends of these sessions."""
        return cls(notice, frozenset(_entry(group_id, notice, secret, key) for key in export_keys))

    def encode(self) -> bytes:
        count = len(self.entries).to_bytes(2, "big")
        return block(self.notice.encode(), LENGTH_SIZE) + count + b"".join(sorted(self.entries))

    @classmethod
    def decode(cls, data: bytes) -> "Announcement":
        """Raises MalformedError, KeyRefusedError."""
        reader = Reader(data)
        notice = _read_notice(Reader(reader.block(LENGTH_SIZE)))
        entries = frozenset(reader.take(ENTRY_SIZE) for _ in range(reader.number(2)))
        reader.end()
        return cls(notice, entries)

    def open(self, group_id: bytes, export_keys: Iterable[bytes]) -> bytes | None:
        """The secret, by whichever key of the sessions with the device that made it; None: there is none for us."""
        boxes = {entry[:TAG_SIZE]: entry[TAG_SIZE:] for entry in self.entries}
        notice = self.notice.encode()
        for export_key in export_keys:
            tag, cipher_key = _keys(group_id, self.notice, export_key)
            secret = unseal(cipher_key, ONCE, boxes[tag], notice) if tag in boxes else None
            if secret is not None:
                return secret
        return None


def _keys(group_id: bytes, notice: Notice, export_key: bytes) -> tuple[bytes, bytes]:
    keys = hkdf(export_key, salt=SALT, info=group_id + notice.name, length=64)
    return hmac.digest(keys[:32], notice.encode(), "sha256")[:TAG_SIZE], keys[32:]


def _entry(group_id: bytes, notice: Notice, secret: bytes, export_key: bytes) -> bytes:
    tag, cipher_key = _keys(group_id, notice, export_key)
    return tag + seal(cipher_key, ONCE, secret, notice.encode())


def _read_notice(reader: Reader) -> Notice:
    kind, name, account, slot = reader.number(1), reader.take(CHAIN_ID_SIZE), reader.take(PUBLIC_SIZE), reader.number(1)
    key = VerifyKey(reader.take(PUBLIC_SIZE))
    notice: Notice
    if kind == CHAIN:
        notice = ChainNotice(name, account, slot, key, reader.number(4))
    elif kind == EPOCH:
        made_ms = reader.number(8)
        heads = tuple(reader.take(HASH_SIZE) for _ in range(reader.number(1)))
        notice = EpochNotice(name, account, slot, key, heads, made_ms)
    else:
        raise MalformedError("an announcement of an unknown kind")
    reader.end()
    return notice
