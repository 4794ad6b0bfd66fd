"""`essaim file`: the files of messages, and how far one has come."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from essaim_client.cli.opened import MessageArgument, message_id, with_account
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import complaints, emit, screen, visible
from essaim_client.client import Client
from essaim_client.messaging.events import File
from essaim_client.messaging.sender import UnknownMessageError

app = typer.Typer(help="Save the files of messages.", no_args_is_help=True)
DirectoryOption = Annotated[Path, typer.Option("--to", help="The directory to save to.")]
MILLION = 1_000_000


@app.command()
def save(
    message: MessageArgument,
    to: DirectoryOption = Path(),
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch all files of a message; called again after an interruption it goes on where it was."""

    async def work(me: Client) -> None:
        saved = []
        for file in files_of(me, message_id(message)):
            with watched(file.name, as_json) as on_progress:
                saved.append(await me.save_file(file, to, on_progress=on_progress))
        if as_json:
            emit({"saved": [str(path.absolute()) for path in saved]})
        for path in () if as_json else saved:
            screen.print(f"saved {visible(str(path))}")

    with_account(home, passphrase_file, as_json, work)


def files_of(me: Client, name: bytes) -> list[File]:
    """Of the message of this id, in whichever conversation or group. Raises UnknownMessageError."""
    shown = [*me.history(), *(each for group in me.groups.names for each in me.groups.history(group))]
    files = [file for text in shown if text.message_id == name for file in text.files]
    if not files:
        raise UnknownMessageError("there is no such message, or it has no file")
    return files


@contextmanager
def watched(name: str, as_json: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar beside what the command prints; none for programs."""
    if as_json:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=complaints, transient=True) as progress:
        task = progress.add_task(visible(name), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def flat_file(file: File) -> Mapping[str, object]:
    """For a program."""
    return {
        "name": file.name,
        "media_type": file.media_type,
        "size": file.size,
        "expires_ms": file.expires_ms,
        "duration_ms": file.duration_ms or None,
        "width": file.width or None,
        "height": file.height or None,
    }


def file_line(file: File) -> str:
    """For a person."""
    return f"file: {described(file)}; see `file save`"


def described(file: File) -> str:
    """Its name and size."""
    seconds = f", {file.duration_ms / 1000:.0f} s" if file.duration_ms else ""
    pixels = f", {file.width} x {file.height}" if file.width and file.height else ""
    size = f"{file.size / MILLION:.1f} MB" if file.size >= MILLION else f"{file.size} bytes"
    return f"{visible(file.name)} ({size}{seconds}{pixels})"
