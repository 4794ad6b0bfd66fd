"""An epoch: a secret that the members of one time share, and what follows from it for each mailbox day.

    epoch id   BLAKE2b-256("essaim/group-epoch/v1" || group id || admin key || secret)[:16]
    mailbox    of a day: a group mailbox. read and write key: seeds HKDF-SHA256(secret, "essaim/group/v1",
               "read" | "write" || day u32); delete key: the admin key blinded by ("essaim/group/v1", secret, day u32)
    frame key  HKDF-SHA256(secret, "essaim/group/v1", "frame" || day u32)

A new one is made when somebody, or a device of somebody, is no more among them: who is gone finds neither the mailboxes
nor what they hold.
"""

from dataclasses import dataclass, field
from functools import cached_property

from essaim.protocol.blinding import BlindedKey, blind_private, blind_public, factor
from essaim.protocol.kdf import blake2b256, hkdf
from essaim.protocol.keys import SigningKey, VerifyKey
from essaim.protocol.mailbox.policy import Policy

SALT = b"essaim/group/v1"
SECRET_SIZE = 32
EPOCH_ID_SIZE = 16


@dataclass(frozen=True)
class Epoch:
    """`heads`: the newest records of the group when it was made (log.py)."""

    group_id: bytes
    secret: bytes = field(repr=False)
    admin_key: VerifyKey
    heads: tuple[bytes, ...]
    made_ms: int
    _mailboxes: dict[int, Policy] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def epoch_id(self) -> bytes:
        """16 bytes."""
        named = blake2b256(b"essaim/group-epoch/v1", self.group_id, self.admin_key.raw, self.secret)
        return named[:EPOCH_ID_SIZE]

    def reader(self, day: int) -> SigningKey:
        return SigningKey(self._key(b"read", day))

    def writer(self, day: int) -> SigningKey:
        return SigningKey(self._key(b"write", day))

    def frame_key(self, day: int) -> bytes:
        return self._key(b"frame", day)

    def owner(self, admin: SigningKey, day: int) -> BlindedKey:
        """What admins sign with, `admin` being the private part of the admin key."""
        return blind_private(admin, self._factor(day))

    def mailbox(self, day: int) -> Policy:
        """The group's mailbox on a mailbox day."""
        if day not in self._mailboxes:
            owner = blind_public(self.admin_key, self._factor(day))
            self._mailboxes[day] = Policy.group(self.reader(day).public, self.writer(day).public, owner)
        return self._mailboxes[day]

    def _key(self, purpose: bytes, day: int) -> bytes:
        return hkdf(self.secret, salt=SALT, info=purpose + day.to_bytes(4, "big"), length=32)

    def _factor(self, day: int) -> bytes:
        return factor(SALT, self.secret, day.to_bytes(4, "big"))
