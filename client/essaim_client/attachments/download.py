"""Fetching a file: several pieces at once, as they were sealed, into a hidden file beside the target; what a kill ended
goes on. Only when all are there it is opened, and gets its name when every byte was verified.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from essaim.messaging.v1 import content_pb2
from essaim.protocol.attachment import Descriptor, Opener, Piece
from essaim.protocol.attachment.descriptor import AttachmentRefusedError
from essaim.protocol.attachment.piece import PIECE_SIZE
from essaim.protocol.errors import ProtocolError
from essaim_client.attachments.crew import Job, at_once
from essaim_client.attachments.source import NAME_MAX
from essaim_client.attachments.upload import AT_ONCE, TRANSFER_ID_SIZE, OnProgress
from essaim_client.mailbox.blobs import BlobGoneError, Blobs
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.store.local_store import LocalStore
from essaim_client.store.transfers import Direction, Transfer

UNNAMED = "file"
NUMBERS = 1_000


class FileGoneError(ProtocolError):
    """A piece is no longer kept: the file expired, or was taken back."""

    reason = "FILE_GONE"


class NoRoomForNameError(ProtocolError):
    """The directory has a thousand files of this name, or is none."""

    reason = "NAME_TAKEN"


class Downloads:
    """Fetches files that messages tell of."""

    def __init__(self, swarms: Swarms, store: LocalStore) -> None:
        self._swarms = swarms
        self._store = store
        self._blobs = Blobs(swarms)
        self._turn = asyncio.Lock()

    async def save(self, file: content_pb2.File, directory: Path, on_progress: OnProgress) -> Path:
        """Where it is now: under its own name, or with a number behind it when that is taken.

        Raises AttachmentRefusedError, FileTooLargeError, FileGoneError, NoRoomForNameError, SwarmUnreachableError.
        """
        told = Descriptor.check(file.size, file.key, file.blobs, file.expires_ms)
        async with self._turn:
            return await self._save(file, told, self._transfer(file, told, directory), on_progress)

    async def _save(
        self, file: content_pb2.File, told: Descriptor, transfer: Transfer, on_progress: OnProgress
    ) -> Path:
        sealed, clear = _hidden(transfer)
        try:
            if 0 < told.expires_ms <= self._swarms.clock.now_ms():
                raise FileGoneError("the file has expired: it is no longer kept")
            await self._fetch(told, transfer, sealed, on_progress)
            await asyncio.to_thread(_open, told, sealed, clear)
        except (FileGoneError, AttachmentRefusedError):
            self.forget(transfer)  # it will never be whole
            raise
        path = await asyncio.to_thread(_name, clear, Path(transfer.place), file.name)
        self.forget(transfer)
        return path

    def forget(self, transfer: Transfer) -> None:
        """With what is on the disk of it."""
        for path in _hidden(transfer):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        with self._store.transaction():
            self._store.transfers.forget(transfer.transfer_id)

    def _transfer(self, file: content_pb2.File, told: Descriptor, directory: Path) -> Transfer:
        if not directory.is_dir():
            raise NoRoomForNameError("there is no such directory")
        place = str(directory.resolve())
        found = self._store.transfers.find(Direction.FETCHING, told.names[0], place)
        if found is not None and found.described == file:
            return found
        row = (self._swarms.random(TRANSFER_ID_SIZE), Direction.FETCHING.value, told.names[0], place)
        transfer = Transfer(*row, file.SerializeToString(), b"")
        with self._store.transaction():
            self._store.transfers.begin(transfer)
        return transfer

    async def _fetch(self, told: Descriptor, transfer: Transfer, sealed: Path, on_progress: OnProgress) -> None:
        noted = self._store.transfers.pieces_done(transfer.transfer_id)
        have = await asyncio.to_thread(_verified, told, sealed, noted)
        done = sum(piece.length for piece in told.pieces if piece.number in have)
        on_progress(done, told.size)

        async def fetch(piece: Piece) -> None:
            nonlocal done
            await self._fetch_piece(told, transfer, piece, sealed)
            done += piece.length
            on_progress(done, told.size)

        async def jobs() -> AsyncGenerator[Job, None]:
            for piece in told.pieces:
                if piece.number not in have:
                    yield partial(fetch, piece)

        await at_once(AT_ONCE, jobs())

    async def _fetch_piece(self, told: Descriptor, transfer: Transfer, piece: Piece, sealed: Path) -> None:
        key = told.keys.delete(piece.number).public
        try:
            blob = await self._blobs.fetch(told.names[piece.number], key, piece.size)
        except BlobGoneError:
            raise FileGoneError("a piece of the file is no longer kept: it expired or was taken back") from None
        await asyncio.to_thread(_write, sealed, piece, blob)
        self._store.transfers.done(transfer.transfer_id, piece.number)


def safe_name(name: str) -> str:
    """Somebody else's word for a file, as a name that stays in its directory and shows what it is."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(each if each.isprintable() and each not in '<>:"|?*' else "_" for each in last)
    path = Path(plain.strip(" .") or UNNAMED)
    ending = path.suffix.encode()[:20].decode(errors="ignore")
    return path.stem.encode()[: NAME_MAX - len(ending.encode())].decode(errors="ignore") + ending


def _hidden(transfer: Transfer) -> tuple[Path, Path]:
    """Its pieces as they were sealed, and the file while it is opened."""
    front = Path(transfer.place) / f".essaim-{transfer.transfer_id.hex()}"
    return front.with_suffix(".sealed"), front.with_suffix(".part")


def _verified(told: Descriptor, sealed: Path, noted: set[int]) -> set[int]:
    """Of the pieces that are said to be there, those that are."""
    if not noted or not sealed.exists():
        return set()
    with sealed.open("rb") as file:
        return {
            piece.number for piece in told.pieces if piece.number in noted and told.is_piece(piece, _at(file, piece))
        }


def _at(file: BinaryIO, piece: Piece) -> bytes:
    file.seek(piece.number * PIECE_SIZE)
    return file.read(piece.size)


def _write(sealed: Path, piece: Piece, blob: bytes) -> None:
    handle = os.open(sealed, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.seek(piece.number * PIECE_SIZE)
        file.write(blob)


def _open(told: Descriptor, sealed: Path, clear: Path) -> None:
    """The whole of it, or AttachmentRefusedError."""
    opener = Opener(told.keys)
    with (
        sealed.open("rb") as source,
        os.fdopen(os.open(clear, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as to,
    ):
        for piece in told.pieces:
            to.write(opener.open(piece, _at(source, piece)))
        to.flush()
        os.fsync(to.fileno())


def _name(clear: Path, directory: Path, name: str) -> Path:
    """Give the finished file its name, over no other."""
    wanted = Path(safe_name(name))
    for number in range(NUMBERS):
        path = directory / (f"{wanted.stem} ({number}){wanted.suffix}" if number else wanted.name)
        try:
            _move(clear, path)
        except FileExistsError:
            continue
        return path
    raise NoRoomForNameError("the directory has too many files of this name")


def _move(clear: Path, path: Path) -> None:
    """Raises FileExistsError."""
    try:
        os.link(clear, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: an empty file takes the name first
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        clear.replace(path)
    else:
        clear.unlink()
