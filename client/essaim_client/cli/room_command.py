"""What every `essaim room` command shares: its arguments, the account's rooms, one sentence for any failure."""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

from essaim.protocol.errors import ProtocolError
from essaim_client.cli.options import home_of, passphrase_for
from essaim_client.cli.output import complaints, emit, run, screen, sentences, visible
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
MOST_NUMBER = (1 << 63) - 1
"""What a host takes."""
PATIENCE = ContextVar("patience", default=PATIENCE_SECONDS)
"""`essaim room --patience SECONDS ...`."""
Tell = Callable[[Mapping[str, object]], None]


class HostRefusalError(ProtocolError):
    """What the host did not do, by its reason; a foreign host's own words are never shown."""

    def __init__(self, error: DestinationRefusedError) -> None:
        super().__init__(f"the host refused: {error.refused_reason.lower().replace('_', ' ')}")
        self.reason = error.refused_reason  # type: ignore[misc]  # each of these has its own


def with_rooms(
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
    work: Callable[[Rooms], Awaitable[None]],
    tell: Tell | None = None,
) -> None:
    """One command: the account's rooms, any failure one sentence. `tell`: where JSON says that a host is waited for."""
    with sentences(as_json):
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)

        async def online() -> None:
            async with RoomClient(place, passphrase) as rooms:
                rooms.patience.seconds = PATIENCE.get()
                rooms.patience.on_waiting = _announcing(as_json, tell)
                try:
                    await work(rooms)
                except DestinationRefusedError as error:
                    raise HostRefusalError(error) from None

        run(online)


def _announcing(as_json: bool, tell: Tell | None) -> Callable[[Waiting], None]:
    """People read one sentence for each wait. A command's JSON is one object: that it waits is told beside it."""

    def announce(waiting: Waiting) -> None:
        if as_json:
            (tell or _beside)({"waiting": flat_waiting(waiting)})
        elif waiting.tries == 2:
            left = "" if waiting.left_seconds is None else f", for {waiting.left_seconds:.0f} s at most"
            complaints.print(f"the host cannot be reached: trying again{left}", style="yellow")

    return announce


def _beside(content: Mapping[str, object]) -> None:
    complaints.print(json.dumps(content))


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


def digest_part(text: str) -> bytes:
    """A post id or file hash. Raises RoomAddressError."""
    try:
        return member_part(text)
    except RoomAddressError:
        raise RoomAddressError("a post or file is named by 64 hexadecimal digits") from None


def say_done(as_json: bool, what: str) -> None:
    """For commands without anything else to tell."""
    if as_json:
        emit({"done": what})
    else:
        screen.print(what)
