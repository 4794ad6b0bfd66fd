"""What every `essaim room` command shares: its arguments, the account's rooms, one sentence for any failure."""

import json
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from essaim.protocol.errors import ProtocolError
from essaim_client.cli.declared import Given, Told, Work, command_on
from essaim_client.cli.options import home_of, passphrase_for
from essaim_client.cli.output import complaints, emit, run, sentences
from essaim_client.cli.room_shown import flat_waiting
from essaim_client.network.failure import DestinationRefusedError
from essaim_client.rooms.address import RoomAddressError, member_part
from essaim_client.rooms.patience import PATIENCE_SECONDS, Waiting
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import RoomClient, Rooms

RoomArgument = Annotated[str, typer.Argument(metavar="ROOM", help="host/room; a host is 12 to 64 hexadecimal digits.")]
HostArgument = Annotated[str, typer.Argument(metavar="HOST", help="12 to 64 hexadecimal digits; see `room hosts`.")]
PostArgument = Annotated[str, typer.Argument(metavar="POST", help="A post id: 64 hexadecimal digits.")]
MemberArgument = Annotated[str, typer.Argument(metavar="MEMBER", help="A member key: 64 hexadecimal digits.")]
TextArgument = Annotated[str, typer.Argument(help="What to write.")]
HiddenOption = Annotated[bool, typer.Option(help="Shown to moderators alone.")]
MOST_NUMBER = (1 << 63) - 1
"""What a host takes."""
PATIENCE = ContextVar("patience", default=PATIENCE_SECONDS)
"""`essaim room --patience SECONDS ...`."""


class HostRefusalError(ProtocolError):
    """What the host did not do, by its reason; a foreign host's own words are never shown."""

    def __init__(self, error: DestinationRefusedError) -> None:
        super().__init__(f"the host refused: {error.refused_reason.lower().replace('_', ' ')}")
        self.reason = error.refused_reason  # type: ignore[misc]  # each of these has its own


def at_host(app: typer.Typer, name: str | None = None) -> Callable[[Work[Rooms, Given]], Work[Rooms, Given]]:
    """`@at_host(app) async def verb(rooms, ...) -> Told`: a command on the account's rooms (`declared.command`)."""
    return command_on(_with_rooms, app, name)


def in_room(app: typer.Typer, name: str | None = None) -> Callable[[Work[Room, Given]], Work[Room, Given]]:
    """`@in_room(app) async def verb(there, ...) -> Told`: likewise in one room, which is its first argument."""

    def declare(work: Work[Room, Given]) -> Work[Room, Given]:
        async def entered(rooms: Rooms, /, room: str, **given: Any) -> Told | None:
            return await work(await rooms.room(room), **given)  # type: ignore[call-arg]  # typer gives what it declares

        opened, *own = signature(work).parameters.values()
        where = Parameter("room", Parameter.POSITIONAL_OR_KEYWORD, annotation=RoomArgument)
        entered.__signature__ = signature(work).replace(parameters=[opened, where, *own])  # type: ignore[attr-defined]
        entered.__name__, entered.__doc__ = work.__name__, work.__doc__
        at_host(app, name)(entered)
        return work

    return declare


def _with_rooms(
    home: Path | None, passphrase_file: Path | None, as_json: bool, work: Callable[[Rooms], Awaitable[None]]
) -> None:
    """One command: the account's rooms, any failure one sentence."""
    with sentences(as_json):
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)

        async def online() -> None:
            async with RoomClient(place, passphrase) as rooms:
                rooms.patience.seconds = PATIENCE.get()
                rooms.patience.on_waiting = _beside if as_json else _announced
                try:
                    await work(rooms)
                except DestinationRefusedError as error:
                    raise HostRefusalError(error) from None

        run(online)


def _announced(waiting: Waiting) -> None:
    """People read one sentence for each wait."""
    if waiting.tries == 2:
        left = "" if waiting.left_seconds is None else f", for {waiting.left_seconds:.0f} s at most"
        complaints.print(f"the host cannot be reached: trying again{left}", style="yellow")


def _beside(waiting: Waiting) -> None:
    """A command's JSON is one object: that it waits is told beside it."""
    complaints.print(json.dumps({"waiting": flat_waiting(waiting)}))


def wait_in_line(rooms: Rooms, as_json: bool) -> None:
    """Of a command whose JSON is a line for each thing that happens: that it waits is one of them."""
    if as_json:
        rooms.patience.on_waiting = lambda waiting: emit({"waiting": flat_waiting(waiting)})


def digest_part(text: str) -> bytes:
    """A post id or file hash. Raises RoomAddressError."""
    try:
        return member_part(text)
    except RoomAddressError:
        raise RoomAddressError("a post or file is named by 64 hexadecimal digits") from None
