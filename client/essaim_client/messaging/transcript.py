"""A conversation as the person sees it: a fold of its entries, the same on every device that has the same ones.

Texts stand in causal order. Of an edit, the author's last one counts; of reactions, each author's last one. What was
unsent or has disappeared is not shown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from essaim.messaging.v1 import content_pb2
from essaim_client.messaging.events import Disappearing, File
from essaim_client.store.history import Entry

THUMBNAIL_MAX, WAVEFORM_MAX = 8_192, 128


@dataclass(frozen=True)
class Shown:
    """A text as the person sees it; times are unix milliseconds, `account` the other side's identity key.

    `reactions`: (identity key, emoji) of each who reacted. `read`: by the other side (outgoing) or by this person.
    `blocked`: said in a group by somebody whom this person has blocked; what it says is left out.
    """

    account: bytes
    message_id: bytes
    outgoing: bool
    sent_ms: int
    shown_ms: int
    text: str
    author: bytes = b""
    position: int = 0
    reply_to: bytes = b""
    edited: bool = False
    reactions: tuple[tuple[bytes, str], ...] = ()
    files: tuple[File, ...] = ()
    expires_ms: int = 0
    read: bool = False
    blocked: bool = False


def file_of(message: content_pb2.File) -> File:
    """As the person's program sees it."""
    return File(
        message.name,
        message.media_type,
        message.size,
        message.key,
        tuple(message.blobs),
        message.thumbnail if len(message.thumbnail) <= THUMBNAIL_MAX else b"",
        message.waveform if len(message.waveform) <= WAVEFORM_MAX else b"",
        message.duration_ms,
        message.width,
        message.height,
        message.expires_ms,
    )


def disappearing_of(content: content_pb2.Content | content_pb2.Timer) -> Disappearing | None:
    """When it is to go; None: it stays."""
    if not content.HasField("disappearing"):
        return None
    return Disappearing(content.disappearing.after_ms, content.disappearing.once_read)


def transcript(entries: Iterable[Entry], own: bytes, receipts: Mapping[bytes, int], read: int) -> list[Shown]:
    """The texts of one conversation; `entries` in causal order, `read`: how far this person has read."""
    texts: dict[tuple[bytes, bytes], Shown] = {}
    for entry in entries:
        if entry.content:
            _apply(texts, entry, content_pb2.Content.FromString(entry.content), own)
    theirs = max((position for reader, position in receipts.items() if reader != own), default=0)
    ordered = sorted(texts.values(), key=lambda each: (each.position, each.message_id, each.author))
    return [replace(each, read=each.position <= (theirs if each.outgoing else read)) for each in ordered]


def _apply(texts: dict[tuple[bytes, bytes], Shown], entry: Entry, content: content_pb2.Content, own: bytes) -> None:
    mine = (entry.author, entry.target)
    match entry.kind:
        case "text":
            texts[entry.author, entry.message_id] = _shown(entry, content.text, own)
        case "edit" if mine in texts:
            texts[mine] = replace(texts[mine], text=content.edit.text, edited=True)
        case "reaction":
            for place in [place for place in texts if place[1] == entry.target]:
                texts[place] = _reacted(texts[place], entry.author, content.reaction.emoji)


def _shown(entry: Entry, text: content_pb2.Text, own: bytes) -> Shown:
    return Shown(
        entry.conversation,
        entry.message_id,
        entry.author == own,
        entry.sent_ms,
        entry.shown_ms,
        text.text,
        author=entry.author,
        position=entry.position,
        reply_to=text.reply_to,
        files=tuple(map(file_of, text.files)),
        expires_ms=entry.expires_ms,
    )


def _reacted(shown: Shown, author: bytes, emoji: str) -> Shown:
    others = tuple(each for each in shown.reactions if each[0] != author)
    return replace(shown, reactions=(*others, (author, emoji)) if emoji else others)
