"""`essaim account`: make, restore and show an account. None of it needs the network."""

import os
import sys
from typing import Annotated

import segno
import typer

from essaim.protocol.account import Account
from essaim.protocol.phrase import entropy_of, seed_of
from essaim_client.cli.options import (
    HomeOption,
    JsonOption,
    KeyringOption,
    NetworkOption,
    PassphraseFileOption,
    home_of,
    new_passphrase,
    passphrase_for,
)
from essaim_client.cli.output import emit, screen, sentences
from essaim_client.client import Client
from essaim_client.home import Home
from essaim_client.network_file import NetworkFile

SECOND_FACTOR_VARIABLE = "ESSAIM_SECOND_FACTOR"
SecondFactorOption = Annotated[
    bool, typer.Option("--second-factor", help="A passphrase besides the words: without it they give another account.")
]
BesideOption = Annotated[
    bool, typer.Option("--beside", help="As one more device, not in place of the account's first one.")
]
app = typer.Typer(help="Make, restore and show an account.", no_args_is_help=True)


@app.command()
def new(
    network: NetworkOption,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    keyring: KeyringOption = False,
    second_factor: SecondFactorOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make an account. Its 24 words are shown once: they are its only backup."""
    with sentences(as_json):
        joined = NetworkFile.load(network)
        passphrase = None if keyring else new_passphrase(passphrase_file)
        factor = _second_factor(twice=True) if second_factor else ""
        words = Client.create_account(home_of(home), joined, passphrase, second_factor=factor)
        account_id = _id_of(words, factor)
        if as_json:
            emit({"account_id": account_id, "words": words, "network": joined.genesis.network_name})
            return
        screen.print("Write these 24 words down and keep them secret. They are shown this once:\n")
        _show_words(words)
        screen.print("\nYour account:")
        _show_id(account_id)


@app.command()
def restore(
    network: NetworkOption,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    keyring: KeyringOption = False,
    second_factor: SecondFactorOption = False,
    beside: BesideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Restore an account from its 24 words, typed or piped in, as a new device."""
    with sentences(as_json):
        joined = NetworkFile.load(network)
        words = typer.prompt("The 24 words") if sys.stdin.isatty() else sys.stdin.buffer.read().decode(errors="replace")
        _id_of(words, "")  # wrong words are refused before anybody is asked for more
        factor = _second_factor(twice=False) if second_factor else ""
        account_id = _id_of(words, factor)
        passphrase = None if keyring else new_passphrase(passphrase_file)
        place = home_of(home)
        Client.restore_account(place, joined, passphrase, words, second_factor=factor, beside=beside)
        if as_json:
            emit({"account_id": account_id, "network": joined.genesis.network_name})
        else:
            screen.print("Restored:")
            _show_id(account_id)


@app.command()
def show(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """Show the account's ID, as text and as a QR code."""
    with sentences(as_json):
        place = home_of(home)
        opened = Home.open(place, passphrase_for(place, passphrase_file))
        account_id, network = str(opened.account_id), opened.network.genesis.network_name
        opened.close()
        if as_json:
            emit({"account_id": account_id, "network": network})
        else:
            _show_id(account_id)


def _id_of(words: str, factor: str) -> str:
    return str(Account(seed_of(entropy_of(words), factor)).id)


def _second_factor(*, twice: bool) -> str:
    """From ESSAIM_SECOND_FACTOR, else asked for; a wrong one gives another account, so a new one is asked for twice."""
    given = os.environ.get(SECOND_FACTOR_VARIABLE)
    return given or str(typer.prompt("Second factor", hide_input=True, confirmation_prompt=twice))


def _show_words(words: str) -> None:
    numbered = [f"{number:2} {word:<9}" for number, word in enumerate(words.split(), 1)]
    for start in range(0, len(numbered), 6):
        screen.print("  " + "  ".join(numbered[start : start + 6]))


def _show_id(account_id: str) -> None:
    screen.print(f"\n{account_id}\n")
    if sys.stdout.isatty():
        segno.make(account_id.upper(), error="m").terminal(compact=True)  # upper case makes a smaller code
