"""The private inbox: another mailbox on each mailbox day, which only accepted contacts can name.

    secret      32 random bytes, made by a manager of the account; a new one ends what the holders of the old one can do
    base        Ed25519 seed HKDF(the account's "mailbox" key, "essaim/private/v1", "base" || secret)
    capability  85 bytes: version u8 = 1 | made_ms u64 | issued_ms u64 | until_day u32 | base public key 32 | secret 32
    name        16 bytes: BLAKE2b-256("essaim/capability/v1" || secret)[:16]
    slot key    the device's signing key, blinded by the factor of "essaim/private-slot/v1", secret, day u32

The day's read and write keys are in `blinding`. A manager signs slot records for the other devices ahead, a block of 32
days at a time: version u64 | signature 64 for each day, where day // 32 is the block's number.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from essaim.protocol import blinding
from essaim.protocol.account import Account
from essaim.protocol.kdf import blake2b256, hkdf
from essaim.protocol.keys import SIGNATURE_SIZE, KeyRefusedError, SigningKey, VerifyKey
from essaim.protocol.layout import MalformedError, Reader
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.mailbox.slot_record import SlotRecord

VERSION = 1
SECRET_SIZE = 32
NAME_SIZE = 16
EDGE_MS = 600_000
"""Around midnight both days are read: clocks differ, and what was sealed before is stored after."""
LIFE_MS = 14 * DAY_MS - EDGE_MS
"""The longest that an envelope for a private inbox lives, so that at most 15 days have any at a time."""
BLOCK_DAYS = 32
LATEST_DAY = (1 << 32) - BLOCK_DAYS
LATEST_MS = 1 << 62


@dataclass(frozen=True)
class Capability:
    """What lets somebody name the inbox of each day and write to it. Of two the newer one (`newer_than`) is meant.

    `issued_ms` grows when the same secret is given out again for longer; after `until_day` nobody writes there.
    """

    made_ms: int
    issued_ms: int
    until_day: int
    base: VerifyKey
    secret: bytes

    def __repr__(self) -> str:
        return "Capability(...)"

    @classmethod
    def make(cls, account: Account, secret: bytes, now_ms: int, until_day: int) -> "Capability":
        return cls(now_ms, now_ms, until_day, base_key(account, secret).public, secret)

    def extended(self, now_ms: int, until_day: int) -> "Capability":
        """The same secret, for longer."""
        return replace(self, issued_ms=max(now_ms, self.issued_ms + 1), until_day=until_day)

    @property
    def order(self) -> tuple[int, int, bytes]:
        """The highest of several is the newest."""
        return self.made_ms, self.issued_ms, self.secret

    def newer_than(self, other: "Capability | None") -> bool:
        return other is None or self.order > other.order

    @property
    def name(self) -> bytes:
        """16 bytes that name the secret and do not tell it."""
        return blake2b256(b"essaim/capability/v1", self.secret)[:NAME_SIZE]

    def policy(self, day: int) -> Policy:
        """The mailbox of one day."""
        return _policy(self.base, self.secret, day)

    def writer(self, day: int) -> SigningKey:
        """Signs what is stored there."""
        return blinding.private_inbox_writer(self.secret, day)

    def slot_key(self, device: VerifyKey, day: int) -> VerifyKey:
        """The slot key of the device with this signing key."""
        return _slot_key(device, self.secret, day)

    def slot_signer(self, device: SigningKey, day: int) -> blinding.BlindedKey:
        return blinding.private_slot_signer(device, self.secret, day)

    def owner(self, account: Account, day: int) -> blinding.BlindedKey:
        """Signs slot records, and deletes."""
        return blinding.private_inbox_signer(base_key(account, self.secret), self.secret, day)

    def slot_record(self, account: Account, day: int, slot: int, device: VerifyKey, version: int) -> bytes:
        """The owner names a device's key for one day; 137 bytes."""
        owner, key = self.owner(account, day), self.slot_key(device, day)
        return SlotRecord.sign(owner, self.policy(day).mailbox_id, slot, key, version).encoded

    def encode(self) -> bytes:
        """85 bytes."""
        numbers = (
            self.made_ms.to_bytes(8, "big") + self.issued_ms.to_bytes(8, "big") + self.until_day.to_bytes(4, "big")
        )
        return bytes((VERSION,)) + numbers + self.base.raw + self.secret

    @classmethod
    def decode(cls, data: bytes) -> "Capability":
        """Raises MalformedError."""
        reader = Reader(data)
        reader.version(VERSION)
        made_ms, issued_ms, until_day = reader.number(8), reader.number(8), reader.number(4)
        try:
            base, secret = VerifyKey(reader.take(blinding.SECRET_SIZE)), reader.take(SECRET_SIZE)
        except KeyRefusedError as error:
            raise MalformedError("not a key") from error
        reader.end()
        if not made_ms <= issued_ms <= LATEST_MS or until_day > LATEST_DAY:
            raise MalformedError("a time that cannot be")
        return cls(made_ms, issued_ms, until_day, base, secret)


def base_key(account: Account, secret: bytes) -> SigningKey:
    """The key that the read keys of all days of one secret are blinded from."""
    return SigningKey(hkdf(account.mailbox_secret, salt=blinding.PRIVATE_INBOX, info=b"base" + secret, length=32))


@lru_cache(512)
def _policy(base: VerifyKey, secret: bytes, day: int) -> Policy:
    read = blinding.private_inbox_key(base, secret, day)
    return Policy.private_inbox(read, blinding.private_inbox_writer(secret, day).public)


@lru_cache(512)
def _slot_key(device: VerifyKey, secret: bytes, day: int) -> VerifyKey:
    return blinding.private_slot_key(device, secret, day)


def days_alive(now_ms: int) -> range:
    """The mailbox days in whose inboxes something may be, or be stored, now: always 15."""
    return range(blinding.mailbox_day(max(0, now_ms - LIFE_MS)), blinding.mailbox_day(now_ms + EDGE_MS) + 1)


def days_open(now_ms: int) -> range:
    """Those of them that are written to now: today, and at the edges the day before or after."""
    return range(blinding.mailbox_day(max(0, now_ms - EDGE_MS)), blinding.mailbox_day(now_ms + EDGE_MS) + 1)


# Slot records ahead


@dataclass(frozen=True)
class Block:
    """The owner's signatures under one device's slot records of 32 days."""

    version: int
    signatures: bytes

    @classmethod
    def sign(
        cls, account: Account, capability: Capability, number: int, slot: int, device: VerifyKey, version: int
    ) -> "Block":
        """Of the days of block `number`."""
        records = (capability.slot_record(account, day, slot, device, version) for day in days_of(number))
        return cls(version, b"".join(record[-SIGNATURE_SIZE:] for record in records))

    def record(self, capability: Capability, day: int, slot: int, device: VerifyKey) -> bytes:
        """The day's slot record; whether it is good only its signature tells (`slot_record.certified`)."""
        at = day % BLOCK_DAYS * SIGNATURE_SIZE
        signature, key = self.signatures[at : at + SIGNATURE_SIZE], capability.slot_key(device, day)
        return SlotRecord(capability.policy(day).mailbox_id, slot, key, self.version, signature).encoded

    def encode(self) -> bytes:
        """2056 bytes."""
        return self.version.to_bytes(8, "big") + self.signatures

    @classmethod
    def decode(cls, data: bytes) -> "Block":
        """Raises MalformedError."""
        reader = Reader(data)
        block = cls(reader.number(8), reader.take(BLOCK_DAYS * SIGNATURE_SIZE))
        reader.end()
        return block


def block_of(day: int) -> int:
    """The number of the block that a day is in."""
    return day // BLOCK_DAYS


def days_of(number: int) -> range:
    """The days of a block."""
    return range(number * BLOCK_DAYS, (number + 1) * BLOCK_DAYS)


def blocks_of(days: range) -> Iterator[int]:
    """The blocks that these days are in; none of no days."""
    return iter(range(block_of(days.start), block_of(days.stop - 1) + 1) if days else ())
