"""Opening an export: every byte is checked, and all of it is believed only when its end was reached."""

from collections.abc import Iterator
from typing import BinaryIO

from google.protobuf.message import DecodeError

from essaim.messaging.v1 import export_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.export.chunk import HEADER_SIZE, LABEL, ChunkReader, stream_state
from essaim.protocol.export.lock import BACKUP_MAGIC, BODY_SIZES, MAGIC, ExportKey
from essaim.protocol.export.refusal import ExportRefusedError
from essaim.protocol.export.sealing import Range, begun
from essaim.protocol.export.subject import Authors, Subject, subject_of
from essaim.protocol.kdf import blake2b256
from essaim.protocol.layout import block
from essaim.protocol.manifest import Certificate

RECORD_MAX = 1 << 20
MESSAGE_ID_SIZE = 16
LATEST_MS = 253_402_300_800_000
"""The year 10,000: no time is later."""


class Reading:
    """`Reading(file, key)` checks the front and the opening; `messages()` must reach its end before any is shown.

    Raises ExportRefusedError.
    """

    certificate: Certificate
    """Of the device that made it: genuine, though the account may have revoked that device since."""
    conversation: Subject
    created_ms: int
    span: Range

    def __init__(self, file: BinaryIO, key: ExportKey) -> None:
        front = _front(file)
        header = file.read(HEADER_SIZE)
        if len(header) != HEADER_SIZE:
            raise ExportRefusedError("the export is cut short")
        secret = key.open(front[len(MAGIC)], front[len(MAGIC) + 1 :])
        self.export_id = blake2b256(b"essaim/export/id/v1", front)[:8]
        """Names this file: no two have the same front."""
        self._chunks = ChunkReader(file, stream_state(secret, front, header))
        self._digest = begun(front)
        self._opening(self._record())

    @property
    def exporter(self) -> AccountId:
        """Who made it."""
        return AccountId(self.certificate.head.identity)

    def _opening(self, record: export_pb2.ExportRecord) -> None:
        opening = record.opening
        try:
            self.certificate = Certificate.decode(opening.certificate)
            self.certificate.check()
            self.conversation = subject_of(opening)
        except ProtocolError as error:
            raise ExportRefusedError("the export does not say whose it is") from error
        self.created_ms, self.span = opening.created_ms, Range(opening.from_ms, opening.until_ms)
        if max(opening.created_ms, opening.from_ms, opening.until_ms) > LATEST_MS:
            raise ExportRefusedError("the export names times that never come")

    def messages(self) -> Iterator[export_pb2.ExportedMessage]:
        """Each as it is opened. Their end means: whole, unaltered, and signed by `exporter`."""
        authors = Authors(self.exporter, self.conversation)
        before, count = (-1, b"", b""), 0
        while True:
            digest = self._digest.digest()
            record = self._record()
            if record.WhichOneof("body") != "message":
                break
            message = record.message
            place = (message.position, message.message_id, message.author)
            self._check(message, authors, place > before)
            before, count = place, count + 1
            yield message
        self._end(record, digest, count)

    def _check(self, message: export_pb2.ExportedMessage, authors: Authors, in_order: bool) -> None:
        if (
            len(message.message_id) != MESSAGE_ID_SIZE
            or not authors.hold(message.author)
            or message.sent_ms > LATEST_MS
        ):
            raise ExportRefusedError("the export holds a message that is none of this conversation")
        if not in_order:
            raise ExportRefusedError("the export's messages are not in their order")
        if not self.span.holds(message.sent_ms):
            raise ExportRefusedError("the export holds a message outside its range")

    def _end(self, record: export_pb2.ExportRecord, digest: bytes, count: int) -> None:
        closing = record.closing
        if record.WhichOneof("body") != "closing" or closing.messages != count:
            raise ExportRefusedError("the export does not close as it should")
        if not self.certificate.device.signing.verifies(closing.signature, LABEL + digest):
            raise ExportRefusedError("the export was not signed by whom it names")
        self._chunks.end()

    def _record(self) -> export_pb2.ExportRecord:
        size = int.from_bytes(self._chunks.take(4), "big")
        if not 0 < size <= RECORD_MAX:
            raise ExportRefusedError("the export holds a record of no possible length")
        data = self._chunks.take(size)
        self._digest.update(block(data))
        try:
            return export_pb2.ExportRecord.FromString(data)
        except DecodeError as error:
            raise ExportRefusedError("the export holds a damaged record") from error


def _front(file: BinaryIO) -> bytes:
    magic = file.read(len(MAGIC) + 1)
    if magic.startswith(BACKUP_MAGIC):
        raise ExportRefusedError("this is the backup of an account, not the sealed export of a conversation")
    size = BODY_SIZES.get(magic[-1]) if len(magic) == len(MAGIC) + 1 and magic.startswith(MAGIC) else None
    if size is None:
        raise ExportRefusedError("this is not a sealed export")
    body = file.read(size)
    if len(body) != size:
        raise ExportRefusedError("the export is cut short")
    return magic + body
