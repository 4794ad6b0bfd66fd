"""`essaim account backup`, `bring-back`, `move`, `wipe`; and `essaim settings`."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from essaim_client.cli.account import app
from essaim_client.cli.opened import YesOption, confirm, with_account
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption, home_of
from essaim_client.cli.output import emit, screen
from essaim_client.client import Client
from essaim_client.messaging.agreement import Settings

BACKUP_VARIABLE = "ESSAIM_BACKUP_PASSPHRASE"
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
LockedOption = Annotated[
    bool,
    typer.Option("--passphrase", help=f"Closed with the passphrase in {BACKUP_VARIABLE}, not with the account's key."),
]
Switch = Annotated[
    bool | None, typer.Option("--read-receipts/--no-read-receipts", help="Tell, and be told, of reading.")
]
TypingSwitch = Annotated[bool | None, typer.Option("--typing/--no-typing", help="Tell and be told of writing.")]


def _passphrase(locked: bool) -> str | None:
    return os.environ.get(BACKUP_VARIABLE, "") or typer.prompt("Passphrase", hide_input=True) if locked else None


@app.command()
def backup(
    file: FileArgument,
    locked: LockedOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write conversations and contacts to a new encrypted file."""

    async def work(me: Client) -> None:
        entries = me.backup(file, passphrase=_passphrase(locked))
        if as_json:
            emit({"entries": entries})
        else:
            screen.print(f"{entries} entries written")

    with_account(home, passphrase_file, as_json, work)


@app.command("bring-back")
def bring_back(
    file: FileArgument,
    locked: LockedOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add what a backup has; nothing that was deleted since."""

    async def work(me: Client) -> None:
        result = await me.bring_back(file, passphrase=_passphrase(locked))
        if as_json:
            emit({"added": result.added, "passed_over": result.passed_over})
        else:
            screen.print(f"{result.added} entries added, {result.passed_over} passed over")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def move(
    yes: YesOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell all contacts that you go on under another account, whose 24 words are typed or piped in."""
    words = typer.prompt("The 24 words of the new account") if sys.stdin.isatty() else sys.stdin.read()

    async def work(me: Client) -> None:
        await asyncio.to_thread(confirm, "Tell all contacts that you go on under that account?", yes)
        told = await me.move_to(words)
        if as_json:
            emit({"told": told})
        else:
            screen.print(f"{told} contact(s) were told")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def wipe(
    everything: Annotated[bool, typer.Option("--account", help="The account itself, not this device alone.")] = False,
    yes: YesOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what is here and on the swarm, and show which nodes have signed that they did."""
    wiped: list[dict[str, object]] = []

    async def work(me: Client) -> None:
        await asyncio.to_thread(confirm, "Delete everything? Nothing brings it back", yes)
        proofs = await me.wipe(account=everything)
        wiped.extend({"mailbox": each.mailbox, "nodes": sorted(map(bytes.hex, each.nodes))} for each in proofs)

    with_account(home, passphrase_file, as_json, work)
    Client.remove(home_of(home))
    if as_json:
        emit({"wiped": wiped})
        return
    for each in wiped:
        screen.print(f"{each['mailbox']}: empty, signed by {len(each['nodes'])} nodes")  # type: ignore[arg-type]  # a list
    screen.print("nothing is left on this device")


def settings(
    read_receipts: Switch = None,
    typing: TypingSwitch = None,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or change what others learn of you: nothing, unless switched on."""

    async def work(me: Client) -> None:
        before = me.settings
        wanted = Settings(
            before.read_receipts if read_receipts is None else read_receipts,
            before.typing if typing is None else typing,
        )
        if wanted != before:
            me.change_settings(wanted)
        if as_json:
            emit({"read_receipts": wanted.read_receipts, "typing": wanted.typing})
        else:
            screen.print(f"read receipts: {_word(wanted.read_receipts)}\ntyping: {_word(wanted.typing)}")

    with_account(home, passphrase_file, as_json, work)


def _word(on: bool) -> str:
    return "on" if on else "off"
