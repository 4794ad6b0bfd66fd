"""A record: one change of a group, signed by a device of whoever made it.

    statement    version 1 | group id 32 (zeros: a founding) | count 1 | count x parent 32, ascending | account 32
                 | BLAKE2b-256("essaim/group-certificate/v1" || certificate) 32 | time_ms 8 | act 1 | argument
    signature    Ed25519(device signing key, "essaim/group-record/v1" || statement)
    record id    BLAKE2b-256("essaim/group-record/v1" || statement); that of the founding is the group id

Parents are the newest records that the author had: those that no other of them followed. The certificate (manifest.py)
says that the device is the account's; it comes beside the record.

    FOUND 1      nonce 32 | admin key 32 | name          JOIN 3, LEAVE 4, DEVICES 11    nothing
    INVITE 2, REMOVE 5, PROMOTE 6, DEMOTE 7   account 32      ADMIN_KEY 10   key 32
    RENAME 8     name, at most 200 bytes of UTF-8        PICTURE 9    a JPEG of at most 8192 bytes; none: takes it away
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from essaim.protocol.account import AccountId
from essaim.protocol.device import DeviceKeys
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import HASH_SIZE, blake2b256
from essaim.protocol.keys import PUBLIC_SIZE, KeyRefusedError, VerifyKey
from essaim.protocol.layout import MalformedError, Reader
from essaim.protocol.manifest import Certificate, ManifestRefusedError

VERSION = 1
LABEL = b"essaim/group-record/v1"
NO_GROUP = bytes(HASH_SIZE)
PARENTS_MAX = 255
NONCE_SIZE = 32
NAME_MAX = 200
PICTURE_MAX = 8_192
TIME_LIMIT = 1 << 62


class RecordRefusedError(ProtocolError):
    """Not a record that a device of its account has signed."""

    reason = "GROUP_RECORD_REFUSED"


class GroupNameRefusedError(ProtocolError):
    """A name of 1 to 200 bytes of Unicode text."""

    reason = "GROUP_NAME_REFUSED"


class Act(IntEnum):
    """What a record does."""

    FOUND = 1
    INVITE = 2
    JOIN = 3
    LEAVE = 4
    REMOVE = 5
    PROMOTE = 6
    DEMOTE = 7
    RENAME = 8
    PICTURE = 9
    ADMIN_KEY = 10
    DEVICES = 11


ABOUT_SOMEBODY = frozenset({Act.INVITE, Act.REMOVE, Act.PROMOTE, Act.DEMOTE})
BARE = frozenset({Act.JOIN, Act.LEAVE, Act.DEVICES})


@dataclass(frozen=True)
class Record:
    """`statement` and `signature` as they came; the fields are what they say. `certificate` is checked."""

    statement: bytes
    signature: bytes
    certificate: Certificate
    group_id: bytes
    parents: tuple[bytes, ...]
    account: bytes
    time_ms: int
    act: Act
    argument: bytes

    @classmethod
    def sign(
        cls,
        keys: DeviceKeys,
        certificate: Certificate,
        group_id: bytes,
        parents: Iterable[bytes],
        act: Act,
        argument: bytes,
        now: int,
    ) -> "Record":
        """Raises GroupNameRefusedError, RecordRefusedError for an argument that is none."""
        above = sorted(parents)
        front = bytes((VERSION,)) + group_id + bytes((len(above),)) + b"".join(above)
        who = certificate.head.identity.raw + certificate_hash(certificate.encode())
        statement = front + who + now.to_bytes(8, "big") + bytes((act,)) + argument
        return cls.parse(statement, keys.signing.sign(LABEL + statement), certificate)

    @classmethod
    def parse(cls, statement: bytes, signature: bytes, certificate: Certificate) -> "Record":
        """Raises RecordRefusedError. The certificate itself must have been checked."""
        try:
            record = cls._read(statement, signature, certificate)
        except (MalformedError, KeyRefusedError, ValueError) as error:
            raise RecordRefusedError("not laid out as a record of a group") from error
        if not certificate.device.signing.verifies(signature, LABEL + statement):
            raise RecordRefusedError("not signed by the device that it names")
        return record

    @classmethod
    def _read(cls, statement: bytes, signature: bytes, certificate: Certificate) -> "Record":
        reader = Reader(statement)
        reader.version(VERSION)
        group_id = reader.take(HASH_SIZE)
        parents = tuple(reader.take(HASH_SIZE) for _ in range(reader.number(1)))
        account, named, time_ms = reader.take(PUBLIC_SIZE), reader.take(HASH_SIZE), reader.number(8)
        act, argument = Act(reader.number(1)), reader.rest()
        founding = act == Act.FOUND
        whole = (
            parents == tuple(sorted(set(parents)))
            and founding == (group_id == NO_GROUP) == (not parents)
            and named == certificate_hash(certificate.encode())
            and account == certificate.head.identity.raw
            and time_ms < TIME_LIMIT
        )
        if not whole:
            raise MalformedError("a record of other parents, another group or another device than it names")
        _check_argument(act, argument)
        return cls(statement, signature, certificate, group_id, parents, account, time_ms, act, argument)

    @cached_property
    def record_id(self) -> bytes:
        return blake2b256(LABEL, self.statement)

    @property
    def group(self) -> bytes:
        """The id of its group, of a founding record too."""
        return self.record_id if self.act == Act.FOUND else self.group_id

    @property
    def subject(self) -> bytes:
        """The account that it is about: that of its argument, else its author."""
        return self.argument if self.act in ABOUT_SOMEBODY else self.account


def certificate_hash(certificate: bytes) -> bytes:
    """By which a record names the certificate of its device."""
    return blake2b256(b"essaim/group-certificate/v1", certificate)


def check_certificate(encoded: bytes) -> Certificate:
    """The account's word for one of its devices. Raises RecordRefusedError."""
    try:
        certificate = Certificate.decode(encoded)
        certificate.check()
    except (MalformedError, KeyRefusedError, ManifestRefusedError) as error:
        raise RecordRefusedError("not a certificate of a device") from error
    return certificate


def founding_argument(nonce: bytes, admin_key: VerifyKey, name: str) -> bytes:
    """Raises GroupNameRefusedError."""
    return nonce + admin_key.raw + name_argument(name)


def name_argument(name: str) -> bytes:
    """Raises GroupNameRefusedError."""
    encoded = name.encode(errors="replace")
    if not 0 < len(encoded) <= NAME_MAX or not name.strip():
        raise GroupNameRefusedError(f"a group's name has 1 to {NAME_MAX} bytes")
    return encoded


def _check_argument(act: Act, argument: bytes) -> None:
    """Raises MalformedError, or ValueError for text that is none."""
    match act:
        case Act.FOUND:
            VerifyKey(argument[NONCE_SIZE : NONCE_SIZE + PUBLIC_SIZE])
            good = _is_name(argument[NONCE_SIZE + PUBLIC_SIZE :])
        case Act.RENAME:
            good = _is_name(argument)
        case Act.PICTURE:
            good = len(argument) <= PICTURE_MAX
        case Act.ADMIN_KEY:
            good = bool(VerifyKey(argument))
        case Act.INVITE | Act.REMOVE | Act.PROMOTE | Act.DEMOTE:
            good = bool(AccountId(VerifyKey(argument)))
        case _:
            good = not argument
    if not good:
        raise MalformedError("not what this act is done to")


def _is_name(argument: bytes) -> bool:
    return 0 < len(argument.decode().encode()) <= NAME_MAX
