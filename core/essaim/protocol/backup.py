"""A backup as a file: a sealed stream that shows when it was cut short or altered, and that nothing else opens.

file     "ESSAIMBACKUP1" | lock 1 | salt 16 | operations u32 | memory KiB u32 | header 24 | chunks
key      lock 1: HKDF-SHA256(backup key, "essaim/backup/v1", salt); lock 2: Argon2id(passphrase in NFKD, salt,
         operations, memory); 32 bytes
chunk    length u32 | secretstream (XChaCha20-Poly1305) of a serialised BackupRecord, associated data: all before
         the header; the last one has the tag FINAL and is empty
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES,
    crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_init_push,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
)
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from essaim.protocol.device import Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import hkdf

MAGIC = b"ESSAIMBACKUP1"
EXPORT_MAGIC = b"ESSAIMEXPORT"
BY_ACCOUNT, BY_PASSPHRASE = 1, 2
SALT_SIZE = argon2id.SALTBYTES
FRONT_SIZE = len(MAGIC) + 1 + SALT_SIZE + 8
CHUNK_MAX = 1 << 20
COST_MAX = (10, 1 << 20)
"""Operations and KiB of memory that a file may ask for: it must not stop who opens it."""


State = crypto_secretstream_xchacha20poly1305_state


class BackupRefusedError(ProtocolError):
    """Not a backup, cut short, altered, or not closed with this key."""

    reason = "BACKUP_REFUSED"


@dataclass(frozen=True)
class Lock:
    """What closes a backup: the account's backup key, or a passphrase with its cost."""

    kind: int
    secret: bytes
    operations: int = 0
    memory_kib: int = 0

    def __repr__(self) -> str:
        return "Lock(...)"

    @classmethod
    def account(cls, backup_key: bytes) -> "Lock":
        return cls(BY_ACCOUNT, backup_key)

    @classmethod
    def passphrase(cls, passphrase: str, operations: int = 3, memory_kib: int = 262_144) -> "Lock":
        return cls(BY_PASSPHRASE, unicodedata.normalize("NFKD", passphrase).encode(), operations, memory_kib)

    def key(self, salt: bytes, operations: int, memory_kib: int) -> bytes:
        if self.kind == BY_ACCOUNT:
            return hkdf(self.secret, salt=b"essaim/backup/v1", info=salt, length=32)
        try:
            return argon2id.kdf(32, self.secret, salt, opslimit=operations, memlimit=memory_kib << 10)
        except (ValueError, TypeError, CryptoError) as error:
            raise BackupRefusedError("the backup's head is damaged") from error


def write(file: BinaryIO, records: Iterable[bytes], lock: Lock, random: Random) -> int:
    """Seal `records` (at most 1 MiB each) into `file`; how many they were."""
    salt = random(SALT_SIZE)
    numbers = lock.operations.to_bytes(4, "big") + lock.memory_kib.to_bytes(4, "big")
    front = MAGIC + bytes((lock.kind,)) + salt + numbers
    state = crypto_secretstream_xchacha20poly1305_state()
    key = lock.key(salt, lock.operations, lock.memory_kib)
    file.write(front + crypto_secretstream_xchacha20poly1305_init_push(state, key))
    count = 0
    for record in records:
        _write_chunk(file, state, record, front, crypto_secretstream_xchacha20poly1305_TAG_MESSAGE)
        count += 1
    _write_chunk(file, state, b"", front, crypto_secretstream_xchacha20poly1305_TAG_FINAL)
    return count


def _write_chunk(file: BinaryIO, state: State, record: bytes, front: bytes, tag: int) -> None:
    chunk: bytes = crypto_secretstream_xchacha20poly1305_push(state, record, ad=front, tag=tag)
    file.write(len(chunk).to_bytes(4, "big") + chunk)


def read(file: BinaryIO, lock: Lock) -> Iterator[bytes]:
    """The records, each as it is opened; the end is reached only by a whole file (BackupRefusedError)."""
    front = file.read(FRONT_SIZE)
    if front.startswith(EXPORT_MAGIC):
        raise BackupRefusedError("this is the sealed export of a conversation, not a backup")
    if len(front) != FRONT_SIZE or not front.startswith(MAGIC) or front[len(MAGIC)] != lock.kind:
        raise BackupRefusedError("not a backup, or closed in another way")
    salt, numbers = front[len(MAGIC) + 1 : -8], front[-8:]
    operations, memory_kib = int.from_bytes(numbers[:4], "big"), int.from_bytes(numbers[4:], "big")
    if operations > COST_MAX[0] or memory_kib > COST_MAX[1]:
        raise BackupRefusedError("the backup asks for more work than any needs")
    header = file.read(crypto_secretstream_xchacha20poly1305_HEADERBYTES)
    if len(header) != crypto_secretstream_xchacha20poly1305_HEADERBYTES:
        raise BackupRefusedError("the backup is cut short")
    state = crypto_secretstream_xchacha20poly1305_state()
    crypto_secretstream_xchacha20poly1305_init_pull(state, header, lock.key(salt, operations, memory_kib))
    while True:
        record, tag = _read_chunk(file, state, front)
        if tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL:
            if file.read(1):
                raise BackupRefusedError("something stands behind the backup's end")
            return
        yield record


def _read_chunk(file: BinaryIO, state: State, front: bytes) -> tuple[bytes, int]:
    size = int.from_bytes(file.read(4), "big")
    if not crypto_secretstream_xchacha20poly1305_ABYTES <= size <= CHUNK_MAX + 64:
        raise BackupRefusedError("the backup is cut short or damaged")
    chunk = file.read(size)
    try:
        record, tag = crypto_secretstream_xchacha20poly1305_pull(state, chunk, ad=front)
    except (CryptoError, ValueError, RuntimeError) as error:
        raise BackupRefusedError("the key is another, or the backup was altered") from error
    return record, tag
