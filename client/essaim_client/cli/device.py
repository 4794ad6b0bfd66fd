"""`essaim device`: the devices of this account."""

import asyncio
import sys
from dataclasses import asdict
from typing import Annotated

import segno
import typer
from rich.table import Table

from essaim_client.cli.opened import SlotArgument, YesOption, confirm, with_account
from essaim_client.cli.options import (
    HomeOption,
    JsonOption,
    KeyringOption,
    NetworkOption,
    PassphraseFileOption,
    home_of,
    new_passphrase,
)
from essaim_client.cli.output import complaints, emit, run, screen, sentences, visible
from essaim_client.client import Client
from essaim_client.network_file import NetworkFile

app = typer.Typer(help="List, link, name and revoke the devices of this account.", no_args_is_help=True)
ManagerOption = Annotated[bool, typer.Option("--manager", help="Give it the account's keys: it may link and revoke.")]
NameOption = Annotated[str, typer.Option("--name", help="What to call this device.")]


@app.command("list")
def show(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """Show all devices."""

    async def work(me: Client) -> None:
        devices = me.devices.all()
        if as_json:
            emit({"devices": [asdict(device) for device in devices]})
            return
        table = Table("slot", "name", "manager", "asleep", "")
        for device in devices:
            note = "this device" if device.this else "NEW: acknowledge it, or revoke it" if device.new else ""
            marks = ("yes" if device.manager else "", "yes" if device.dormant else "")
            table.add_row(str(device.slot), visible(device.name), *marks, note)
        screen.print(table)

    with_account(home, passphrase_file, as_json, work)


@app.command()
def join(
    network: NetworkOption,
    name: NameOption = "",
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    keyring: KeyringOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make this a new device of an account that lives on another one; that one runs `device link`."""
    with sentences(as_json):
        joined = NetworkFile.load(network)
        passphrase = None if keyring else new_passphrase(passphrase_file)

        async def work() -> None:
            async with Client.join(home_of(home), joined, passphrase, name) as joining:
                _show_code(joining.code, as_json)
                account = await joining.offered()
                complaints.print(f"asking {account} - both devices must show {joining.check}")
                await joining.approved()
                if as_json:
                    emit({"account_id": str(account), "check": joining.check})
                else:
                    screen.print(f"this is a device of {account} now")

        run(work)


def _show_code(code: str, as_json: bool) -> None:
    if as_json:
        emit({"code": code})
        return
    screen.print(f"On a device of the account:  essaim device link {code}\n")
    if sys.stdout.isatty():
        segno.make(code.replace("-", ""), error="m").terminal(compact=True)


@app.command()
def link(
    code: Annotated[str, typer.Argument(metavar="CODE", help="What the new device shows.")],
    manager: ManagerOption = False,
    yes: YesOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a new device in, by the code that it shows."""

    async def work(me: Client) -> None:
        sponsoring = me.devices.sponsor(code)
        candidate = await sponsoring.meet()
        question = f"Let {visible(candidate.name) or 'a device'} in? It must show {candidate.check}"
        await asyncio.to_thread(confirm, question, yes)
        slot = await me.devices.approve(sponsoring, candidate, manager=manager)
        if as_json:
            emit({"slot": slot, "name": candidate.name, "check": candidate.check})
        else:
            screen.print(f"linked as device {slot}")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def name(
    slot: SlotArgument,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name a device."""

    async def work(me: Client) -> None:
        me.devices.name(slot, name)
        _done(as_json, {"slot": slot, "name": name}, f"device {slot} is {visible(name)}")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def revoke(
    slot: SlotArgument,
    yes: YesOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a device: nothing is sent to it, and its keys open no mailbox."""

    async def work(me: Client) -> None:
        await asyncio.to_thread(confirm, f"Revoke device {slot}?", yes)
        await me.devices.revoke(slot)
        _done(as_json, {"revoked": slot}, f"device {slot} is revoked; what it knew it knows")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def promote(
    slot: SlotArgument,
    yes: YesOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a device a manager. It is given the account's keys, which nobody can take back."""

    async def work(me: Client) -> None:
        await asyncio.to_thread(confirm, f"Give device {slot} the account's keys?", yes)
        await me.devices.promote(slot)
        _done(as_json, {"promoted": slot}, f"device {slot} is a manager")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def acknowledge(
    home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False
) -> None:
    """The new devices of this account are yours: messages go there, too."""

    async def work(me: Client) -> None:
        slots = [each.slot for each in me.contacts.acknowledge(me.account_id)]
        _done(as_json, {"acknowledged": slots}, f"acknowledged {len(slots)} device(s)")

    with_account(home, passphrase_file, as_json, work)


def _done(as_json: bool, content: dict[str, object], sentence: str) -> None:
    if as_json:
        emit(content)
    else:
        screen.print(sentence)
