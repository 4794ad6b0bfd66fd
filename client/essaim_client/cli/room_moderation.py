"""`essaim room`: what moderators, admins and owners do in one room."""

import sys
from typing import Annotated

import segno
import typer

from essaim.opengroup.v1 import action_pb2
from essaim.protocol.opengroup.permission import Role
from essaim_client.cli.declared import Told, done
from essaim_client.cli.output import visible
from essaim_client.cli.room_command import (
    MOST_NUMBER,
    HiddenOption,
    HostArgument,
    MemberArgument,
    PostArgument,
    RoomArgument,
    at_host,
    digest_part,
    in_room,
)
from essaim_client.cli.room_settings import ForOption, SettingArgument, permission_bits, settings_of, span_ms, until
from essaim_client.cli.room_shown import when
from essaim_client.rooms.address import RoomAddress, RoomAddressError, member_part
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import Rooms

app = typer.Typer()
"""Joined to `essaim room` (cli/__init__.py)."""
OFFICES = {"member": Role.MEMBER, "moderator": Role.MODERATOR, "admin": Role.ADMIN}


@at_host(app)
async def claim(
    rooms: Rooms,
    host: HostArgument,
    token: Annotated[str, typer.Argument(help="32 hexadecimal digits; the first one is in the host's data folder.")],
) -> Told:
    """Take an office of a host by invitation: owner, with the token that its operator found."""
    invitation = RoomAddress.parse(f"{host}/{'=' + '0' * 32}?token={token.strip().lower()}")
    await rooms.claim(host, invitation.token)
    return done("done")


@at_host(app)
async def create(
    rooms: Rooms,
    room: RoomArgument,
    settings: SettingArgument = [],  # noqa: B006  # typer copies it
) -> Told:
    """Make a room; for owners of the host."""
    where = RoomAddress.parse(room)
    made = await rooms.create(where.host, where.room, **settings_of(settings))
    address = f"{made.asker.host.host_id.hex()}/{where.room}"
    return Told({"room": address, "room_id": made.room_id.hex()}, [f"made {address}"])


@in_room(app)
async def change(there: Room, settings: SettingArgument) -> Told:
    """Change settings of a room: slow_seconds=30, defaults=read,react, archived=yes ..."""
    await there.change(**settings_of(settings, named=True))
    return done("changed")


@at_host(app)
async def destroy(rooms: Rooms, room: RoomArgument) -> Told:
    """Remove a room with everything in it; for owners of the host."""
    await rooms.delete(await rooms.room(room))
    return done("removed")


@in_room(app)
async def pin(
    there: Room, post: PostArgument, unpin: Annotated[bool, typer.Option(help="Take the pin off.")] = False
) -> Told:
    """Pin a post, or take the pin off."""
    await there.pin(digest_part(post), unpin=unpin)
    return done("unpinned" if unpin else "pinned")


@in_room(app)
async def release(there: Room, post: PostArgument) -> Told:
    """Let everybody see a post that a silent filter kept."""
    return done("released" if await there.release(digest_part(post)) else "this host releases nothing")


@in_room(app)
async def permit(
    there: Room,
    member: MemberArgument,
    allow: Annotated[str, typer.Option(help="read,write,upload,react")] = "",
    deny: Annotated[str, typer.Option(help="read,write,upload,react")] = "",
    span: ForOption = "",
    later: Annotated[str, typer.Option("--in", help="When: in 30m, 12h, 7d; what holds now does so till then.")] = "",
) -> Told:
    """Let a member do more or less than the room's defaults, now or later; with neither, as everybody."""
    now_ms = there.asker.now_ms()
    from_ms = now_ms + span_ms(later) if later else 0
    until_ms = (from_ms or now_ms) + span_ms(span) if span else 0
    bits = int(permission_bits(allow)), int(permission_bits(deny))
    await there.permit(member_part(member), *bits, from_ms, until_ms, later=bool(later))
    return done("set")


@in_room(app)
async def appoint(
    there: Room,
    member: MemberArgument,
    role: Annotated[str, typer.Argument(help="moderator, admin, or member to take the office away.")],
    hidden: HiddenOption = False,
) -> Told:
    """Give a member an office, or take it; for admins."""
    if role not in OFFICES:
        raise RoomAddressError("an office is member, moderator or admin")
    await there.appoint(member_part(member), OFFICES[role], hidden=hidden)
    return done("appointed")


@in_room(app)
async def ban(
    there: Room,
    member: MemberArgument,
    span: ForOption = "",
    purge: Annotated[bool, typer.Option(help="Delete every post of theirs in the room.")] = False,
) -> Told:
    """Ban a member from a room."""
    await there.ban(member_part(member), until(there.asker.now_ms(), span), purge=purge)
    return done("banned")


@in_room(app)
async def unban(there: Room, member: MemberArgument) -> Told:
    """Lift a ban."""
    await there.ban(member_part(member), 0)
    return done("lifted")


@in_room(app)
async def members(
    there: Room, which: Annotated[str, typer.Option(help="joined, banned or overridden")] = "joined"
) -> Told:
    """The members of a room; for moderators."""
    if which not in ("joined", "banned", "overridden"):
        raise RoomAddressError("which is joined, banned or overridden")
    found = await there.members(which)
    lines = [f"{each.member.hex()}  {Role(each.role).name.lower()}" for each in found]
    return Told({"members": [_flat_member(each) for each in found]}, lines)


def _flat_member(member: action_pb2.Member) -> dict[str, object]:
    names = ("allow", "deny", "from_ms", "until_ms")
    flat: dict[str, object] = {"member": member.member.hex(), "role": member.role}
    flat["banned_until_ms"] = member.banned_until_ms
    flat |= {name: getattr(member, name) for name in names}
    return flat | {"coming": [{name: getattr(each, name) for name in names} for each in member.coming]}


@in_room(app)
async def invite(
    there: Room,
    as_json: bool,
    uses: Annotated[int, typer.Option(min=1, help="How many may come in by it.")] = 1,
    span: ForOption = "7d",
) -> Told:
    """Make an invitation to a room: an address to hand on."""
    token = await there.invite(uses, there.asker.now_ms() + span_ms(span) if span else 0)
    host = there.asker.host.host_id.hex()
    address = str(RoomAddress(host, f"={there.room_id.hex()}", token))
    if sys.stdout.isatty() and not as_json:
        segno.make(address, error="m").terminal(compact=True)
    return done(address, invitation=address)


@in_room(app)
async def reports(
    there: Room,
    close: Annotated[int, typer.Option(min=0, max=MOST_NUMBER, help="Close the report of this number.")] = 0,
) -> Told:
    """The reports that nobody has closed; for moderators."""
    if close:
        await there.close_report(close)
        return done("closed")
    found = await there.reports()
    lines = [f"{r.number}  {r.post_id.hex()}  by {r.reporter.hex()[:8]}: {visible(r.reason)}" for r in found]
    return Told(
        {"reports": [{"number": r.number, "post_id": r.post_id.hex(), "reason": r.reason} for r in found]}, lines
    )


@in_room(app)
async def audit(there: Room) -> Told:
    """What was done with an office in a room, newest first; for admins."""
    found = await there.audit()
    flat, lines = [], []
    for each in found:
        names = ("number", "time_ms", "action", "until_ms")
        people = {"actor": each.actor.hex(), "object": each.object.hex()}
        flat.append({name: getattr(each, name) for name in names} | people)
        who, about = people["actor"][:8], people["object"][:8]
        lines.append(f"{when(each.time_ms)}  {who}  {visible(each.action)}  {about}")
    return Told({"audit": flat}, lines)
