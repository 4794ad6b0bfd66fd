"""`essaim room`: open groups, for members. What moderators do is in room_moderation."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from essaim.protocol.opengroup.statement import is_file_name
from essaim_client.cli.declared import Told, done, tell
from essaim_client.cli.output import emit, visible
from essaim_client.cli.room_command import (
    MOST_NUMBER,
    PATIENCE,
    HostArgument,
    PostArgument,
    TextArgument,
    at_host,
    digest_part,
    in_room,
    wait_in_line,
)
from essaim_client.cli.room_shown import described, event_line, flat_event, flat_post, post_lines
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


@at_host(app)
async def hosts(rooms: Rooms) -> Told:
    """The hosts of this network, and who you are at each: a name that nobody can join with another one."""
    found = [(each, await rooms.own_key(each.host_id.hex())) for each in await rooms.hosts()]
    lines: list[Text | str] = []
    for each, me in found:
        lines += [Text(f"{each.host_id.hex()}  {visible(each.name)}", "bold"), f"  you are {me.hex()}"]
    flat = [{"host": each.host_id.hex(), "name": each.name, "me": me.hex()} for each, me in found]
    return Told({"hosts": flat}, lines)


@at_host(app, "rooms")
async def listed(rooms: Rooms, host: HostArgument) -> Told:
    """The rooms of a host: listed ones, and those that you have joined."""
    found = await rooms.listed(host)
    lines = []
    for each in found:
        name, title = visible(each.settings.name), visible(each.settings.title)
        lines.append(f"{'*' if each.joined else ' '} {name:24} {each.members:6} members  {title}")
    return Told({"rooms": [described(each) for each in found]}, lines)


@in_room(app)
async def show(there: Room) -> Told:
    """What a room says of itself, who moderates it, and what you may do there."""
    told = described(there.info) | {"me": there.me.hex()}
    told["officers"] = [{"member": each.member.hex(), "role": each.role} for each in there.info.officers]
    return Told(told, [f"{name:18} {visible(str(value))}" for name, value in told.items()])


@in_room(app)
async def join(there: Room) -> Told:
    """Join a room; an invitation (host/=id?token=...) is used."""
    if not there.info.joined:
        await there.join()
    return done(f"joined {there.info.settings.name}")


@in_room(app)
async def leave(there: Room) -> Told:
    """Leave a room."""
    await there.leave()
    return done(f"left {there.info.settings.name}")


@in_room(app)
async def post(
    there: Room,
    text: TextArgument,
    reply_to: Annotated[str, typer.Option(help="Post id that this answers.")] = "",
    mention: Annotated[list[str] | None, typer.Option(help="A member key; may be repeated.")] = None,
    file: Annotated[list[Path] | None, typer.Option(help="A file to attach; may be repeated.")] = None,
    whisper_to: Annotated[str, typer.Option(help="For this member and the moderators alone.")] = "",
    whisper_moderators: Annotated[bool, typer.Option(help="For the moderators alone.")] = False,
) -> Told:
    """Write a post; returns when the host has it on disk."""
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
    return done(f"posted {post_id.hex()}", post_id=post_id.hex())


@in_room(app)
async def edit(there: Room, post: PostArgument, text: TextArgument) -> Told:
    """Replace the text of a post of yours."""
    await there.edit(digest_part(post), text)
    return done("edited")


@in_room(app)
async def delete(there: Room, post: PostArgument) -> Told:
    """Delete a post: your own, or as a moderator."""
    await there.delete(digest_part(post))
    return done("deleted")


@in_room(app)
async def react(
    there: Room,
    post: PostArgument,
    emoji: Annotated[str, typer.Argument(help="1 to 12 code points.")],
    withdraw: Annotated[bool, typer.Option(help="Take it back.")] = False,
    everybodys: Annotated[bool, typer.Option("--everybodys", help="Take everybody's back: for moderators.")] = False,
) -> Told:
    """React to a post."""
    gone = withdraw or everybodys
    await there.react(digest_part(post), emoji, withdraw=gone, everybodys=everybodys)
    return done("withdrawn" if gone else "reacted")


@in_room(app)
async def read(
    there: Room,
    before: Annotated[int, typer.Option(min=0, max=MOST_NUMBER, help="Posts below this sequence number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many posts.")] = 20,
    search: Annotated[str, typer.Option(help="Only posts with all these words.")] = "",
    thread: Annotated[int, typer.Option(min=0, max=MOST_NUMBER, help="Only the thread of this post.")] = 0,
    pinned: Annotated[bool, typer.Option(help="Only pinned posts.")] = False,
    mentions: Annotated[bool, typer.Option(help="Only posts that mention you.")] = False,
) -> Told:
    """The newest posts; the last one is the newest, as in a chat."""
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
    lines = [line for each in reversed(posts) for line in post_lines(each)]
    return Told({"posts": [flat_post(each) for each in posts], "more": more}, lines)


@at_host(app)
async def follow(
    rooms: Rooms,
    room: Annotated[list[str], typer.Argument(metavar="ROOM...", help="Rooms of one host.")],
    as_json: bool,
) -> None:
    """Show what happens in rooms as it happens, until Ctrl-C."""
    wait_in_line(rooms, as_json)
    there = [await rooms.room(each) for each in room]
    names = {each.room_id: each.info.settings.name for each in there}
    if as_json:
        emit({"following": sorted(names.values())})
    async with aclosing(rooms.follow(there)) as events:
        async for event in events:
            name = names[event.room_id]
            tell(Told(flat_event(event) | {"room": name}, [event_line(name, event)]), as_json)


@in_room(app)
async def export(there: Room, to: Annotated[Path, typer.Argument(help="A file for one JSON object a line.")]) -> Told:
    """Keep the whole history of a room, with the signatures that prove it."""
    count = 0
    with to.open("w", encoding="utf-8") as out:
        async with aclosing(there.export()) as lines:
            async for line in lines:
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
    return done(f"{count} entries", entries=count)


@in_room(app)
async def download(
    there: Room,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file's hash: 64 hexadecimal digits.")],
    to: Annotated[Path, typer.Argument(help="Where to.")],
) -> Told:
    """Fetch a file of a room; a broken download goes on where it was."""
    size = await there.download(digest_part(file), to)
    return done(f"{size} bytes", bytes=size)


@in_room(app)
async def report(
    there: Room, post: PostArgument, reason: Annotated[str, typer.Argument(help="Why; for the moderators.")] = ""
) -> Told:
    """Tell the moderators of a post."""
    await there.report(digest_part(post), reason)
    return done("reported")


@in_room(app)
async def trust(there: Room) -> Told:
    """Go on with a room whose history contradicted itself: a host that was restored from a backup, or one that lies."""
    await there.trust_again()
    return done(f"checking begins at {there.history.sequence}")
