"""Rooms, posts and events as a command prints them: for JSON, and for people."""

from datetime import datetime

from rich.text import Text

from essaim.opengroup.v1 import room_pb2
from essaim_client.cli.output import visible
from essaim_client.rooms.patience import Waiting
from essaim_client.rooms.shown import RoomEvent, RoomPost

SHORT = 8


def described(room: room_pb2.Room) -> dict[str, object]:
    """A room for JSON."""
    settings = room.settings
    fields = {each.name: getattr(settings, each.name) for each in settings.DESCRIPTOR.fields if each.name != "picture"}
    names = ("sequence", "version", "members", "own_permissions", "own_role", "joined")
    return (
        fields
        | {"room_id": room.room_id.hex(), "picture": settings.picture.hex()}
        | {name: getattr(room, name) for name in names}
    )


def flat_post(post: RoomPost) -> dict[str, object]:
    """For JSON."""
    return {
        "sequence": post.sequence,
        "post_id": post.post_id.hex(),
        "author": post.author.hex(),
        "time_ms": post.time_ms,
        "text": post.text,
        "edited": post.edited,
        "deleted": post.deleted,
        "pinned": post.pinned,
        "thread": post.thread,
        "replies": post.replies,
        "whisper": post.whisper,
        "mentions": [each.hex() for each in post.mentions],
        "files": [each.hex() for each in post.files],
        "file_names": list(post.file_names),
        "reactions": dict(post.reactions),
        "filtered": post.filtered,
        "by_host": post.by_host,
        "by_admins": post.by_admins,
    }


def flat_event(event: RoomEvent) -> dict[str, object]:
    """For JSON."""
    return {
        "sequence": event.sequence,
        "time_ms": event.time_ms,
        "author": event.author.hex(),
        "kind": event.kind,
        "post_id": event.post_id.hex(),
        "text": event.text,
        "emoji": event.emoji,
        "undone": event.undone,
        "everybodys": event.everybodys,
        "release": event.release,
        "about": event.about.hex(),
        "reply_to": event.reply_to.hex(),
        "mentions": [each.hex() for each in event.mentions],
        "files": [each.hex() for each in event.files],
        "file_names": list(event.file_names),
        "filtered": event.filtered,
        "by_host": event.by_host,
        "by_admins": event.by_admins,
    }


def flat_waiting(waiting: Waiting) -> dict[str, object]:
    """For JSON. `left_seconds` is null where it goes on for good, `host` empty while it is sought."""
    left = waiting.left_seconds
    return {
        "host": waiting.host_id.hex(),
        "reason": waiting.reason,
        "tries": waiting.tries,
        "left_seconds": None if left is None else round(left, 1),
    }


def _author(said: RoomPost | RoomEvent) -> str:
    """Who speaks, for people."""
    if said.by_admins:
        return "the room's filter"
    return "the host" if said.by_host else said.author.hex()[:SHORT]


def post_lines(post: RoomPost) -> list[Text | str]:
    """For people."""
    marks = [name for name in ("edited", "deleted", "pinned", "whisper", "filtered") if getattr(post, name)]
    head = f"{post.sequence:6}  {when(post.time_ms)}  {_author(post)}  {' '.join(marks)}"
    lines: list[Text | str] = [Text(head.rstrip(), "bold"), Text(f"        {post.post_id.hex()}", "dim")]
    if post.text:
        lines.append(visible(post.text))
    names = post.file_names or ("",) * len(post.files)
    for each, name in zip(post.files, names, strict=True):
        lines.append(f"        file {each.hex()}  {visible(name)}".rstrip())
    if post.reactions:
        lines.append("        " + "  ".join(f"{visible(emoji)} {count}" for emoji, count in post.reactions.items()))
    return lines


def event_line(name: str, event: RoomEvent) -> str:
    """For people."""
    words = visible(event.text or event.emoji) or event.post_id.hex()[:SHORT] or event.about.hex()[:SHORT]
    undone = " of everybody undone" if event.everybodys else " undone" if event.undone else ""
    undone += " and released" if event.release else ""
    undone += " (filtered)" if event.filtered else ""
    return f"{when(event.time_ms)}  {name}  {_author(event)}  {event.kind}{undone}: {words}"


LATEST_MS = 253_370_764_800_000


def when(time_ms: int) -> str:
    """In the person's own time zone. A host may say any number: beyond the calendar it is the end of 9998."""
    return datetime.fromtimestamp(min(time_ms, LATEST_MS) / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
