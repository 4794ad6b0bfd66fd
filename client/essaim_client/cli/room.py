"""`essaim room`: open groups, for members. What moderators do is in room_moderation."""

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from essaim.protocol.errors import ProtocolError
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption, home_of, passphrase_for
from essaim_client.cli.output import emit, run, screen, sentences, visible
from essaim_client.network.failure import DestinationRefusedError
from essaim_client.rooms.address import RoomAddressError, member_part
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import RoomClient, Rooms
from essaim_client.rooms.shown import RoomEvent, RoomPost

app = typer.Typer(help="Open groups: read, write and moderate rooms of a host.", no_args_is_help=True)
RoomArgument = Annotated[str, typer.Argument(metavar="ROOM", help="host/room; a host is 12 to 64 hexadecimal digits.")]
HostArgument = Annotated[str, typer.Argument(metavar="HOST", help="12 to 64 hexadecimal digits; see `room hosts`.")]
PostArgument = Annotated[str, typer.Argument(metavar="POST", help="A post id: 64 hexadecimal digits.")]
MemberArgument = Annotated[str, typer.Argument(metavar="MEMBER", help="A member key: 64 hexadecimal digits.")]
TextArgument = Annotated[str, typer.Argument(help="What to write.")]
SHORT = 8


class HostRefusalError(ProtocolError):
    """What the host did not do, by its reason; a foreign host's own words are never shown."""

    def __init__(self, error: DestinationRefusedError) -> None:
        super().__init__(f"the host refused: {error.refused_reason.lower().replace('_', ' ')}")
        self.reason = error.refused_reason  # type: ignore[misc]  # each of these has its own


def with_rooms(
    home: Path | None, passphrase_file: Path | None, as_json: bool, work: Callable[[Rooms], Awaitable[None]]
) -> None:
    """One command: the account's rooms, any failure one sentence."""
    with sentences(as_json):
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)

        async def online() -> None:
            async with RoomClient(place, passphrase) as rooms:
                try:
                    await work(rooms)
                except DestinationRefusedError as error:
                    raise HostRefusalError(error) from None

        run(online)


def in_room(
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
    address: str,
    work: Callable[[Room], Awaitable[dict[str, object] | str]],
) -> None:
    """One command in one room; what `work` gives is printed."""

    async def there(rooms: Rooms) -> None:
        told = await work(await rooms.room(address))
        if isinstance(told, str):
            told = {"done": told}
        if as_json:
            emit(told)
        elif "done" in told:
            screen.print(visible(str(told["done"])))

    with_rooms(home, passphrase_file, as_json, there)


@app.command()
def hosts(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """The hosts of this network, and who you are at each: a name that nobody can join with another one."""

    async def work(rooms: Rooms) -> None:
        found = [(each, await rooms.own_key(each.host_id.hex())) for each in await rooms.hosts()]
        if as_json:
            emit({"hosts": [{"host": h.host_id.hex(), "name": h.name, "me": me.hex()} for h, me in found]})
        for each, me in () if as_json else found:
            screen.print(f"{each.host_id.hex()}  {visible(each.name)}", style="bold")
            screen.print(f"  you are {me.hex()}")

    with_rooms(home, passphrase_file, as_json, work)


@app.command()
def rooms(
    host: HostArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """The rooms of a host: listed ones, and those that you have joined."""

    async def work(rooms: Rooms) -> None:
        found = await rooms.listed(host)
        if as_json:
            emit({"rooms": [described(each) for each in found]})
        for each in () if as_json else found:
            mark = "*" if each.joined else " "
            screen.print(f"{mark} {each.settings.name:24} {each.members:6} members  {visible(each.settings.title)}")

    with_rooms(home, passphrase_file, as_json, work)


def described(room: object) -> dict[str, object]:
    """A room for JSON."""
    settings = room.settings  # type: ignore[attr-defined]  # essaim.opengroup.v1.Room
    fields = {each.name: getattr(settings, each.name) for each in settings.DESCRIPTOR.fields if each.name != "picture"}
    names = ("sequence", "version", "members", "own_permissions", "own_role", "joined")
    return fields | {"room_id": room.room_id.hex()} | {name: getattr(room, name) for name in names}  # type: ignore[attr-defined]  # as above


@app.command()
def show(
    room: RoomArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a room says of itself, who moderates it, and what you may do there."""

    async def work(there: Room) -> dict[str, object]:
        told = described(there.info) | {"me": there.me.hex()}
        told["officers"] = [{"member": each.member.hex(), "role": each.role} for each in there.info.officers]
        if not as_json:
            for name, value in told.items():
                screen.print(f"{name:18} {visible(str(value))}")
        return told

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def join(
    room: RoomArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join a room; an invitation (host/=id?token=...) is used."""

    async def work(there: Room) -> str:
        if not there.info.joined:
            await there.join()
        return f"joined {there.info.settings.name}"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def leave(
    room: RoomArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave a room."""

    async def work(there: Room) -> str:
        await there.leave()
        return f"left {there.info.settings.name}"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def post(
    room: RoomArgument,
    text: TextArgument,
    reply_to: Annotated[str, typer.Option(help="Post id that this answers.")] = "",
    mention: Annotated[list[str] | None, typer.Option(help="A member key; may be repeated.")] = None,
    file: Annotated[list[Path] | None, typer.Option(help="A file to attach; may be repeated.")] = None,
    whisper_to: Annotated[str, typer.Option(help="For this member and the moderators alone.")] = "",
    whisper_moderators: Annotated[bool, typer.Option(help="For the moderators alone.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a post; returns when the host has it on disk."""

    async def work(there: Room) -> dict[str, object]:
        post_id = await there.post(
            text,
            reply_to=digest_part(reply_to) if reply_to else b"",
            mentions=[member_part(each) for each in mention or ()],
            files=[await there.upload(each.read_bytes()) for each in file or ()],
            whisper_to=member_part(whisper_to) if whisper_to else b"",
            whisper_moderators=whisper_moderators,
        )
        return {"done": f"posted {post_id.hex()}", "post_id": post_id.hex()}

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def edit(
    room: RoomArgument,
    post: PostArgument,
    text: TextArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the text of a post of yours."""

    async def work(there: Room) -> str:
        await there.edit(digest_part(post), text)
        return "edited"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def delete(
    room: RoomArgument,
    post: PostArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a post: your own, or as a moderator."""

    async def work(there: Room) -> str:
        await there.delete(digest_part(post))
        return "deleted"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def react(
    room: RoomArgument,
    post: PostArgument,
    emoji: Annotated[str, typer.Argument(help="1 to 12 code points.")],
    withdraw: Annotated[bool, typer.Option(help="Take it back.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """React to a post."""

    async def work(there: Room) -> str:
        await there.react(digest_part(post), emoji, withdraw=withdraw)
        return "withdrawn" if withdraw else "reacted"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def read(
    room: RoomArgument,
    before: Annotated[int, typer.Option(help="Posts below this sequence number; 0: from the newest.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    search: Annotated[str, typer.Option(help="Only posts with all these words.")] = "",
    thread: Annotated[int, typer.Option(help="Only the thread of this post (its sequence number).")] = 0,
    pinned: Annotated[bool, typer.Option(help="Only pinned posts.")] = False,
    mentions: Annotated[bool, typer.Option(help="Only posts that mention you.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """The newest posts; the last one is the newest, as in a chat."""

    async def work(there: Room) -> dict[str, object]:
        if search:
            posts, more = await there.search(search, before, limit)
        elif thread:
            posts, more = await there.page(before, limit, thread=thread)
        elif pinned:
            posts, more = await there.page(before, limit, pinned=True)
        elif mentions:
            posts, more = await there.page(before, limit, mentioning=True)
        else:
            posts, more = await there.page(before, limit)
        for each in () if as_json else reversed(posts):
            show_post(each)
        return {"posts": [flat_post(each) for each in posts], "more": more}

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def follow(
    room: Annotated[list[str], typer.Argument(metavar="ROOM...", help="Rooms of one host.")],
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happens in rooms as it happens, until Ctrl-C."""

    async def work(rooms: Rooms) -> None:
        there = [await rooms.room(each) for each in room]
        names = {each.room_id: each.info.settings.name for each in there}
        if as_json:
            emit({"following": sorted(names.values())})
        async with aclosing(rooms.follow(there)) as events:
            async for event in events:
                if as_json:
                    emit(flat_event(event) | {"room": names[event.room_id]})
                else:
                    show_event(names[event.room_id], event)

    try:
        with_rooms(home, passphrase_file, as_json, work)
    except KeyboardInterrupt:
        return


@app.command()
def export(
    room: RoomArgument,
    to: Annotated[Path, typer.Argument(help="A file for one JSON object a line.")],
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the whole history of a room, with the signatures that prove it."""

    async def work(there: Room) -> dict[str, object]:
        count = 0
        with to.open("w", encoding="utf-8") as out:
            async with aclosing(there.export()) as lines:
                async for line in lines:
                    out.write(json.dumps(line, ensure_ascii=False) + "\n")
                    count += 1
        return {"done": f"{count} entries", "entries": count}

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def download(
    room: RoomArgument,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file's hash: 64 hexadecimal digits.")],
    to: Annotated[Path, typer.Argument(help="Where to.")],
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a file of a room; a broken download goes on where it was."""

    async def work(there: Room) -> dict[str, object]:
        size = await there.download(digest_part(file), to)
        return {"done": f"{size} bytes", "bytes": size}

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def report(
    room: RoomArgument,
    post: PostArgument,
    reason: Annotated[str, typer.Argument(help="Why; for the moderators.")] = "",
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the moderators of a post."""

    async def work(there: Room) -> str:
        await there.report(digest_part(post), reason)
        return "reported"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def trust(
    room: RoomArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a room whose history contradicted itself: a host that was restored from a backup, or one that lies."""

    async def work(there: Room) -> str:
        await there.trust_again()
        return f"checking begins at {there.history.sequence}"

    in_room(home, passphrase_file, as_json, room, work)


def digest_part(text: str) -> bytes:
    """A post id or file hash. Raises RoomAddressError."""
    try:
        return member_part(text)
    except RoomAddressError:
        raise RoomAddressError("a post or file is named by 64 hexadecimal digits") from None


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
        "reactions": dict(post.reactions),
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
        "about": event.about.hex(),
        "reply_to": event.reply_to.hex(),
        "mentions": [each.hex() for each in event.mentions],
        "files": [each.hex() for each in event.files],
    }


def show_post(post: RoomPost) -> None:
    """For people."""
    marks = [name for name in ("edited", "deleted", "pinned", "whisper") if getattr(post, name)]
    head = f"{post.sequence:6}  {when(post.time_ms)}  {post.author.hex()[:SHORT]}  {' '.join(marks)}"
    screen.print(head.rstrip(), style="bold")
    screen.print(f"        {post.post_id.hex()}", style="dim")
    if post.text:
        screen.print(visible(post.text))
    for each in post.files:
        screen.print(f"        file {each.hex()}")
    if post.reactions:
        screen.print("        " + "  ".join(f"{visible(emoji)} {count}" for emoji, count in post.reactions.items()))


def show_event(name: str, event: RoomEvent) -> None:
    """For people."""
    words = visible(event.text or event.emoji) or event.post_id.hex()[:SHORT] or event.about.hex()[:SHORT]
    undone = " undone" if event.undone else ""
    screen.print(f"{when(event.time_ms)}  {name}  {event.author.hex()[:SHORT]}  {event.kind}{undone}: {words}")


def when(time_ms: int) -> str:
    """In the person's own time zone."""
    return datetime.fromtimestamp(time_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
