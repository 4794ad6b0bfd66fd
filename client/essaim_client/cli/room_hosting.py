"""`essaim room`: what moderators do to much at once, and owners to a whole host."""

from pathlib import Path
from typing import Annotated

import typer

from essaim.opengroup.v1 import room_pb2
from essaim.protocol.opengroup.filter import FIELDS, Alphabet
from essaim.protocol.opengroup.permission import Role
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen, visible
from essaim_client.cli.room_command import (
    HostArgument,
    MemberArgument,
    PostArgument,
    RoomArgument,
    digest_part,
    in_room,
    say_done,
    with_rooms,
)
from essaim_client.cli.room_moderation import FOR_GOOD_MS, ForOption, settings_of, span_ms
from essaim_client.rooms.address import RoomAddressError, member_part
from essaim_client.rooms.everywhere import PurgedRoom
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import Rooms

app = typer.Typer()
"""Joined to `essaim room` (cli/__init__.py)."""
OFFICES = {"member": Role.MEMBER, "moderator": Role.MODERATOR, "owner": Role.ADMIN}


@app.command("unpin-all")
def unpin_all(
    room: RoomArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take every pin of a room off."""

    async def work(there: Room) -> str:
        return "unpinned" if await there.unpin_all() else "nothing was pinned"

    in_room(home, passphrase_file, as_json, room, work)


@app.command("clear-reactions")
def clear_reactions(
    room: RoomArgument,
    post: PostArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take everybody's reactions off a post."""

    async def work(there: Room) -> dict[str, object]:
        count = await there.clear_reactions(digest_part(post))
        return {"done": f"{count} kinds withdrawn", "kinds": count}

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def picture(
    room: RoomArgument,
    file: Annotated[Path | None, typer.Argument(help="An image; none takes the picture away.")] = None,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a room a picture, which stays as long as it is the room's; for admins."""

    async def work(there: Room) -> dict[str, object]:
        name = await there.upload(file.read_bytes()) if file is not None else b""
        await there.change(picture=name)
        return {"done": "changed", "picture": name.hex()}

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def purge(
    room: RoomArgument,
    member: MemberArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete every post of a member in a room."""

    async def work(there: Room) -> str:
        await there.purge(member_part(member))
        return "purged"

    in_room(home, passphrase_file, as_json, room, work)


@app.command("purge-everywhere")
def purge_everywhere(
    host: HostArgument,
    member: MemberArgument,
    ban: Annotated[bool, typer.Option("--ban", help="Ban them from the host first.")] = False,
    span: ForOption = "",
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete every post of a member in all rooms of a host; for moderators of the host."""

    async def work(rooms: Rooms) -> None:
        key = member_part(member)
        if ban:
            await rooms.ban_from_host(host, key, await _until(rooms, host, span))
        found = await rooms.purge_everywhere(host, key)
        if as_json:
            emit({"rooms": [_flat_purged(each) for each in found]})
        for each in () if as_json else found:
            screen.print(f"{visible(each.name):24} {each.refused.lower().replace('_', ' ') or 'purged'}")

    with_rooms(home, passphrase_file, as_json, work)


def _flat_purged(room: PurgedRoom) -> dict[str, object]:
    return {"room_id": room.room_id.hex(), "name": room.name, "refused": room.refused or None}


async def _until(rooms: Rooms, host: str, span: str) -> int:
    return (await rooms.host(host)).now_ms() + span_ms(span) if span else FOR_GOOD_MS


@app.command("ban-everywhere")
def ban_everywhere(
    host: HostArgument,
    member: MemberArgument,
    span: ForOption = "",
    lift: Annotated[bool, typer.Option("--lift", help="Lift such a ban.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ban a member from all rooms of a host; for moderators of the host."""

    async def work(rooms: Rooms) -> None:
        until_ms = 0 if lift else await _until(rooms, host, span)
        await rooms.ban_from_host(host, member_part(member), until_ms)
        say_done(as_json, "lifted" if lift else "banned")

    with_rooms(home, passphrase_file, as_json, work)


@app.command("appoint-everywhere")
def appoint_everywhere(
    host: HostArgument,
    member: MemberArgument,
    role: Annotated[str, typer.Argument(help="moderator, owner, or member to take the office away.")],
    hidden: Annotated[bool, typer.Option(help="Shown to moderators alone.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a member an office of the whole host, or take it; for owners."""

    async def work(rooms: Rooms) -> None:
        if role not in OFFICES:
            raise RoomAddressError("an office of a host is member, moderator or owner")
        await rooms.appoint_on_host(host, member_part(member), OFFICES[role], hidden=hidden)
        say_done(as_json, "appointed")

    with_rooms(home, passphrase_file, as_json, work)


@app.command("filter")
def filter_everywhere(
    host: HostArgument,
    settings: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help=f"{', '.join(FIELDS)}; none: show what is set.")
    ] = [],  # noqa: B006  # typer copies it
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is kept out of all rooms of a host, beside each room's own filter (`room change`)."""

    async def work(rooms: Rooms) -> None:
        wanted = settings_of(settings)
        now = await rooms.change_host_filter(host, **wanted) if wanted else await rooms.host_filter(host)
        told = flat_filter(now)
        if as_json:
            emit(told)
        for name, value in () if as_json else told.items():
            screen.print(f"{name:18} {visible(str(value))}")

    with_rooms(home, passphrase_file, as_json, work)


def flat_filter(settings: room_pb2.RoomSettings) -> dict[str, object]:
    """For JSON, with the alphabets by their names."""
    told = {name: getattr(settings, name) for name in FIELDS}
    alphabets = [each.name.lower() for each in Alphabet if each & settings.filter_alphabets]  # type: ignore[union-attr]  # each has one
    return told | {"filter_alphabets": alphabets}
