"""A slot record: the owner of a mailbox names the key of one device slot, or (32 zeros) leaves it to nobody.

slot record 137 bytes: mailbox id 32 | slot u8 | slot key 32 | version u64 | signature 64
signature   Ed25519 by the policy's owner over "essaim/slot/v1" || the first 73 bytes
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from essaim.protocol.keys import PUBLIC_SIZE, SIGNATURE_SIZE, KeyRefusedError, VerifyKey
from essaim.protocol.mailbox.policy import MAILBOX_ID_SIZE, Policy
from essaim.protocol.mailbox.refusal import SlotRecordRefusedError
from essaim.protocol.mailbox.rule import MAX_SLOTS, SLOT_AT

LABEL = b"essaim/slot/v1"
SIGNED_SIZE = MAILBOX_ID_SIZE + 1 + PUBLIC_SIZE + 8
SLOT_RECORD_SIZE = SIGNED_SIZE + SIGNATURE_SIZE
NOBODY = bytes(PUBLIC_SIZE)
_CACHED_RECORDS = 4_096


class Signer(Protocol):
    """A SigningKey or a blinded key."""

    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True)
class SlotRecord:
    """Which key signs for a device slot in one mailbox. The highest `version` is meant."""

    mailbox_id: bytes
    slot: int
    slot_key: VerifyKey | None
    """None: nobody signs for the slot."""
    version: int
    signature: bytes

    @classmethod
    def sign(
        cls, owner: Signer, mailbox_id: bytes, slot: int, slot_key: VerifyKey | None, version: int
    ) -> "SlotRecord":
        """The owner names `slot_key` (or nobody) for `slot` (0 to 4)."""
        unsigned = cls(mailbox_id, slot, slot_key, version, b"")
        return cls(mailbox_id, slot, slot_key, version, owner.sign(LABEL + unsigned._signed))

    @classmethod
    def parse(cls, data: bytes) -> "SlotRecord":
        """Raises SlotRecordRefusedError. The signature is checked by `check`."""
        if len(data) != SLOT_RECORD_SIZE or data[MAILBOX_ID_SIZE] >= MAX_SLOTS:
            raise SlotRecordRefusedError("a slot record has 137 bytes and a slot from 0 to 4")
        key_at = MAILBOX_ID_SIZE + 1
        raw = data[key_at : key_at + PUBLIC_SIZE]
        try:
            key = None if raw == NOBODY else VerifyKey(raw)
        except KeyRefusedError as error:
            raise SlotRecordRefusedError("the slot key is none") from error
        version = int.from_bytes(data[key_at + PUBLIC_SIZE : SIGNED_SIZE])
        return cls(data[:MAILBOX_ID_SIZE], data[MAILBOX_ID_SIZE], key, version, data[SIGNED_SIZE:])

    @property
    def _signed(self) -> bytes:
        key = self.slot_key.raw if self.slot_key else NOBODY
        return self.mailbox_id + bytes((self.slot,)) + key + self.version.to_bytes(8)

    @property
    def encoded(self) -> bytes:
        """137 bytes."""
        return self._signed + self.signature

    def check(self, policy: Policy) -> None:
        """It is for this mailbox and signed by its owner, or SlotRecordRefusedError."""
        if self.mailbox_id != policy.mailbox_id or not policy.owner.verifies(self.signature, LABEL + self._signed):
            raise SlotRecordRefusedError("for another mailbox, or not signed by its owner")


def slot_of(encoded: bytes) -> bytes:
    """The slot (one byte) that well-formed bytes are for."""
    return encoded[SLOT_AT : SLOT_AT + 1]


def certified(encoded: bytes, policy: Policy) -> SlotRecord:
    """The record that these bytes are, checked against the policy. Raises SlotRecordRefusedError."""
    return _certified(bytes(encoded), policy.encoded)


@lru_cache(_CACHED_RECORDS)
def _certified(encoded: bytes, policy: bytes) -> SlotRecord:
    """Cached, for a reader shows the same record with each request, and what is refused is not kept."""
    record = SlotRecord.parse(encoded)
    record.check(Policy.parse(policy))
    return record
