"""`essaim room`: what moderators, admins and owners do; and direct messages."""

import re
import sys
from typing import Annotated, Any

import segno
import typer

from essaim.opengroup.v1 import action_pb2, room_pb2
from essaim.protocol.opengroup.filter import Alphabet
from essaim.protocol.opengroup.permission import Permission, Role
from essaim.protocol.opengroup.settings import DEFAULTS
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen, visible
from essaim_client.cli.room_command import (
    MOST_NUMBER,
    HostArgument,
    MemberArgument,
    PostArgument,
    RoomArgument,
    digest_part,
    in_room,
    say_done,
    with_rooms,
)
from essaim_client.cli.room_shown import when
from essaim_client.rooms.address import RoomAddress, RoomAddressError, member_part
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import Rooms

app = typer.Typer()
"""Joined to `essaim room` (cli/__init__.py)."""
UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
FOR_GOOD_MS = 1 << 60
ForOption = Annotated[str, typer.Option("--for", help="How long: 30m, 12h, 7d. Default: for good.")]
SettingArgument = Annotated[
    list[str], typer.Argument(metavar="NAME=VALUE...", help="Settings; `room show` lists them.")
]


def span_ms(text: str) -> int:
    """30m, 12h, 7d in milliseconds. Raises RoomAddressError."""
    matched = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    if not matched:
        raise RoomAddressError("a time span is a number with m, h or d")
    return int(matched[1]) * UNITS[matched[2]]


def settings_of(pairs: list[str], *, named: bool = False) -> dict[str, Any]:
    """name=value as the type of the setting; `named`: of a room that may be called anew. Raises RoomAddressError."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in DEFAULTS.DESCRIPTOR.fields_by_name or (name == "name" and not named):
            raise RoomAddressError(f"settings are {', '.join(DEFAULTS.DESCRIPTOR.fields_by_name)}")
        found[name] = _typed(name, value)
    return found


def _typed(name: str, value: str) -> object:
    kind = type(getattr(DEFAULTS, name))
    if name == "defaults":
        return int(permission_bits(value))
    if name == "filter_alphabets":
        return int(alphabet_bits(value))
    try:
        if kind is bool:
            return {"yes": True, "no": False}[value]
        field: dict[str, Any] = {name: bytes.fromhex(value) if kind is bytes else kind(value)}
        room_pb2.RoomSettings(**field)  # what no message holds, no host is asked
        return field[name]
    except (KeyError, ValueError):
        raise RoomAddressError(f"{name} is yes or no" if kind is bool else f"that is no value of {name}") from None


def permission_bits(text: str) -> Permission:
    """`read,write` and the like; empty for none. Raises RoomAddressError."""
    names = [each.strip().upper() for each in text.split(",") if each.strip()]
    if not set(names) <= set(Permission.__members__):
        raise RoomAddressError("permissions are read, write, upload, react")
    bits = Permission(0)
    for name in names:
        bits |= Permission[name]
    return bits


def alphabet_bits(text: str) -> Alphabet:
    """`arabic,cyrillic` and the like; empty for none. Raises RoomAddressError."""
    names = [each.strip().upper() for each in text.split(",") if each.strip()]
    if not set(names) <= set(Alphabet.__members__):
        raise RoomAddressError(f"alphabets are {', '.join(Alphabet.__members__).lower()}")
    bits = Alphabet(0)
    for name in names:
        bits |= Alphabet[name]
    return bits


@app.command()
def claim(
    host: HostArgument,
    token: Annotated[str, typer.Argument(help="32 hexadecimal digits; the first one is in the host's data folder.")],
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an office of a host by invitation: owner, with the token that its operator found."""

    async def work(rooms: Rooms) -> None:
        invitation = RoomAddress.parse(f"{host}/{'=' + '0' * 32}?token={token.strip().lower()}")
        await rooms.claim(host, invitation.token)
        say_done(as_json, "done")

    with_rooms(home, passphrase_file, as_json, work)


@app.command()
def create(
    room: RoomArgument,
    settings: SettingArgument = [],  # noqa: B006  # typer copies it
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a room; for owners of the host."""

    async def work(rooms: Rooms) -> None:
        where = RoomAddress.parse(room)
        made = await rooms.create(where.host, where.room, **settings_of(settings))
        if as_json:
            emit({"room": f"{made.asker.host.host_id.hex()}/{where.room}", "room_id": made.room_id.hex()})
        else:
            screen.print(f"made {made.asker.host.host_id.hex()}/{where.room}")

    with_rooms(home, passphrase_file, as_json, work)


@app.command()
def change(
    room: RoomArgument,
    settings: SettingArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change settings of a room: slow_seconds=30, defaults=read,react, archived=yes ..."""

    async def work(there: Room) -> str:
        await there.change(**settings_of(settings, named=True))
        return "changed"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def destroy(
    room: RoomArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a room with everything in it; for owners of the host."""

    async def work(rooms: Rooms) -> None:
        await rooms.delete(await rooms.room(room))
        say_done(as_json, "removed")

    with_rooms(home, passphrase_file, as_json, work)


@app.command()
def pin(
    room: RoomArgument,
    post: PostArgument,
    unpin: Annotated[bool, typer.Option(help="Take the pin off.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pin a post, or take the pin off."""

    async def work(there: Room) -> str:
        await there.pin(digest_part(post), unpin=unpin)
        return "unpinned" if unpin else "pinned"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def permit(
    room: RoomArgument,
    member: MemberArgument,
    allow: Annotated[str, typer.Option(help="read,write,upload,react")] = "",
    deny: Annotated[str, typer.Option(help="read,write,upload,react")] = "",
    span: ForOption = "",
    later: Annotated[str, typer.Option("--in", help="When: in 30m, 12h, 7d; what holds now does so till then.")] = "",
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a member do more or less than the room's defaults, now or later; with neither, as everybody."""

    async def work(there: Room) -> str:
        now_ms = there.asker.now_ms()
        from_ms = now_ms + span_ms(later) if later else 0
        until_ms = (from_ms or now_ms) + span_ms(span) if span else 0
        bits = int(permission_bits(allow)), int(permission_bits(deny))
        await there.permit(member_part(member), *bits, from_ms, until_ms, later=bool(later))
        return "set"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def appoint(
    room: RoomArgument,
    member: MemberArgument,
    role: Annotated[str, typer.Argument(help="moderator, admin, or member to take the office away.")],
    hidden: Annotated[bool, typer.Option(help="Shown to moderators alone.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a member an office, or take it; for admins."""

    async def work(there: Room) -> str:
        offices = {"member": Role.MEMBER, "moderator": Role.MODERATOR, "admin": Role.ADMIN}
        if role not in offices:
            raise RoomAddressError("an office is member, moderator or admin")
        await there.appoint(member_part(member), offices[role], hidden=hidden)
        return "appointed"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def ban(
    room: RoomArgument,
    member: MemberArgument,
    span: ForOption = "",
    purge: Annotated[bool, typer.Option(help="Delete every post of theirs in the room.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ban a member from a room."""

    async def work(there: Room) -> str:
        until_ms = there.asker.now_ms() + span_ms(span) if span else FOR_GOOD_MS
        await there.ban(member_part(member), until_ms, purge=purge)
        return "banned"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def unban(
    room: RoomArgument,
    member: MemberArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lift a ban."""

    async def work(there: Room) -> str:
        await there.ban(member_part(member), 0)
        return "lifted"

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def members(
    room: RoomArgument,
    which: Annotated[str, typer.Option(help="joined, banned or overridden")] = "joined",
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """The members of a room; for moderators."""

    async def work(there: Room) -> dict[str, object]:
        if which not in ("joined", "banned", "overridden"):
            raise RoomAddressError("which is joined, banned or overridden")
        found = await there.members(which)
        for each in () if as_json else found:
            screen.print(f"{each.member.hex()}  {Role(each.role).name.lower()}")
        return {"members": [_flat_member(each) for each in found]}

    in_room(home, passphrase_file, as_json, room, work)


def _flat_member(member: action_pb2.Member) -> dict[str, object]:
    names = ("allow", "deny", "from_ms", "until_ms")
    flat: dict[str, object] = {"member": member.member.hex(), "role": member.role}
    flat["banned_until_ms"] = member.banned_until_ms
    flat |= {name: getattr(member, name) for name in names}
    return flat | {"coming": [{name: getattr(each, name) for name in names} for each in member.coming]}


@app.command()
def invite(
    room: RoomArgument,
    uses: Annotated[int, typer.Option(min=1, help="How many may come in by it.")] = 1,
    span: ForOption = "7d",
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an invitation to a room: an address to hand on."""

    async def work(there: Room) -> dict[str, object]:
        token = await there.invite(uses, there.asker.now_ms() + span_ms(span) if span else 0)
        host = there.asker.host.host_id.hex()
        address = str(RoomAddress(host, f"={there.room_id.hex()}", token))
        if sys.stdout.isatty() and not as_json:
            segno.make(address, error="m").terminal(compact=True)
        return {"done": address, "invitation": address}

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def reports(
    room: RoomArgument,
    close: Annotated[int, typer.Option(min=0, max=MOST_NUMBER, help="Close the report of this number.")] = 0,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """The reports that nobody has closed; for moderators."""

    async def work(there: Room) -> dict[str, object]:
        if close:
            await there.close_report(close)
            return {"done": "closed"}
        found = await there.reports()
        for each in () if as_json else found:
            screen.print(f"{each.number}  {each.post_id.hex()}  by {each.reporter.hex()[:8]}: {visible(each.reason)}")
        return {"reports": [{"number": r.number, "post_id": r.post_id.hex(), "reason": r.reason} for r in found]}

    in_room(home, passphrase_file, as_json, room, work)


@app.command()
def audit(
    room: RoomArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was done with an office in a room, newest first; for admins."""

    async def work(there: Room) -> dict[str, object]:
        found = await there.audit()
        for each in () if as_json else found:
            actor, about = each.actor.hex()[:8], each.object.hex()[:8]
            screen.print(f"{when(each.time_ms)}  {actor}  {visible(each.action)}  {about}")
        names = ("number", "time_ms", "action", "until_ms")
        keys = [{name: getattr(each, name) for name in names} for each in found]
        people = [{"actor": each.actor.hex(), "object": each.object.hex()} for each in found]
        return {"audit": [key | person for key, person in zip(keys, people, strict=True)]}

    in_room(home, passphrase_file, as_json, room, work)
