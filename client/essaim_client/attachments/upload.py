"""Sending a file: sealed piece by piece, each stored as a blob, several at once; what a kill ended goes on.

The file is sealed twice: once to learn the names of all pieces, which are written down, and once to store them. A piece
that the second sealing names otherwise never leaves, for its key and nonce were used on other bytes.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from essaim.messaging.v1 import content_pb2
from essaim.protocol.attachment import HEADER_SIZE, FileKeys, Piece, Sealer, pieces_of
from essaim.protocol.attachment.descriptor import name_of
from essaim.protocol.attachment.keys import KEY_SIZE
from essaim.protocol.errors import ProtocolError
from essaim_client.attachments.crew import Job, at_once
from essaim_client.attachments.source import FileUnreadableError, Source
from essaim_client.mailbox.blobs import Blobs
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.store.local_store import LocalStore
from essaim_client.store.transfers import Direction, Transfer

AT_ONCE = 4
"""Pieces on their way: some 4 MB of memory, and enough to fill a path that takes a second."""
HOUR_MS = 3_600_000
TRANSFER_ID_SIZE = 16

OnProgress = Callable[[int, int], None]
"""Is told (bytes done, bytes in all)."""


class FileChangedError(ProtocolError):
    """The file is not what it was when it began to be sent."""

    reason = "FILE_CHANGED"


@dataclass(frozen=True)
class Upload:
    """One that is written down, whole or not; `file` is what the message will say."""

    transfer_id: bytes
    file: content_pb2.File


class Uploads:
    """Sends files; the message that tells of one is the caller's, who forgets the transfer with it."""

    def __init__(self, swarms: Swarms, store: LocalStore) -> None:
        self._swarms = swarms
        self._store = store
        self._blobs = Blobs(swarms)
        self._turn = asyncio.Lock()

    async def send(self, source: Source, subject: bytes, place: Path, life_ms: int, on_progress: OnProgress) -> Upload:
        """Returns when a quorum has each piece. `subject` and `place`: by what a later call goes on.

        Raises FileChangedError, FileUnreadableError, SwarmRefusedError, SwarmUnreachableError.
        """
        async with self._turn:
            return await self._send(source, subject, place, life_ms, on_progress)

    async def _send(self, source: Source, subject: bytes, place: Path, life_ms: int, on_progress: OnProgress) -> Upload:
        self._blobs = Blobs(self._swarms)  # anew: what pieces cost an hour ago is no longer true
        expires_ms = _expiry(self._swarms.clock.now_ms(), life_ms)
        transfer = await self._begun(source, subject, place, expires_ms)
        transfer = transfer or await self._begin(source, subject, place, expires_ms)
        progress = _Progress(source.size, on_progress)
        try:
            await at_once(AT_ONCE, self._jobs(source, transfer, progress))
        except FileChangedError:
            self._forget(transfer)
            raise
        return Upload(transfer.transfer_id, transfer.described)

    def _forget(self, transfer: Transfer) -> None:
        with self._store.transaction():
            self._store.transfers.forget(transfer.transfer_id)

    async def _begun(self, source: Source, subject: bytes, place: Path, expires_ms: int) -> Transfer | None:
        """One that can go on: of the same bytes, and kept about as long as it shall be."""
        found = self._store.transfers.find(Direction.SENDING, subject, str(place))
        if found is None:
            return None
        file = found.described
        names = await asyncio.to_thread(_names, source, FileKeys(file.key), found.header)
        near = 0 <= expires_ms - file.expires_ms <= 24 * HOUR_MS
        if names == list(file.blobs) and file.size == source.size and near:
            return found
        self._forget(found)
        return None

    async def _begin(self, source: Source, subject: bytes, place: Path, expires_ms: int) -> Transfer:
        random = self._swarms.random
        key, header = random(KEY_SIZE), random(HEADER_SIZE)
        file = content_pb2.File(
            name=source.name,
            media_type=source.media_type,
            size=source.size,
            key=key,
            blobs=await asyncio.to_thread(_names, source, FileKeys(key), header),
            thumbnail=source.thumbnail,
            waveform=source.waveform,
            duration_ms=source.duration_ms,
            width=source.width,
            height=source.height,
            expires_ms=expires_ms,
        )
        row = (random(TRANSFER_ID_SIZE), Direction.SENDING.value, subject, str(place))
        transfer = Transfer(*row, file.SerializeToString(), header)
        with self._store.transaction():
            self._store.transfers.begin(transfer)
        return transfer

    async def _jobs(self, source: Source, transfer: Transfer, progress: "_Progress") -> AsyncGenerator[Job, None]:
        file, done = transfer.described, self._store.transfers.pieces_done(transfer.transfer_id)
        with closing(_sealed(source, FileKeys(file.key), transfer.header)) as sealing:
            for piece in pieces_of(source.size):
                blob, name = await asyncio.to_thread(next, sealing)
                if name != file.blobs[piece.number]:
                    raise FileChangedError("the file was changed while it was being sent")
                if piece.number in done:
                    progress.more(piece.length)
                    continue
                yield partial(self._store_piece, transfer, piece, blob, progress)

    async def _store_piece(self, transfer: Transfer, piece: Piece, blob: bytes, progress: "_Progress") -> None:
        file = transfer.described
        await self._blobs.store(FileKeys(file.key).delete(piece.number).public, blob, file.expires_ms)
        self._store.transfers.done(transfer.transfer_id, piece.number)
        progress.more(piece.length)


class _Progress:
    def __init__(self, total: int, tell: OnProgress) -> None:
        self._done, self._total, self._tell = 0, total, tell

    def more(self, size: int) -> None:
        self._done += size
        self._tell(self._done, self._total)


def _expiry(now_ms: int, life_ms: int) -> int:
    """Whole hours, so that the pieces of one file do not share a millisecond that no other has."""
    return (now_ms + life_ms) // HOUR_MS * HOUR_MS


def _names(source: Source, keys: FileKeys, header: bytes) -> list[bytes]:
    return [name for _, name in _sealed(source, keys, header)]


def _sealed(source: Source, keys: FileKeys, header: bytes) -> Generator[tuple[bytes, bytes], None, None]:
    """(blob, name) of each piece."""
    sealer = Sealer(keys, header)
    try:
        with source.open() as file:
            for piece in pieces_of(source.size):
                content = file.read(piece.length)
                if len(content) != piece.length:
                    raise FileChangedError("the file was changed while it was being sent")
                blob = sealer.seal(piece, content)
                yield blob, name_of(keys, piece, blob)
    except OSError:
        raise FileUnreadableError("the file cannot be read") from None
