"""`essaim room`: direct messages to members, and who one is at a host."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, TypeVar

import typer
from rich.text import Text

from essaim_client.cli.declared import Told, done, tell
from essaim_client.cli.output import visible
from essaim_client.cli.room_command import (
    MOST_NUMBER,
    HostArgument,
    MemberArgument,
    RoomArgument,
    TextArgument,
    at_host,
    wait_in_line,
)
from essaim_client.cli.room_shown import when
from essaim_client.rooms.address import member_part
from essaim_client.rooms.rooms import DirectMessage, Rooms, SentMessage

UpToOption = Annotated[int, typer.Option(min=0, max=MOST_NUMBER, help="Delete those up to this number instead.")]
Letter = TypeVar("Letter", DirectMessage, SentMessage)
app = typer.Typer()
"""Joined to `essaim room` (cli/__init__.py)."""


@at_host(app)
async def direct(rooms: Rooms, room: RoomArgument, member: MemberArgument, text: TextArgument) -> Told:
    """Write to a member of a room alone. The host sees who writes to whom, not what."""
    await rooms.send_direct(await rooms.room(room), member_part(member), text)
    return done("sent")


@at_host(app)
async def directs(
    rooms: Rooms,
    host: HostArgument,
    as_json: bool,
    delete_up_to: UpToOption = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Then show what comes as it comes, until Ctrl-C.")] = False,
) -> Told | None:
    """The direct messages that wait for you at a host."""
    if delete_up_to:
        await rooms.delete_directs(host, delete_up_to)
        return done("deleted")
    if follow:
        wait_in_line(rooms, as_json)
        await _as_they_come(rooms.follow_directs(host), _told, as_json)
        return None
    found = [_told(each) for each in await rooms.directs(host)]
    return Told({"directs": [each.flat for each in found]}, [line for each in found for line in each.lines])


@at_host(app)
async def sent(
    rooms: Rooms,
    host: HostArgument,
    as_json: bool,
    delete_up_to: UpToOption = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Then show what is sent as it is, until Ctrl-C.")] = False,
) -> Told | None:
    """The direct messages that you have sent at a host, from whatever device."""
    if delete_up_to:
        await rooms.delete_sent(host, delete_up_to)
        return done("deleted")
    if follow:
        wait_in_line(rooms, as_json)
        await _as_they_come(rooms.follow_sent(host), _told_sent, as_json)
        return None
    found = [_told_sent(each) for each in await rooms.sent(host)]
    return Told({"sent": [each.flat for each in found]}, [line for each in found for line in each.lines])


async def _as_they_come(coming: AsyncGenerator[Letter, None], told_of: Callable[[Letter], Told], as_json: bool) -> None:
    async with aclosing(coming) as letters:
        async for each in letters:
            tell(told_of(each), as_json)


def _told(direct: DirectMessage) -> Told:
    head = Text(f"{direct.number:5}  {when(direct.time_ms)}  {direct.sender.hex()}", "bold")
    text = visible(direct.text) if direct.text is not None else "(cannot be opened)"
    return Told({"number": direct.number, "sender": direct.sender.hex(), "text": direct.text}, [head, text])


def _told_sent(sent: SentMessage) -> Told:
    head = Text(f"{sent.number:5}  {when(sent.time_ms)}  to {sent.to.hex()}", "bold")
    text = visible(sent.text) if sent.text is not None else "(no copy was kept)"
    flat = {"number": sent.number, "to": sent.to.hex(), "time_ms": sent.time_ms, "text": sent.text}
    return Told(flat, [head, text])


@at_host(app)
async def block(
    rooms: Rooms,
    host: HostArgument,
    member: MemberArgument,
    lift: Annotated[bool, typer.Option(help="Take their direct messages again.")] = False,
) -> Told:
    """Take no direct message of a member."""
    await rooms.block(host, member_part(member), lift=lift)
    return done("lifted" if lift else "blocked")


@at_host(app)
async def renew(rooms: Rooms, host: HostArgument) -> Told:
    """Be somebody else at a host from now on, after a device with your key there was lost; have the old one banned."""
    before, now = await rooms.own_key(host), await rooms.renew(host)
    return Told({"before": before.hex(), "me": now.hex()}, [f"you were {before.hex()}\nyou are  {now.hex()}"])
