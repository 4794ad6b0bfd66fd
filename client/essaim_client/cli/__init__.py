"""`essaim`: the command line of the client library."""

import sys

import typer
from typer.exceptions import TyperException

from essaim_client.cli import (
    account,
    archive,
    completion,
    contact,
    device,
    file,
    group,
    group_talk,
    keeping,
    message,
    messages,
    network,
    push,
    room,
    room_directs,
    room_hosting,
    room_moderation,
)
from essaim_client.cli.chat.command import chat
from essaim_client.cli.output import FAILED, REFUSED, complaints, emit

PROGRAM = "essaim"
app = typer.Typer(
    help="Write to people over Essaim, a private messaging network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(account.app, name="account")
app.add_typer(device.app, name="device")
app.add_typer(contact.app, name="contact")
app.add_typer(message.app, name="message")
app.add_typer(file.app, name="file")
app.add_typer(archive.app, name="archive")
app.command()(keeping.settings)
for more in (room_moderation, room_hosting, room_directs):
    room.app.registered_commands += more.app.registered_commands
app.add_typer(room.app, name="room")
group.app.registered_commands += group_talk.app.registered_commands
app.add_typer(group.app, name="group")
app.add_typer(push.app, name="push")
app.command()(messages.send)
app.command()(messages.receive)
app.command()(messages.listen)
app.command()(chat)
app.command()(network.path)
app.command()(network.nodes)
app.command()(completion.completion)


def main() -> None:
    """The entry point. Where JSON is asked for, a wrong call is told as JSON, too."""
    if "--json" not in sys.argv[1:]:
        app(prog_name=PROGRAM)
    try:
        sys.exit(app(prog_name=PROGRAM, standalone_mode=False))
    except TyperException as error:
        _end("USAGE", error.format_message(), REFUSED)
    except typer.Abort:
        _end("NOT_CONFIRMED", "nothing was typed", FAILED)


def _end(reason: str, message: str, code: int) -> None:
    emit({"error": {"reason": reason, "message": message}})
    complaints.print(f"essaim: {message}")
    sys.exit(code)
