"""`essaim room`: open groups, for members. What moderators do is in room_moderation."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from essaim.protocol.opengroup.statement import is_file_name
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen, visible
from essaim_client.cli.room_command import (
    MOST_NUMBER,
    PATIENCE,
    HostArgument,
    PostArgument,
    RoomArgument,
    TextArgument,
    digest_part,
    in_room,
    with_rooms,
)
from essaim_client.cli.room_shown import described, flat_event, flat_post, show_event, show_post
from essaim_client.rooms.address import member_part
from essaim_client.rooms.patience import MAX_PATIENCE_SECONDS, PATIENCE_SECONDS
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import Rooms

app = typer.Typer(help="Open groups: read, write and moderate rooms of a host.", no_args_is_help=True)


@app.callback()
def patient(
    patience: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_PATIENCE_SECONDS,
            envvar="ESSAIM_ROOM_PATIENCE",
            help="Seconds for which a host that cannot be reached is asked again; 0: never.",
        ),
    ] = PATIENCE_SECONDS,
) -> None:
    """Open groups: read, write and moderate rooms of a host."""
    PATIENCE.set(patience)


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
            screen.print(
                f"{mark} {visible(each.settings.name):24} {each.members:6} members  {visible(each.settings.title)}"
            )

    with_rooms(home, passphrase_file, as_json, work)


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
        names = [each.name for each in file or ()]
        post_id = await there.post(
            text,
            reply_to=digest_part(reply_to) if reply_to else b"",
            mentions=[member_part(each) for each in mention or ()],
            files=[await there.upload(each.read_bytes()) for each in file or ()],
            file_names=names if all(map(is_file_name, names)) else (),
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
    everybodys: Annotated[bool, typer.Option("--everybodys", help="Take everybody's back: for moderators.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """React to a post."""

    async def work(there: Room) -> str:
        gone = withdraw or everybodys
        await there.react(digest_part(post), emoji, withdraw=gone, everybodys=everybodys)
        return "withdrawn" if gone else "reacted"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def read(
    room: RoomArgument,
    before: Annotated[int, typer.Option(min=0, max=MOST_NUMBER, help="Posts below this sequence number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many posts.")] = 20,
    search: Annotated[str, typer.Option(help="Only posts with all these words.")] = "",
    thread: Annotated[int, typer.Option(min=0, max=MOST_NUMBER, help="Only the thread of this post.")] = 0,
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
        with_rooms(home, passphrase_file, as_json, work, emit if as_json else None)
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
