"""Files of this person's conversations: sent with a text, saved, and deleted where a text is taken back."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.attachment import FileKeys
from essaim.protocol.errors import ProtocolError
from essaim_client.attachments.crew import Job, at_once
from essaim_client.attachments.download import Downloads
from essaim_client.attachments.source import Source, file_source, is_picture
from essaim_client.attachments.upload import AT_ONCE, TRANSFER_ID_SIZE, OnProgress, Uploads
from essaim_client.attachments.way import Way
from essaim_client.mailbox.blobs import Blobs
from essaim_client.mailbox.refusals import SwarmRefusedError
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.conversations import Conversations
from essaim_client.messaging.directory import Directory
from essaim_client.messaging.events import Event, File, FileProgress
from essaim_client.messaging.fan_out import MESSAGE_LIFE_MS
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.sender import Sender, Sent, file_message
from essaim_client.messaging.transcript import file_of
from essaim_client.messaging.vigil import Vigil
from essaim_client.store.transfers import Direction, Transfer

SHORTEST_LIFE_MS = 2 * 3_600_000
"""Of the pieces, where texts disappear sooner: there must be time to send and to fetch them."""


class Attachments:
    """`tell` hears of progress; `OnProgress` is told each piece."""

    def __init__(
        self,
        swarms: Swarms,
        profile: Profile,
        *,
        sender: Sender,
        conversations: Conversations,
        directory: Directory,
        vigil: Vigil,
        tell: Callable[[Event], None],
    ) -> None:
        self._swarms = swarms
        self._profile = profile
        self._store = profile.store
        self._sender = sender
        self._conversations = conversations
        self._directory = directory
        self._vigil = vigil
        self._tell = tell
        self._uploads = Uploads(swarms, profile.store)
        self._downloads = Downloads(swarms, profile.store)

    def to(self, account: AccountId) -> Way:
        """The conversation with somebody."""

        async def check() -> None:
            self._sender.check(account)
            await self._directory.manifest(account)
            self._vigil.check(account)

        say, unsend = partial(self._sender.send_text, account), partial(self._sender.unsend, account)
        return Way(account.raw, check, say, unsend)

    async def send(
        self,
        way: Way,
        path: Path,
        text: str = "",
        reply_to: bytes = b"",
        *,
        voice: bool = False,
        as_is: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Sent:
        """What saying a text there raises, before anything of the file leaves, and what `Client.send_file` names."""
        await way.check()
        source = await asyncio.to_thread(_source, path, voice=voice, as_is=as_is)
        told = self._told(source.name, on_progress, outgoing=True)
        place = await asyncio.to_thread(path.resolve)
        upload = await self._uploads.send(source, way.conversation, place, self._life_ms(way.conversation), told)
        files = [file_of(upload.file)]

        def sealed() -> None:
            self._store.transfers.forget(upload.transfer_id)

        return await way.say(text, reply_to, files, sealed)

    def _life_ms(self, conversation: bytes) -> int:
        timer = self._conversations.timer(conversation)
        if timer is None or timer.once_read:
            return MESSAGE_LIFE_MS
        return min(MESSAGE_LIFE_MS, max(timer.after_ms, SHORTEST_LIFE_MS))

    async def save(self, file: File, directory: Path, on_progress: OnProgress | None = None) -> Path:
        """See `Client.save_file`."""
        return await self._downloads.save(
            file_message(file), directory, self._told(file.name, on_progress, outgoing=False)
        )

    def _told(self, name: str, on_progress: OnProgress | None, *, outgoing: bool) -> OnProgress:
        last = -1

        def told(done: int, total: int) -> None:
            nonlocal last
            if on_progress is not None:
                on_progress(done, total)
            percent = done * 100 // total if total else 100
            if percent != last:
                last = percent
                self._tell(FileProgress(name, outgoing, done, total))

        return told

    # Taking back

    async def unsend(self, way: Way, message_id: bytes) -> Sent:
        """The text, and its files where they are kept; what cannot be deleted now is tried again later."""
        files = self._files(way.conversation, message_id)

        def sealed() -> None:
            for file in files:
                row = (self._swarms.random(TRANSFER_ID_SIZE), Direction.TAKING_BACK.value, b"", "")
                self._store.transfers.begin(Transfer(*row, file.SerializeToString(), b""))

        sent = await way.unsend(message_id, sealed)
        with suppress(ProtocolError):
            await self.take_back()
        return sent

    def _files(self, conversation: bytes, message_id: bytes) -> list[content_pb2.File]:
        """Of an own text."""
        files: list[content_pb2.File] = []
        for entry in self._profile.store.history.find(conversation, message_id):
            if entry.kind == "text" and entry.content and entry.author == self._profile.own:
                files.extend(content_pb2.Content.FromString(entry.content).text.files)
        return files

    async def take_back(self) -> None:
        """Delete on the swarms what was unsent. Raises SwarmUnreachableError: it goes on when called again."""
        for transfer in self._store.transfers.all(Direction.TAKING_BACK):
            await at_once(AT_ONCE, self._deletions(transfer))
            with self._store.transaction():
                self._store.transfers.forget(transfer.transfer_id)

    async def _deletions(self, transfer: Transfer) -> AsyncGenerator[Job, None]:
        file, done = transfer.described, self._store.transfers.pieces_done(transfer.transfer_id)
        if file.expires_ms > self._swarms.clock.now_ms():
            for number in range(len(file.blobs)):
                if number not in done:
                    yield partial(self._delete, transfer, FileKeys(file.key), number, file.blobs[number])

    async def _delete(self, transfer: Transfer, keys: FileKeys, number: int, name: bytes) -> None:
        with suppress(SwarmRefusedError):  # it will not be otherwise later: the piece stays until it expires
            await Blobs(self._swarms).delete(name, keys.delete(number))
        self._store.transfers.done(transfer.transfer_id, number)

    async def tidy(self) -> None:
        """Forget what can no longer be finished, and delete what was unsent."""
        now_ms = self._swarms.clock.now_ms()
        for transfer in self._store.transfers.all(Direction.SENDING):
            if transfer.described.expires_ms <= now_ms:
                with self._store.transaction():
                    self._store.transfers.forget(transfer.transfer_id)
        for transfer in self._store.transfers.all(Direction.FETCHING):
            if 0 < transfer.described.expires_ms <= now_ms:
                self._downloads.forget(transfer)
        await self.take_back()


def _source(path: Path, *, voice: bool, as_is: bool) -> Source:
    if voice:
        from essaim_client.attachments.voice import voice_source

        return voice_source(path)
    if not as_is and is_picture(path):
        from essaim_client.attachments.photo import photo_source  # a tenth of a second that few commands need

        return photo_source(path)
    return file_source(path)
