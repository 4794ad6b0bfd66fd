"""`essaim room`: direct messages to members, and who one is at a host."""

from contextlib import aclosing
from typing import Annotated

import typer

from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen, visible
from essaim_client.cli.room_command import (
    MOST_NUMBER,
    HostArgument,
    MemberArgument,
    RoomArgument,
    TextArgument,
    say_done,
    with_rooms,
)
from essaim_client.cli.room_shown import when
from essaim_client.rooms.address import member_part
from essaim_client.rooms.rooms import DirectMessage, Rooms, SentMessage

UpToOption = Annotated[int, typer.Option(min=0, max=MOST_NUMBER, help="Delete those up to this number instead.")]
app = typer.Typer()
"""Joined to `essaim room` (cli/__init__.py)."""


@app.command()
def direct(
    room: RoomArgument,
    member: MemberArgument,
    text: TextArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write to a member of a room alone. The host sees who writes to whom, not what."""

    async def work(rooms: Rooms) -> None:
        await rooms.send_direct(await rooms.room(room), member_part(member), text)
        say_done(as_json, "sent")

    with_rooms(home, passphrase_file, as_json, work)


@app.command()
def directs(
    host: HostArgument,
    delete_up_to: UpToOption = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Then show what comes as it comes, until Ctrl-C.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """The direct messages that wait for you at a host."""

    async def work(rooms: Rooms) -> None:
        if delete_up_to:
            await rooms.delete_directs(host, delete_up_to)
        elif follow:
            async with aclosing(rooms.follow_directs(host)) as coming:
                async for each in coming:
                    _show(each, as_json)
        else:
            found = await rooms.directs(host)
            if as_json:
                emit({"directs": [_flat(each) for each in found]})
            for each in () if as_json else found:
                _show(each, as_json)

    with_rooms(home, passphrase_file, as_json, work, emit if follow else None)


@app.command()
def sent(
    host: HostArgument,
    delete_up_to: UpToOption = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Then show what is sent as it is, until Ctrl-C.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """The direct messages that you have sent at a host, from whatever device."""

    async def work(rooms: Rooms) -> None:
        if delete_up_to:
            await rooms.delete_sent(host, delete_up_to)
            say_done(as_json, "deleted")
        elif follow:
            async with aclosing(rooms.follow_sent(host)) as coming:
                async for each in coming:
                    _show_sent(each, as_json)
        else:
            found = await rooms.sent(host)
            if as_json:
                emit({"sent": [_flat_sent(each) for each in found]})
            for each in () if as_json else found:
                _show_sent(each, as_json)

    try:
        with_rooms(home, passphrase_file, as_json, work, emit if follow else None)
    except KeyboardInterrupt:
        return


def _flat_sent(sent: SentMessage) -> dict[str, object]:
    return {"number": sent.number, "to": sent.to.hex(), "time_ms": sent.time_ms, "text": sent.text}


def _show_sent(sent: SentMessage, as_json: bool) -> None:
    if as_json:
        emit(_flat_sent(sent))
        return
    screen.print(f"{sent.number:5}  {when(sent.time_ms)}  to {sent.to.hex()}", style="bold")
    screen.print(visible(sent.text) if sent.text is not None else "(no copy was kept)")


def _flat(direct: DirectMessage) -> dict[str, object]:
    return {"number": direct.number, "sender": direct.sender.hex(), "text": direct.text}


def _show(direct: DirectMessage, as_json: bool) -> None:
    if as_json:
        emit(_flat(direct))
        return
    screen.print(f"{direct.number:5}  {when(direct.time_ms)}  {direct.sender.hex()}", style="bold")
    screen.print(visible(direct.text) if direct.text is not None else "(cannot be opened)")


@app.command()
def block(
    host: HostArgument,
    member: MemberArgument,
    lift: Annotated[bool, typer.Option(help="Take their direct messages again.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take no direct message of a member."""

    async def work(rooms: Rooms) -> None:
        await rooms.block(host, member_part(member), lift=lift)
        say_done(as_json, "lifted" if lift else "blocked")

    with_rooms(home, passphrase_file, as_json, work)


@app.command()
def renew(
    host: HostArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Be somebody else at a host from now on, after a device with your key there was lost; have the old one banned."""

    async def work(rooms: Rooms) -> None:
        before, now = await rooms.own_key(host), await rooms.renew(host)
        if as_json:
            emit({"before": before.hex(), "me": now.hex()})
        else:
            screen.print(f"you were {before.hex()}\nyou are  {now.hex()}")

    with_rooms(home, passphrase_file, as_json, work)
