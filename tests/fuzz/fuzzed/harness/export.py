"""Sealed exports: a file of anybody's, and one whose maker writes and signs what he likes."""

import io
import random
from collections.abc import Iterator

from essaim.messaging.v1 import export_pb2
from essaim.protocol.account import Account
from essaim.protocol.device import DeviceKeys
from essaim.protocol.export import DeviceKey, ExportRefusedError, Range, Reading, Sealing, Signer
from essaim.protocol.layout import block
from essaim.protocol.manifest import first_manifest
from fuzzed.parser import Parser, chosen

NOW = 1_800_000_000_000
SOURCE = random.Random(14).randbytes
ALICE, BOB = Account(bytes(range(32))), Account(bytes(range(32, 64)))
MAKER, READER = DeviceKeys.create(0, 1, SOURCE), DeviceKeys.create(0, 1, SOURCE)
SIGNER = Signer(first_manifest(ALICE, MAKER, NOW).certificate(0), MAKER.signing)
SECRET = bytes(32)


class Given:
    """A lock and its key in one: what closes the file costs nothing here, it is another parser's."""

    def close(self, _random: object) -> tuple[bytes, bytes]:
        return bytes((2,)) + bytes(24), SECRET

    def open(self, kind: int, body: bytes) -> bytes:
        return SECRET


def stanzas(data: bytes) -> object:
    """The front of a file, to a device that it may be for."""
    body = data[:5_840].ljust(5_840, b"\0")
    return DeviceKey.of(READER).open(1, body)


def fronts() -> Iterator[bytes]:
    from essaim.protocol.export import AccountLock, Recipient

    body, _ = AccountLock((Recipient(READER.agreement.public, READER.kem.public),)).close(SOURCE)
    yield body[1:]
    yield bytes(5_840)


def records(data: bytes) -> object:
    """Records that its maker wrote, each behind its length (two bytes), well sealed, closed and signed."""
    reading = Reading(_sealed(data), Given())
    places = [(each.position, each.message_id, each.author) for each in reading.messages()]
    assert places == sorted(set(places)), "a message out of its order"
    return reading.exporter


def _sealed(data: bytes) -> io.BytesIO:
    file = io.BytesIO()
    sealing = Sealing(file, Given(), SIGNER, BOB.id, random.Random(7).randbytes, created_ms=NOW, span=Range())
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        framed = block(data[at + 2 : end])
        sealing._digest.update(framed)
        sealing._chunks.write(framed)
        sealing._messages += 1
        at = end
    sealing.end()
    file.seek(0)
    return file


def all_records() -> Iterator[bytes]:
    message = export_pb2.ExportedMessage(
        author=ALICE.id.raw, message_id=bytes(16), position=1, sent_ms=NOW, text="hello"
    )
    file = export_pb2.ExportedFile(name="pond.jpg", media_type="image/jpeg", size=70_000, width=640)
    second = export_pb2.ExportedMessage(
        author=BOB.id.raw, message_id=b"\1" * 16, position=2, sent_ms=NOW, text="look", edited=True, files=[file]
    )
    made = [export_pb2.ExportRecord(message=each).SerializeToString() for each in (message, second)]
    yield b"".join(len(each).to_bytes(2, "big") + each for each in made)
    yield b""


def whole(data: bytes) -> object:
    """A file as it comes."""
    which, rest = chosen(data, 2)
    reading = Reading(io.BytesIO(rest), Given() if which else DeviceKey.of(READER))
    return list(reading.messages())


def files() -> Iterator[bytes]:
    yield b"\0" + b"ESSAIMEXPORT1\1" + bytes(400)
    yield b"\1" + b"ESSAIMEXPORT1\2" + bytes(60)
    yield b"\0ESSAIMBACKUP1"
    yield b"\1" + _sealed(next(all_records())).getvalue()


PARSERS = (
    Parser("export.stanzas", stanzas, (ExportRefusedError,), fronts, longest=5_840),
    Parser("export.records", records, (ExportRefusedError,), all_records, longest=1_024),
    Parser("export.file", whole, (ExportRefusedError,), files, longest=66_000),
)
