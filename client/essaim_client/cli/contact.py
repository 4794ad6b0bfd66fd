"""`essaim contact`: the people that one writes with."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import segno
import typer
from rich.table import Table

from essaim_client.cli.opened import AccountArgument, with_account
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen, visible
from essaim_client.client import Client
from essaim_client.messaging.agreement import Contact

app = typer.Typer(help="Accept, block, name and verify people.", no_args_is_help=True)


@app.command("list")
def show(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """Show contacts, and who asks to be one."""

    async def work(me: Client) -> None:
        contacts, requests = me.contacts.all(), [str(each) for each in me.contacts.requests()]
        if as_json:
            emit({"contacts": [_flat(me, contact) for contact in contacts], "requests": requests})
            return
        table = Table("account", "name", "")
        for contact in contacts:
            table.add_row(str(contact.account), visible(contact.name), ", ".join(_notes(me, contact)))
        for account in requests:
            table.add_row(account, "", "asks to write to you")
        screen.print(table)

    with_account(home, passphrase_file, as_json, work)


def _flat(me: Client, contact: Contact) -> Mapping[str, object]:
    return {
        "account_id": str(contact.account),
        "name": contact.name,
        "verified": contact.verified,
        "blocked": contact.blocked,
        "moved_to": str(contact.moved_to) if contact.moved_to else None,
        "new_devices": [each.slot for each in me.contacts.new_devices(contact.account)],
    }


def _notes(me: Client, contact: Contact) -> list[str]:
    marks = {
        "verified": contact.verified,
        "blocked": contact.blocked,
        "moved": contact.moved_to is not None,
        "NEW DEVICE: acknowledge it": bool(me.contacts.new_devices(contact.account)),
    }
    return [mark for mark, on in marks.items() if on]


def _decide(
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
    account: str,
    done: str,
    do: Callable[[Client], object],
) -> None:
    async def work(me: Client) -> None:
        do(me)
        if as_json:
            emit({"account_id": account, "done": done})
        else:
            screen.print(done)

    with_account(home, passphrase_file, as_json, work)


@app.command()
def accept(
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept somebody's request."""
    _decide(home, passphrase_file, as_json, account, "accepted", lambda me: me.contacts.accept(account))


@app.command()
def block(
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Drop what somebody sends; they are not told."""
    _decide(home, passphrase_file, as_json, account, "blocked", lambda me: me.contacts.block(account))


@app.command()
def unblock(
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a block back."""
    _decide(home, passphrase_file, as_json, account, "unblocked", lambda me: me.contacts.unblock(account))


@app.command()
def remove(
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """No contact any more: their next message is a request."""
    _decide(home, passphrase_file, as_json, account, "removed", lambda me: me.contacts.remove(account))


@app.command()
def name(
    account: AccountArgument,
    name: Annotated[str, typer.Argument(help="What to call them; nobody else sees it.")],
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name somebody."""
    _decide(home, passphrase_file, as_json, account, "named", lambda me: me.contacts.rename(account, name))


@app.command()
def safety(
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the number and the QR code that both of you compare in person."""

    async def work(me: Client) -> None:
        number, code = me.contacts.safety_number(account), me.contacts.safety_code(account)
        if as_json:
            emit({"number": number, "code": code})
            return
        groups = [number[at : at + 5] for at in range(0, len(number), 5)]
        for at in range(0, len(groups), 4):
            screen.print("  ".join(groups[at : at + 4]))
        if sys.stdout.isatty():
            segno.make(code, error="m").terminal(compact=True)

    with_account(home, passphrase_file, as_json, work)


@app.command()
def verify(
    account: AccountArgument,
    given: Annotated[str, typer.Argument(help="The number that they read out, or what their QR code says.")],
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare, and remember that it fits."""
    _decide(home, passphrase_file, as_json, account, "verified", lambda me: me.contacts.verify(account, given))


@app.command()
def acknowledge(
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Their new device is theirs: messages go there from now on."""
    _decide(home, passphrase_file, as_json, account, "acknowledged", lambda me: me.contacts.acknowledge(account))


@app.command()
def follow(
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with somebody under the account that they have moved to."""

    async def work(me: Client) -> None:
        after = str(me.contacts.follow(account))
        if as_json:
            emit({"account_id": after})
        else:
            screen.print(f"they are {after} now")

    with_account(home, passphrase_file, as_json, work)
