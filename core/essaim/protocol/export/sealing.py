"""Making an export, record by record: front, opening, messages, closing with the signature.

plaintext  records, each behind its length (u32): a serialised ExportRecord of at most 1 MiB
digest     BLAKE2b-256("essaim/export/v1" || front || each record before the closing, with its length)
signature  Ed25519(signing key of the device in the certificate, "essaim/export/v1" || digest)

The front is signed, too: who opens an export cannot seal it anew for somebody else, and leave the signature.
"""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from essaim.messaging.v1 import export_pb2
from essaim.protocol.device import Random
from essaim.protocol.export.chunk import HEADER_SIZE, LABEL, ChunkWriter, stream_state
from essaim.protocol.export.lock import MAGIC, ExportLock
from essaim.protocol.export.subject import Subject, describe
from essaim.protocol.kdf import HASH_SIZE
from essaim.protocol.keys import SigningKey
from essaim.protocol.layout import block
from essaim.protocol.manifest import Certificate


@dataclass(frozen=True)
class Range:
    """Messages from `from_ms` on and before `until_ms`, unix milliseconds; 0: no bound."""

    from_ms: int = 0
    until_ms: int = 0

    def holds(self, time_ms: int) -> bool:
        return self.from_ms <= time_ms and (not self.until_ms or time_ms < self.until_ms)


@dataclass(frozen=True)
class Signer:
    """Whose export it is: a device, as its account's manifest lists it."""

    certificate: Certificate
    key: SigningKey


def begun(front: bytes) -> "hashlib.blake2b":
    """The digest of an export with this front, before its first record."""
    digest = hashlib.blake2b(LABEL, digest_size=HASH_SIZE)
    digest.update(front)
    return digest


class Sealing:
    """`Sealing(...)`, `add` for each message in order, `end`. What is in the file before `end` opens for nobody."""

    def __init__(
        self,
        file: BinaryIO,
        lock: ExportLock,
        signer: Signer,
        conversation: Subject,
        random: Random,
        *,
        created_ms: int,
        span: Range | None = None,
    ) -> None:
        body, secret = lock.close(random)
        front, header = MAGIC + body, random(HEADER_SIZE)
        file.write(front + header)
        self._chunks = ChunkWriter(file, stream_state(secret, front, header))
        self._digest = begun(front)
        self._key = signer.key
        self._messages = 0
        span = span or Range()
        opening = export_pb2.ExportOpening(
            certificate=signer.certificate.encode(),
            created_ms=created_ms,
            from_ms=span.from_ms,
            until_ms=span.until_ms,
        )
        describe(opening, conversation)
        self._write(export_pb2.ExportRecord(opening=opening))

    def add(self, message: export_pb2.ExportedMessage) -> None:
        """Messages come in the order of (position, message id, author)."""
        self._write(export_pb2.ExportRecord(message=message))
        self._messages += 1

    def end(self) -> int:
        """Sign and close; how many messages there were."""
        signature = self._key.sign(LABEL + self._digest.digest())
        closing = export_pb2.ExportClosing(messages=self._messages, signature=signature)
        self._chunks.write(block(export_pb2.ExportRecord(closing=closing).SerializeToString()))
        self._chunks.end()
        return self._messages

    def _write(self, record: export_pb2.ExportRecord) -> None:
        framed = block(record.SerializeToString())
        self._digest.update(framed)
        self._chunks.write(framed)
