"""`essaim room`: what moderators do to much at once, and owners to a whole host."""

from pathlib import Path
from typing import Annotated

import typer

from essaim.opengroup.v1 import room_pb2
from essaim.protocol.opengroup.filter import FIELDS, Alphabet
from essaim.protocol.opengroup.permission import Role
from essaim_client.cli.declared import Told, done
from essaim_client.cli.output import visible
from essaim_client.cli.room_command import (
    HiddenOption,
    HostArgument,
    MemberArgument,
    PostArgument,
    at_host,
    digest_part,
    in_room,
)
from essaim_client.cli.room_settings import ForOption, settings_of, until
from essaim_client.rooms.address import RoomAddressError, member_part
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import Rooms

app = typer.Typer()
"""Joined to `essaim room` (cli/__init__.py)."""
OFFICES = {"member": Role.MEMBER, "moderator": Role.MODERATOR, "owner": Role.ADMIN}


@in_room(app, "unpin-all")
async def unpin_all(there: Room) -> Told:
    """Take every pin of a room off."""
    return done("unpinned" if await there.unpin_all() else "nothing was pinned")


@in_room(app, "clear-reactions")
async def clear_reactions(there: Room, post: PostArgument) -> Told:
    """Take everybody's reactions off a post."""
    count = await there.clear_reactions(digest_part(post))
    return done(f"{count} kinds withdrawn", kinds=count)


@in_room(app)
async def picture(
    there: Room, file: Annotated[Path | None, typer.Argument(help="An image; none takes the picture away.")] = None
) -> Told:
    """Give a room a picture, which stays as long as it is the room's; for admins."""
    name = await there.upload(file.read_bytes()) if file is not None else b""
    await there.change(picture=name)
    return done("changed", picture=name.hex())


@in_room(app)
async def purge(there: Room, member: MemberArgument) -> Told:
    """Delete every post of a member in a room."""
    await there.purge(member_part(member))
    return done("purged")


@at_host(app, "purge-everywhere")
async def purge_everywhere(
    rooms: Rooms,
    host: HostArgument,
    member: MemberArgument,
    ban: Annotated[bool, typer.Option("--ban", help="Ban them from the host first.")] = False,
    span: ForOption = "",
) -> Told:
    """Delete every post of a member in all rooms of a host; for moderators of the host."""
    key = member_part(member)
    if ban:
        await rooms.ban_from_host(host, key, until((await rooms.host(host)).now_ms(), span))
    found = await rooms.purge_everywhere(host, key)
    flat = [{"room_id": each.room_id.hex(), "name": each.name, "refused": each.refused or None} for each in found]
    lines = [f"{visible(each.name):24} {each.refused.lower().replace('_', ' ') or 'purged'}" for each in found]
    return Told({"rooms": flat}, lines)


@at_host(app, "ban-everywhere")
async def ban_everywhere(
    rooms: Rooms,
    host: HostArgument,
    member: MemberArgument,
    span: ForOption = "",
    lift: Annotated[bool, typer.Option("--lift", help="Lift such a ban.")] = False,
) -> Told:
    """Ban a member from all rooms of a host; for moderators of the host."""
    until_ms = 0 if lift else until((await rooms.host(host)).now_ms(), span)
    await rooms.ban_from_host(host, member_part(member), until_ms)
    return done("lifted" if lift else "banned")


@at_host(app, "appoint-everywhere")
async def appoint_everywhere(
    rooms: Rooms,
    host: HostArgument,
    member: MemberArgument,
    role: Annotated[str, typer.Argument(help="moderator, owner, or member to take the office away.")],
    hidden: HiddenOption = False,
) -> Told:
    """Give a member an office of the whole host, or take it; for owners."""
    if role not in OFFICES:
        raise RoomAddressError("an office of a host is member, moderator or owner")
    await rooms.appoint_on_host(host, member_part(member), OFFICES[role], hidden=hidden)
    return done("appointed")


@at_host(app, "filter")
async def filter_everywhere(
    rooms: Rooms,
    host: HostArgument,
    settings: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help=f"{', '.join(FIELDS)}; none: show what is set.")
    ] = [],  # noqa: B006  # typer copies it
) -> Told:
    """What is kept out of all rooms of a host, beside each room's own filter (`room change`)."""
    wanted = settings_of(settings)
    now = await rooms.change_host_filter(host, **wanted) if wanted else await rooms.host_filter(host)
    told = _flat_filter(now)
    return Told(told, [f"{name:18} {visible(str(value))}" for name, value in told.items()])


def _flat_filter(settings: room_pb2.RoomSettings) -> dict[str, object]:
    """With the alphabets by their names."""
    told = {name: getattr(settings, name) for name in FIELDS}
    alphabets = [each.name.lower() for each in Alphabet if each & settings.filter_alphabets]  # type: ignore[union-attr]  # each has one
    return told | {"filter_alphabets": alphabets}
