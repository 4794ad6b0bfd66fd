"""Exporting: a conversation or a closed group's, or a range of it, as this person sees it, to a sealed and signed file.

Needs no network. Disappearing texts and what is gone are left out, and of files the keys.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from essaim.messaging.v1 import content_pb2, export_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.device import Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.export import ExportedGroup, ExportLock, Range, Sealing, Signer, Subject
from essaim_client.messaging.contacts import account_of
from essaim_client.messaging.group_book import GroupBook
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.transcript import Shown, transcript
from essaim_client.store.history import Entry

PAGE = 200
"""Messages between two looks at what else is to be done."""
Conversation = AccountId | str | bytes
"""The other side, or the id of a closed group."""
OnCount = Callable[[int, int], None]
"""So many messages are done, of so many."""


class NothingToExportError(ProtocolError):
    """There is no message of that conversation and range."""

    reason = "NOTHING_TO_EXPORT"


class Exports:
    """`now_ms` and `random` as everywhere."""

    def __init__(self, profile: Profile, now_ms: Callable[[], int], random: Random) -> None:
        self._profile = profile
        self._history = profile.store.history
        self._now_ms = now_ms
        self._random = random

    async def write(
        self,
        conversation: Conversation,
        path: Path,
        lock: ExportLock,
        span: Range,
        on_count: OnCount | None = None,
    ) -> int:
        """A new file, readable by its owner alone; how many messages are in it. Nothing is left of one that failed.

        Raises NothingToExportError, UnknownGroupError.
        """
        subject = self._subject(conversation)
        with _new_file(path) as file:
            return await self._written(file, subject, lock, span, on_count)

    def _subject(self, conversation: Conversation) -> Subject:
        if not isinstance(conversation, bytes):
            return account_of(conversation)
        return ExportedGroup(conversation, GroupBook(self._profile).get(conversation).roster.name)

    async def _written(
        self, file: BinaryIO, subject: Subject, lock: ExportLock, span: Range, on_count: OnCount | None
    ) -> int:
        device = self._profile.device
        signer = Signer(device.manifest.certificate(device.slot), device.keys.signing)
        sealing = await asyncio.to_thread(  # Argon2id takes its time
            Sealing, file, lock, signer, subject, self._random, created_ms=self._now_ms(), span=span
        )
        done, total = 0, self._history.count_texts(subject.raw)
        for page in self._pages(subject.raw):
            for message in self._exported(page, span):
                sealing.add(message)
            done += len(page)
            if on_count is not None:
                on_count(done, max(done, total))
            await asyncio.sleep(0)
        count = sealing.end()
        if not count:
            raise NothingToExportError("there is no message of that conversation and time here")
        return count

    def _pages(self, conversation: bytes) -> Iterator[list[Entry]]:
        beyond = (-1, b"", b"")
        while page := self._history.texts(conversation, beyond, PAGE):
            yield page
            last = page[-1]
            beyond = (last.position, last.message_id, last.author)

    def _exported(self, page: list[Entry], span: Range) -> Iterator[export_pb2.ExportedMessage]:
        for entry in page:
            if not span.holds(min(entry.sent_ms, entry.shown_ms)):
                continue
            if content_pb2.Content.FromString(entry.content).HasField("disappearing"):
                continue
            said_of_it = self._history.about(entry.conversation, entry.message_id)
            for shown in transcript([entry, *said_of_it], self._profile.own, {}, 0):
                yield exported(shown)


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """On the disk when it is left well, else gone."""
    with path.open("xb") as file:
        try:
            path.chmod(0o600)
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            path.unlink()
            raise


def exported(shown: Shown) -> export_pb2.ExportedMessage:
    """As it goes into a file."""
    return export_pb2.ExportedMessage(
        author=shown.author,
        message_id=shown.message_id,
        position=shown.position,
        sent_ms=min(shown.sent_ms, shown.shown_ms),
        text=shown.text,
        edited=shown.edited,
        reply_to=shown.reply_to,
        reactions=[export_pb2.ExportedReaction(author=author, emoji=emoji) for author, emoji in shown.reactions],
        files=[
            export_pb2.ExportedFile(
                name=file.name,
                media_type=file.media_type,
                size=file.size,
                thumbnail=file.thumbnail,
                waveform=file.waveform,
                duration_ms=file.duration_ms,
                width=file.width,
                height=file.height,
            )
            for file in shown.files
        ],
    )
