"""What a person sees of a room: posts with what became of them, and the events of a live room."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from essaim.opengroup.v1 import room_pb2, statement_pb2
from essaim.protocol.opengroup.filter import OF_ROOM
from essaim.protocol.opengroup.statement import Statement, is_file_name


@dataclass(frozen=True)
class RoomPost:
    """A post as it is now. `author` and `mentions` are member keys, `files` hashes, `file_names` theirs or none.

    `filtered`: a silent filter keeps it from everybody but its author and moderators, who alone are told. `by_host`: a
    word of the host's own, signed with its key; with `by_admins` what the admins of the room had its filter answer.
    """

    sequence: int
    post_id: bytes
    author: bytes
    time_ms: int
    text: str
    edited: bool = False
    deleted: bool = False
    pinned: bool = False
    thread: int = 0
    replies: int = 0
    whisper: bool = False
    mentions: tuple[bytes, ...] = ()
    files: tuple[bytes, ...] = ()
    reactions: Mapping[str, int] = field(default_factory=dict)
    own_reactions: frozenset[str] = frozenset()
    file_names: tuple[str, ...] = ()
    filtered: bool = False
    by_host: bool = False
    by_admins: bool = False


@dataclass(frozen=True)
class RoomEvent:
    """Something that happened: `kind` is post, edit, delete, react, pin, purge or withheld.

    `post_id` is the post's that it makes or changes (empty for a purge, whose `about` is the member); `text` a post's
    or edit's, `emoji` a reaction's; `undone` a reaction withdrawn (`everybodys`: all of that emoji) or a pin taken off
    (`everybodys`: all pins; `release`: of a post that a silent filter kept and that everybody may read from now on).
    `filtered`, `by_host` and `by_admins` as in RoomPost.
    """

    room_id: bytes
    sequence: int
    time_ms: int
    author: bytes
    kind: str
    post_id: bytes = b""
    text: str = ""
    emoji: str = ""
    undone: bool = False
    everybodys: bool = False
    release: bool = False
    about: bytes = b""
    reply_to: bytes = b""
    mentions: tuple[bytes, ...] = ()
    files: tuple[bytes, ...] = ()
    file_names: tuple[str, ...] = ()
    filtered: bool = False
    by_host: bool = False
    by_admins: bool = False


def event_of(room_id: bytes, entry: room_pb2.Entry, statement: Statement | None) -> RoomEvent:
    """The event that a checked entry is."""
    by_host = statement is not None and statement.author == statement.message.host_id
    event = _event(room_id, entry, statement)
    return replace(
        event, filtered=entry.filtered, by_host=by_host, by_admins=by_host and event.text.startswith(OF_ROOM)
    )


def _event(room_id: bytes, entry: room_pb2.Entry, statement: Statement | None) -> RoomEvent:
    if statement is None:
        return RoomEvent(room_id, entry.sequence, entry.time_ms, entry.author, "withheld", entry.digest)
    kind, message = statement.kind, statement.message
    common = (room_id, entry.sequence, entry.time_ms, entry.author, kind)
    match kind:
        case "post":
            post = message.post
            return RoomEvent(
                *common,
                statement.digest,
                text=post.text,
                reply_to=post.reply_to,
                mentions=tuple(post.mentions),
                files=tuple(post.files),
                file_names=_names(post),
            )
        case "edit":
            edit = message.edit
            return RoomEvent(
                *common,
                edit.post_id,
                text=edit.text,
                mentions=tuple(edit.mentions),
                files=tuple(edit.files),
                file_names=_names(edit),
            )
        case "react":
            react = message.react
            undone, everybodys = react.withdraw, react.everybodys
            return RoomEvent(*common, react.post_id, emoji=react.emoji, undone=undone, everybodys=everybodys)
        case "pin":
            pin = message.pin
            every, release = pin.unpin and pin.everything, pin.unpin and pin.release
            return RoomEvent(*common, pin.post_id, undone=pin.unpin, everybodys=every, release=release)
        case "purge":
            return RoomEvent(*common, about=message.purge.member)
        case _:
            return RoomEvent(*common, message.delete.post_id)


def post_of(state: room_pb2.PostState, made: Statement | None, edit: Statement | None) -> RoomPost:
    """A post whose statements were checked."""
    content = edit.message.edit if edit is not None else made.message.post if made is not None else None
    original = made.message.post if made is not None else None
    by_host = made is not None and made.author == made.message.host_id
    return RoomPost(
        sequence=state.entry.sequence,
        post_id=made.digest if made is not None else state.entry.digest,
        author=state.entry.author,
        time_ms=state.entry.time_ms,
        text=content.text if content is not None else "",
        edited=edit is not None,
        deleted=bool(state.deleted),
        pinned=bool(state.pinned),
        thread=state.thread,
        replies=state.replies,
        whisper=original is not None and bool(original.whisper_to or original.whisper_moderators),
        mentions=tuple(content.mentions) if content is not None else (),
        files=tuple(content.files) if content is not None else (),
        reactions={each.emoji: each.count for each in state.reactions},
        own_reactions=frozenset(each.emoji for each in state.reactions if each.own),
        file_names=_names(content) if content is not None else (),
        filtered=state.filtered,
        by_host=by_host,
        by_admins=by_host and original is not None and original.text.startswith(OF_ROOM),
    )


def _names(content: statement_pb2.Post | statement_pb2.Edit) -> tuple[str, ...]:
    """Of its files, as the rules want them; else none: anybody may have signed anything."""
    names = content.file_names
    fits = len(names) == len(content.files) and all(map(is_file_name, names))
    return tuple(names) if fits else ()
