"""The rules of a mailbox, and its name: an id that certifies them.

    policy     97 bytes: kind 1 | read key 32 | write key 32 | delete key 32      (an absent key is 32 zeros)
               of a blob 130 bytes: the same | content hash 32 | size class 1    (content.py)
    mailbox id 32 bytes: BLAKE2b-256("essaim/mailbox/v1" || policy), of a blob BLAKE2b-256("essaim/blob/v1" || policy)

All keys are Ed25519 points of prime order. Which keys a kind has is fixed, so a policy has one encoding only.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache

from essaim.protocol.kdf import blake2b256
from essaim.protocol.keys import PUBLIC_SIZE, KeyRefusedError, VerifyKey
from essaim.protocol.mailbox.content import Content
from essaim.protocol.mailbox.refusal import EnvelopeMalformedError, PolicyMalformedError, PolicyMismatchError

LABEL = b"essaim/mailbox/v1"
BLOB_LABEL = b"essaim/blob/v1"
POLICY_SIZE = 1 + 3 * PUBLIC_SIZE
MAILBOX_ID_SIZE = 32
_ABSENT = bytes(PUBLIC_SIZE)
_CACHED_POLICIES = 4_096


class Kind(IntEnum):
    """The kind of a mailbox: the first byte of its policy."""

    PUBLIC_INBOX = 1
    OUTBOX = 2
    PRIVATE_INBOX = 3
    GROUP = 4
    BLOB = 5


KEYS = {  # whether a kind has a read, a write and a delete key
    Kind.PUBLIC_INBOX: (True, False, False),
    Kind.OUTBOX: (False, True, False),
    Kind.PRIVATE_INBOX: (True, True, False),
    Kind.GROUP: (True, True, True),
    Kind.BLOB: (False, False, True),
}


@dataclass(frozen=True)
class Policy:
    """Who may do what with a mailbox. Make one with `public_inbox`, `outbox`, `private_inbox`, `group`, `blob` or
    `parse`.

    A blob's names its only content, so that nobody can put another in its place.
    """

    kind: Kind
    read_key: VerifyKey | None = None
    write_key: VerifyKey | None = None
    delete_key: VerifyKey | None = None
    content: Content | None = None

    def __post_init__(self) -> None:
        if (self.content is not None) != (self.kind == Kind.BLOB):
            raise PolicyMalformedError("a blob's policy names its content, no other does")
        if tuple(key is not None for key in self._keys) != KEYS[self.kind]:
            raise PolicyMalformedError("a policy has exactly the keys of its kind")

    @classmethod
    def public_inbox(cls, read_key: VerifyKey) -> "Policy":
        return cls(Kind.PUBLIC_INBOX, read_key=read_key)

    @classmethod
    def outbox(cls, write_key: VerifyKey) -> "Policy":
        return cls(Kind.OUTBOX, write_key=write_key)

    @classmethod
    def private_inbox(cls, read_key: VerifyKey, write_key: VerifyKey) -> "Policy":
        return cls(Kind.PRIVATE_INBOX, read_key=read_key, write_key=write_key)

    @classmethod
    def group(cls, read_key: VerifyKey, write_key: VerifyKey, delete_key: VerifyKey) -> "Policy":
        """The first two are the day's, of every member; the last is the admins'."""
        return cls(Kind.GROUP, read_key, write_key, delete_key)

    @classmethod
    def blob(cls, delete_key: VerifyKey, data: bytes) -> "Policy":
        """Of these very bytes, of one of the four sizes (EnvelopeMalformedError)."""
        return cls(Kind.BLOB, delete_key=delete_key, content=Content.of(data))

    @staticmethod
    def parse(data: bytes) -> "Policy":
        """Raises PolicyMalformedError."""
        return _parse(bytes(data))

    @staticmethod
    def check(data: bytes, mailbox_id: bytes) -> "Policy":
        """The policy, which must hash to `mailbox_id` (PolicyMismatchError)."""
        policy = Policy.parse(data)
        if policy.mailbox_id != mailbox_id:
            raise PolicyMismatchError("the policy names another mailbox")
        return policy

    @property
    def _keys(self) -> tuple[VerifyKey | None, ...]:
        return self.read_key, self.write_key, self.delete_key

    @property
    def owner(self) -> VerifyKey:
        """Signs slot records and deletes: the delete key; where there is none the read or write key."""
        key = self.delete_key or self.read_key or self.write_key
        assert key is not None
        return key

    @property
    def reader(self) -> VerifyKey | None:
        """Reads everything; None where anyone reads."""
        return self.read_key

    @cached_property
    def encoded(self) -> bytes:
        """97 bytes, of a blob 130."""
        keys = bytes((self.kind,)) + b"".join(key.raw if key else _ABSENT for key in self._keys)
        return keys + self.content.encoded if self.content else keys

    @cached_property
    def mailbox_id(self) -> bytes:
        """32 bytes."""
        return blake2b256(BLOB_LABEL if self.content else LABEL, self.encoded)


@lru_cache(_CACHED_POLICIES)
def _parse(data: bytes) -> Policy:
    """Cached, for checking a curve point costs more than everything else in a request for a public inbox."""
    if len(data) < POLICY_SIZE:
        raise PolicyMalformedError("a policy has 97 bytes, a blob's 130")
    try:
        kind = Kind(data[0])
        keys = [_key(data[at : at + PUBLIC_SIZE]) for at in range(1, POLICY_SIZE, PUBLIC_SIZE)]
        content = Content.parse(data[POLICY_SIZE:]) if len(data) > POLICY_SIZE else None
    except (ValueError, KeyRefusedError, EnvelopeMalformedError) as error:
        raise PolicyMalformedError("an unknown kind, a key that is none, or no content of a blob") from error
    read_key, write_key, delete_key = keys
    return Policy(kind, read_key, write_key, delete_key, content)


def _key(raw: bytes) -> VerifyKey | None:
    return None if raw == _ABSENT else VerifyKey(raw)
