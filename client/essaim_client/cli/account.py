"""`essaim account`: make, restore and show an account. None of it needs the network."""

import sys

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

app = typer.Typer(help="Make, restore and show an account.", no_args_is_help=True)


@app.command()
def new(
    network: NetworkOption,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    keyring: KeyringOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make an account. Its 24 words are shown once: they are its only backup."""
    with sentences(as_json):
        joined = NetworkFile.load(network)
        passphrase = None if keyring else new_passphrase(passphrase_file)
        words = Client.create_account(home_of(home), joined, passphrase)
        account_id = _id_of(words)
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
    as_json: JsonOption = False,
) -> None:
    """Restore an account from its 24 words, typed or piped in, as a new device."""
    with sentences(as_json):
        joined = NetworkFile.load(network)
        words = typer.prompt("The 24 words") if sys.stdin.isatty() else sys.stdin.buffer.read().decode(errors="replace")
        account_id = _id_of(words)  # wrong words are refused before anybody is asked for more
        passphrase = None if keyring else new_passphrase(passphrase_file)
        Client.restore_account(home_of(home), joined, passphrase, words)
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
        account_id, network = str(opened.account.id), opened.network.genesis.network_name
        opened.close()
        if as_json:
            emit({"account_id": account_id, "network": network})
        else:
            _show_id(account_id)


def _id_of(words: str) -> str:
    return str(Account(seed_of(entropy_of(words))).id)


def _show_words(words: str) -> None:
    numbered = [f"{number:2} {word:<9}" for number, word in enumerate(words.split(), 1)]
    for start in range(0, len(numbered), 6):
        screen.print("  " + "  ".join(numbered[start : start + 6]))


def _show_id(account_id: str) -> None:
    screen.print(f"\n{account_id}\n")
    if sys.stdout.isatty():
        segno.make(account_id.upper(), error="m").terminal(compact=True)  # upper case makes a smaller code
