"""One command on an account that is opened for it, and the arguments that several commands have."""

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated

import typer

from essaim.protocol.errors import ProtocolError
from essaim_client.cli.options import home_of, passphrase_for
from essaim_client.cli.output import run, sentences, warn
from essaim_client.client import Client
from essaim_client.offline import Offline

AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Whom it is about: esm1...")]
MessageArgument = Annotated[str, typer.Argument(metavar="MESSAGE", help="A message id: 32 hexadecimal digits.")]
SlotArgument = Annotated[int, typer.Argument(metavar="SLOT", help="A device's number, 0 to 4: see `device list`.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


class NotConfirmedError(ProtocolError):
    """The person did not agree."""

    reason = "NOT_CONFIRMED"


class MessageIdError(ProtocolError):
    """Not a message id."""

    reason = "MESSAGE_ID_REFUSED"


def with_account(
    home: Path | None, passphrase_file: Path | None, as_json: bool, work: Callable[[Client], Awaitable[None]]
) -> None:
    """Open it, do it, leave; any failure is one sentence."""
    with sentences(as_json):
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)

        async def online() -> None:
            async with Client.open(place, passphrase=passphrase) as me:
                warn(me)
                await work(me)

        run(online)


def without_network(
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
    work: Callable[[Offline], Coroutine[None, None, None]],
) -> None:
    """Likewise what asks nobody."""
    with sentences(as_json):
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)
        with Client.offline(place, passphrase=passphrase) as me:
            run(lambda: work(me))


def message_id(text: str) -> bytes:
    """Raises MessageIdError."""
    try:
        name = bytes.fromhex(text)
    except ValueError:
        name = b""
    if len(name) != 16:
        raise MessageIdError("a message id has 32 hexadecimal digits")
    return name


def confirm(question: str, yes: bool) -> None:
    """Ask, unless told not to (NotConfirmedError)."""
    if not yes and not typer.confirm(question):
        raise NotConfirmedError("nothing was done")
