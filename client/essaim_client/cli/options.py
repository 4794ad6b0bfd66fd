"""The options that commands share, and where a passphrase comes from."""

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from essaim.protocol.errors import ProtocolError
from essaim_client.home import default_home, needs_passphrase

PASSPHRASE_VARIABLE = "ESSAIM_PASSPHRASE"  # noqa: S105  # its name

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Directory of the account (default: ESSAIM_HOME, else the user's data).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, also for an error.")]
PassphraseFileOption = Annotated[
    Path | None, typer.Option("--passphrase-file", help="Read the passphrase from the first line of this file.")
]
NetworkOption = Annotated[Path, typer.Option("--network", help="The network file that the operator hands out.")]
KeyringOption = Annotated[bool, typer.Option("--keyring", help="No passphrase: the system's key ring keeps the key.")]


class PassphraseError(ProtocolError):
    """There is no passphrase to be had, or its repetition differs."""

    reason = "PASSPHRASE_REFUSED"


def home_of(option: Path | None) -> Path:
    return default_home() if option is None else option


def passphrase_for(home: Path, file: Path | None) -> str | None:
    """For an account that exists; None when the key ring has its key."""
    return _given(file) or _asked("Passphrase: ") if needs_passphrase(home) else None


def new_passphrase(file: Path | None) -> str:
    """For a new account: asked for twice where it is typed. Raises PassphraseError."""
    given = _given(file)
    if given:
        return given
    typed = _asked("Passphrase for this device: ")
    if _asked("Once more: ") != typed:
        raise PassphraseError("the two passphrases differ")
    return typed


def _given(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(PASSPHRASE_VARIABLE)
    try:
        line = file.read_text().split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise PassphraseError("the passphrase file cannot be read") from None
    if not line:
        raise PassphraseError("the passphrase file is empty")
    return line


def _asked(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise PassphraseError(f"no terminal to ask for a passphrase: set {PASSPHRASE_VARIABLE} or --passphrase-file")
    typed = getpass.getpass(prompt)
    if not typed:
        raise PassphraseError("a passphrase has at least one character; or use --keyring")
    return typed
