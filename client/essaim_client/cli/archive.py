"""`essaim archive`: a conversation as a sealed file for somebody else, and what others gave one so.

All of it works without a network, but for sealing for another account's devices.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.export import ExportedGroup, Range
from essaim.protocol.keys import VerifyKey
from essaim_client.cli.file import described, flat_file, watched
from essaim_client.cli.group_name import ConversationArgument, conversation
from essaim_client.cli.opened import YesOption, confirm, with_account, without_network
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, local_time, screen, visible
from essaim_client.client import Client
from essaim_client.messaging.archives import Archive, UnknownArchiveError
from essaim_client.messaging.transcript import Shown
from essaim_client.offline import Offline

EXPORT_VARIABLE = "ESSAIM_EXPORT_PASSPHRASE"
FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The sealed export.")]
ArchiveArgument = Annotated[str, typer.Argument(metavar="ARCHIVE", help="16 hexadecimal digits: see `archive list`.")]
ToOption = Annotated[
    str | None, typer.Option("--to", metavar="ACCOUNT", help="Whose devices open it; the own ones by default.")
]
LockedOption = Annotated[
    bool, typer.Option("--passphrase", help=f"Closed with the passphrase in {EXPORT_VARIABLE}, else one asked for.")
]
SinceOption = Annotated[
    datetime | None,
    typer.Option("--since", metavar="DATE", formats=FORMATS, help="From then on, in local time."),
]
UntilOption = Annotated[datetime | None, typer.Option("--until", metavar="DATE", formats=FORMATS, help="Before then.")]
app = typer.Typer(help="Export a conversation as a sealed file; import and read others' exports.", no_args_is_help=True)


class LockRefusedError(ProtocolError):
    """Both for an account and for a passphrase, or an empty passphrase."""

    reason = "LOCK_REFUSED"


@app.command()
def export(
    of: ConversationArgument,
    file: FileArgument,
    to: ToOption = None,
    locked: LockedOption = False,
    since: SinceOption = None,
    until: UntilOption = None,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a conversation to a new file: sealed for one account's devices or a passphrase, signed by this device."""
    span = Range(_ms(since), _ms(until))

    async def online(me: Client) -> None:
        subject = conversation(me.groups.names, of)
        with watched("messages", as_json) as on_count:
            _exported(await me.export(subject, file, to=to, span=span, on_count=on_count), as_json)

    async def offline(me: Offline) -> None:
        if to is not None and locked:
            raise LockRefusedError("give --to or --passphrase, not both")
        subject = conversation(me.group_names, of)
        passphrase = _passphrase(locked, new=True)
        with watched("messages", as_json) as on_count:
            count = await me.export(subject, file, passphrase=passphrase, span=span, on_count=on_count)
        _exported(count, as_json)

    if to is None or locked:
        without_network(home, passphrase_file, as_json, offline)
    else:
        with_account(home, passphrase_file, as_json, online)


def _exported(count: int, as_json: bool) -> None:
    if as_json:
        emit({"messages": count})
    else:
        screen.print(f"{count} messages exported; the signature proves who made the file, not what the others wrote")


@app.command("import")
def take_in(
    file: FileArgument,
    locked: LockedOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify an export, and keep it apart from your own conversations."""

    async def work(me: Offline) -> None:
        with watched(file.name, as_json) as progress:
            archive = await me.archives.take_in(file, passphrase=_passphrase(locked), on_progress=progress)
        _tell(archive, as_json)

    without_network(home, passphrase_file, as_json, work)


@app.command()
def verify(
    file: FileArgument,
    locked: LockedOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify an export, and keep nothing of it."""

    async def work(me: Offline) -> None:
        _tell(await me.archives.check(file, passphrase=_passphrase(locked)), as_json)

    without_network(home, passphrase_file, as_json, work)


@app.command("list")
def show_all(
    home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False
) -> None:
    """Show what was imported."""

    async def work(me: Offline) -> None:
        archives = me.archives.all()
        if as_json:
            emit({"archives": [_flat(each) for each in archives]})
            return
        table = Table("archive", "made by", "conversation with, or group", "made", "messages", "")
        for each in archives:
            people = str(each.exporter), _named(each)
            note = REVOKED if each.revoked else ""
            table.add_row(each.archive_id.hex(), *people, local_time(each.created_ms), str(each.messages), note)
        screen.print(table)

    without_network(home, passphrase_file, as_json, work)


@app.command()
def show(
    archive: ArchiveArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read what was imported, oldest first."""

    async def work(me: Offline) -> None:
        found = me.archives.get(_archive_id(archive))
        texts = me.archives.messages(found.archive_id)
        if as_json:
            emit({"archive": _flat(found), "messages": [_flat_text(each) for each in texts]})
            return
        _tell(found, as_json)
        for each in texts:
            _show(each)

    without_network(home, passphrase_file, as_json, work)


@app.command()
def remove(
    archive: ArchiveArgument,
    yes: YesOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what was imported."""

    async def work(me: Offline) -> None:
        found = me.archives.get(_archive_id(archive))
        confirm(f"Delete the {found.messages} messages of this archive?", yes)
        me.archives.remove(found.archive_id)
        if as_json:
            emit({"removed": archive})
        else:
            screen.print("removed")

    without_network(home, passphrase_file, as_json, work)


REVOKED = "by a device that the account has revoked since"


def _ms(when: datetime | None) -> int:
    return int(when.astimezone().timestamp() * 1000) if when else 0


def _passphrase(locked: bool, *, new: bool = False) -> str | None:
    """Raises LockRefusedError."""
    if not locked:
        return None
    given = os.environ.get(EXPORT_VARIABLE)
    passphrase = given or str(typer.prompt("Passphrase of the export", hide_input=True, confirmation_prompt=new))
    if not passphrase:
        raise LockRefusedError("a passphrase has at least one character")
    return passphrase


def _archive_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UnknownArchiveError("an archive is named by 16 hexadecimal digits: see `archive list`") from None


def _named(archive: Archive) -> str:
    """The other side, or the group."""
    of = archive.conversation
    return f"{visible(of.name)} ({of.group_id.hex()[:12]})" if isinstance(of, ExportedGroup) else str(of)


def _flat(archive: Archive) -> Mapping[str, object]:
    of = archive.conversation
    group = isinstance(of, ExportedGroup)
    return {
        "archive_id": archive.archive_id.hex(),
        "exporter": str(archive.exporter),
        "conversation": of.raw.hex() if group else str(of),
        "group": of.name if isinstance(of, ExportedGroup) else None,
        "created_ms": archive.created_ms,
        "from_ms": archive.span.from_ms or None,
        "until_ms": archive.span.until_ms or None,
        "messages": archive.messages,
        "revoked": archive.revoked,
    }


def _flat_text(text: Shown) -> Mapping[str, object]:
    return {
        "message_id": text.message_id.hex(),
        "author": str(AccountId(VerifyKey(text.author))),
        "text": text.text,
        "sent_ms": text.sent_ms,
        "reply_to": text.reply_to.hex() or None,
        "edited": text.edited,
        "reactions": [emoji for _, emoji in text.reactions],
        "files": [flat_file(file) for file in text.files],
    }


def _tell(archive: Archive, as_json: bool) -> None:
    if as_json:
        emit(_flat(archive))
        return
    screen.print(f"archive {archive.archive_id.hex()}: {archive.messages} messages", style="bold")
    screen.print(f"made by {archive.exporter}, {local_time(archive.created_ms)}: the signature fits")
    of = "group" if isinstance(archive.conversation, ExportedGroup) else "conversation with"
    screen.print(f"of the {of} {_named(archive)}: that others wrote so is the maker's word")
    if archive.revoked:
        screen.print(f"! signed {REVOKED}", style="yellow")


def _show(text: Shown) -> None:
    author = AccountId(VerifyKey(text.author))
    notes = " ".join([*(["edited"] if text.edited else []), *(visible(emoji) for _, emoji in text.reactions)])
    screen.print(f"{local_time(text.sent_ms)}  {author}  {text.message_id.hex()}  {notes}", style="bold")
    if text.text or not text.files:
        screen.print(visible(text.text))
    for file in text.files:
        screen.print(f"file: {described(file)}")
