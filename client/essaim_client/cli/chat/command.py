"""`essaim chat`: the view for people, and with --json the same as lines for programs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim_client.cli.chat.place import place_of
from essaim_client.cli.group_name import ConversationArgument, WhichGroupError, conversation
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption, home_of, passphrase_for
from essaim_client.cli.output import complaints, run, sentences
from essaim_client.client import Client

CommandsOption = Annotated[
    bool,
    typer.Option("--commands", help="With --json: a line that begins with a stroke is a command (/save MESSAGE DIR)."),
]


class NoTerminalError(ProtocolError):
    """The view needs a terminal on both sides."""

    reason = "NO_TERMINAL"


def chat(
    conversation_with: ConversationArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    commands: CommandsOption = False,
) -> None:
    """Write with somebody, or in a group: history, what arrives, what becomes of what you send.

    With --json there is no view: each line of the standard input is sent, and all that happens is an object on a line.
    """
    with sentences(as_json):
        if not as_json and not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise NoTerminalError("the view needs a terminal: give --json to chat by lines")
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)
        try:
            run(lambda: _online(place, passphrase, conversation_with, as_json, commands))
        except KeyboardInterrupt:
            raise typer.Exit(0) from None


async def _found(me: Client, given: str) -> AccountId | bytes:
    """A group of which this device has not heard yet, too."""
    try:
        return conversation(me.groups.names, given)
    except WhichGroupError:
        await me.receive_events()
        return conversation(me.groups.names, given)


async def _online(place: Path, passphrase: str | None, with_whom: str, as_json: bool, commands: bool) -> None:
    if not as_json:
        complaints.print("connecting ...")
    async with Client.open(place, passphrase=passphrase) as me:
        where = place_of(me, await _found(me, with_whom))
        if as_json:
            from essaim_client.cli.chat.lines import by_lines

            await by_lines(me, where, commands=commands)
            return
        from essaim_client.cli.chat.screen import ChatScreen  # Textual is for this command alone

        screen = ChatScreen(me, where)
        await screen.run_async()
        if screen.failure is not None:
            raise screen.failure
