"""What a committed batch brings to those who follow: fresh entries, and whose rights have changed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from essaim.opengroup.v1 import room_pb2

Changed = tuple[int | None, bytes | None]
"""Whose rights have changed: (room, or None for the whole host; member key, or None for everybody)."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """An entry as it was just committed. A whisper is told to its recipient, its author and moderators alone."""

    room_no: int
    sequence: int
    chain: bytes
    entry: room_pb2.Entry
    digest: bytes
    whisper: bool
    whisper_to: int | None
    erases: bool = False
    """It changes what other entries say, which must then be forgotten wherever they are at hand."""
    filtered: bool = False

    def seen_by(self, reader: "Reader") -> room_pb2.Entry:
        """The entry, or that there is one."""
        if self.whisper and not reader.hears(self.whisper_to, self.entry.author):
            return withheld(self.entry, self.digest)
        if not self.filtered or not reader.moderator:
            return self.entry
        marked = room_pb2.Entry(filtered=True)
        marked.MergeFrom(self.entry)
        return marked


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: `no` and `key` are those of a member, or 0 and empty."""

    no: int = 0
    key: bytes = b""
    moderator: bool = False

    def hears(self, whisper_to: int | None, author: bytes) -> bool:
        """Whether a whisper is for this reader."""
        return self.moderator or (self.no != 0 and self.no == whisper_to) or (self.key != b"" and self.key == author)


def withheld(entry: room_pb2.Entry, digest: bytes) -> room_pb2.Entry:
    """That there is an entry, and its place in the chain, without what it says."""
    return room_pb2.Entry(
        sequence=entry.sequence, time_ms=entry.time_ms, author=entry.author, digest=digest, removed=True
    )


@dataclass(frozen=True, slots=True)
class News:
    """Of one commit."""

    fresh: Sequence[Fresh] = ()
    changed_access: Collection[Changed] = ()
    inboxes: Collection[bytes] = ()
    """Member keys for whom a direct message has come, or who have sent one."""
