"""`essaim`: the command line of the client library."""

import typer

from essaim_client.cli import (
    account,
    archive,
    contact,
    device,
    file,
    keeping,
    message,
    messages,
    network,
    room,
    room_directs,
    room_moderation,
)

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
for more in (room_moderation, room_directs):
    room.app.registered_commands += more.app.registered_commands
app.add_typer(room.app, name="room")
app.command()(messages.send)
app.command()(messages.receive)
app.command()(messages.listen)
app.command()(network.path)
app.command()(network.nodes)


def main() -> None:
    """The entry point."""
    app()
