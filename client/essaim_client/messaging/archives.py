"""Importing: exports that others made, verified without a network, kept apart from one's own conversations.

Nothing of an archive is ever sent, given to who asks for entries, or put into a backup.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from essaim.messaging.v1 import export_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.export import (
    DeviceKey,
    ExportedGroup,
    ExportKey,
    ExportRefusedError,
    PassphraseLock,
    Range,
    Reading,
    Subject,
)
from essaim.protocol.keys import VerifyKey
from essaim.protocol.manifest import Certificate, Head
from essaim_client.attachments.upload import OnProgress
from essaim_client.messaging.events import File
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.transcript import THUMBNAIL_MAX, WAVEFORM_MAX, Shown
from essaim_client.store.archived import ArchiveRow
from essaim_client.store.local_store import LocalStore

PAGE = 500


class UnknownArchiveError(ProtocolError):
    """No import of this id."""

    reason = "UNKNOWN_ARCHIVE"


class ArchiveKnownError(ProtocolError):
    """This file was imported before."""

    reason = "ARCHIVE_KNOWN"


@dataclass(frozen=True)
class Archive:
    """An imported export: what `exporter` says a conversation with `conversation`, or in that group, was.

    The signature proves who made it, not what the others wrote. `revoked`: the account no longer lists the device
    that signed, as far as is known here.
    """

    archive_id: bytes
    exporter: AccountId
    conversation: Subject
    created_ms: int
    span: Range
    imported_ms: int
    messages: int
    revoked: bool


class Archives:
    """`key`: of this device; None before it was online for the first time: then passphrases alone open files."""

    def __init__(self, store: LocalStore, key: DeviceKey | None, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._kept = store.archived
        self._key = key
        self._now_ms = now_ms

    @classmethod
    def of(cls, store: LocalStore, profile: Profile | None, now_ms: Callable[[], int]) -> "Archives":
        """Those of a store, with the keys of its device."""
        return cls(store, DeviceKey.of(profile.device.keys) if profile else None, now_ms)

    async def check(self, path: Path, *, passphrase: str | None = None) -> Archive:
        """That a file is whole, genuine and for this person; nothing is kept. Raises ExportRefusedError."""
        with path.open("rb") as file:
            reading = await self._opened(file, passphrase)
            messages, count = reading.messages(), 0
            while page := list(islice(messages, PAGE)):
                count += len(page)
                await asyncio.sleep(0)
            return self._archive(self._row(reading)._replace(messages=count))

    async def take_in(
        self, path: Path, *, passphrase: str | None = None, on_progress: OnProgress | None = None
    ) -> Archive:
        """Import a file: all of it, or nothing. Raises ExportRefusedError, ArchiveKnownError."""
        with path.open("rb") as file:
            reading = await self._opened(file, passphrase)
            row = self._row(reading)
            if self._kept.find(row.archive_id) is not None:
                raise ArchiveKnownError(f"this export was imported before, as {row.archive_id.hex()}")
            with self._store.transaction():
                self._kept.forget_halves()
                self._kept.begin(row)
            try:
                await self._fill(row.archive_id, reading, file, on_progress)
            except BaseException:
                with self._store.transaction():
                    self._kept.remove(row.archive_id)
                raise
        return self.get(row.archive_id)

    async def _opened(self, file: BinaryIO, passphrase: str | None) -> Reading:
        key: ExportKey | None = self._key if passphrase is None else PassphraseLock(passphrase)
        if key is None:
            raise ExportRefusedError("this device was never online, so no export is for it yet")
        return await asyncio.to_thread(Reading, file, key)  # Argon2id takes its time

    async def _fill(self, archive_id: bytes, reading: Reading, file: BinaryIO, on_progress: OnProgress | None) -> None:
        messages, count, total = reading.messages(), 0, os.fstat(file.fileno()).st_size
        while page := [message.SerializeToString() for message in islice(messages, PAGE)]:
            with self._store.transaction():
                self._kept.add(archive_id, count, page)
            count += len(page)
            if on_progress is not None:
                on_progress(file.tell(), total)
            await asyncio.sleep(0)
        with self._store.transaction():
            self._kept.complete(archive_id, count)

    def _row(self, reading: Reading) -> ArchiveRow:
        return ArchiveRow(
            reading.export_id,
            reading.certificate.encode(),
            reading.conversation.raw,
            reading.created_ms,
            reading.span.from_ms,
            reading.span.until_ms,
            self._now_ms(),
            group_name=reading.conversation.name if isinstance(reading.conversation, ExportedGroup) else "",
        )

    # What is here

    def all(self) -> list[Archive]:
        """The newest import first."""
        return [self._archive(row) for row in self._kept.all()]

    def get(self, archive_id: bytes) -> Archive:
        """Raises UnknownArchiveError."""
        row = self._kept.find(archive_id)
        if row is None:
            raise UnknownArchiveError("there is no import of this id")
        return self._archive(row)

    def messages(self, archive_id: bytes) -> Iterator[Shown]:
        """In order; `outgoing` are those of who made the export. Raises UnknownArchiveError."""
        archive = self.get(archive_id)
        for message in self._kept.messages(archive_id):
            yield _shown(archive, export_pb2.ExportedMessage.FromString(message))

    def remove(self, archive_id: bytes) -> None:
        """Raises UnknownArchiveError."""
        with self._store.transaction():
            if not self._kept.remove(archive_id):
                raise UnknownArchiveError("there is no import of this id")

    def _archive(self, row: ArchiveRow) -> Archive:
        certificate = Certificate.decode(row.certificate)
        exporter = AccountId(certificate.head.identity)
        return Archive(
            row.archive_id,
            exporter,
            _subject(row),
            row.created_ms,
            Range(row.from_ms, row.until_ms),
            row.imported_ms,
            row.messages,
            self._revoked(exporter, certificate),
        )

    def _revoked(self, exporter: AccountId, certificate: Certificate) -> bool:
        encoded = self._store.newcomers.vetted(exporter.raw)
        with suppress(ProtocolError):
            head = Head.decode(encoded or b"")
            return head.version > certificate.head.version and not head.lists_device(certificate.device)
        return False


def _subject(row: ArchiveRow) -> Subject:
    if row.group_name:
        return ExportedGroup(row.conversation, row.group_name)
    return AccountId(VerifyKey(row.conversation))


def _shown(archive: Archive, message: export_pb2.ExportedMessage) -> Shown:
    return Shown(
        archive.conversation.raw,
        message.message_id,
        message.author == archive.exporter.raw,
        message.sent_ms,
        message.sent_ms,
        message.text,
        author=message.author,
        position=message.position,
        reply_to=message.reply_to,
        edited=message.edited,
        reactions=tuple((each.author, each.emoji) for each in message.reactions),
        files=tuple(map(_file, message.files)),
    )


def _file(file: export_pb2.ExportedFile) -> File:
    """What it was: an export has neither its key nor where it is."""
    return File(
        file.name,
        file.media_type,
        file.size,
        b"",
        (),
        file.thumbnail if len(file.thumbnail) <= THUMBNAIL_MAX else b"",
        file.waveform if len(file.waveform) <= WAVEFORM_MAX else b"",
        file.duration_ms,
        file.width,
        file.height,
    )
