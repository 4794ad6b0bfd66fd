"""`essaim message`: a conversation, and what can be done with its messages."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from essaim_client.cli.file import file_line, flat_file
from essaim_client.cli.opened import AccountArgument, MessageArgument, message_id, with_account
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen, visible
from essaim_client.client import Client
from essaim_client.messaging.events import Disappearing
from essaim_client.messaging.sender import Sent
from essaim_client.messaging.transcript import Shown

app = typer.Typer(help="Read a conversation; answer, react to, edit and unsend messages.", no_args_is_help=True)
TextArgument = Annotated[str, typer.Argument(help="What to write.")]


@app.command("list")
def show(
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a conversation, oldest first."""

    async def work(me: Client) -> None:
        texts = me.history(account)
        if as_json:
            emit({"messages": [_flat(each) for each in texts]})
        for each in () if as_json else texts:
            _show(each)

    with_account(home, passphrase_file, as_json, work)


def _flat(text: Shown) -> Mapping[str, object]:
    return {
        "message_id": text.message_id.hex(),
        "outgoing": text.outgoing,
        "text": text.text,
        "sent_ms": text.sent_ms,
        "position": text.position,
        "reply_to": text.reply_to.hex() or None,
        "edited": text.edited,
        "reactions": [emoji for _, emoji in text.reactions],
        "files": [flat_file(file) for file in text.files],
        "expires_ms": text.expires_ms or None,
        "read": text.read,
    }


def _show(text: Shown) -> None:
    when = datetime.fromtimestamp(min(text.sent_ms, text.shown_ms) / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    marks = [mark for mark, on in {"edited": text.edited, "read": text.read and text.outgoing}.items() if on]
    notes = " ".join([*marks, *(visible(emoji) for _, emoji in text.reactions)])
    screen.print(f"{when}  {'you' if text.outgoing else 'they'}  {text.message_id.hex()}  {notes}", style="bold")
    if text.text or not text.files:
        screen.print(visible(text.text))
    for file in text.files:
        screen.print(file_line(file))


def _send(
    home: Path | None, passphrase_file: Path | None, as_json: bool, do: Callable[[Client], Awaitable[Sent]]
) -> None:
    async def work(me: Client) -> None:
        sent = await do(me)
        if as_json:
            emit({"message_id": sent.message_id.hex(), "sent_ms": sent.sent_ms, "devices": sent.devices})
        else:
            screen.print(f"sent to {sent.devices} device(s)")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def reply(
    account: AccountArgument,
    message: MessageArgument,
    text: TextArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a message."""

    async def do(me: Client) -> Sent:
        return await me.send(account, text, reply_to=message_id(message))

    _send(home, passphrase_file, as_json, do)


@app.command()
def react(
    account: AccountArgument,
    message: MessageArgument,
    emoji: Annotated[str, typer.Argument(help="One emoji; an empty one takes it back.")],
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """React to a message."""

    async def do(me: Client) -> Sent:
        return await me.react(account, message_id(message), emoji)

    _send(home, passphrase_file, as_json, do)


@app.command()
def edit(
    account: AccountArgument,
    message: MessageArgument,
    text: TextArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a message of your own."""

    async def do(me: Client) -> Sent:
        return await me.edit(account, message_id(message), text)

    _send(home, passphrase_file, as_json, do)


@app.command()
def unsend(
    account: AccountArgument,
    message: MessageArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a message of your own back, on both sides."""

    async def do(me: Client) -> Sent:
        return await me.unsend(account, message_id(message))

    _send(home, passphrase_file, as_json, do)


@app.command()
def delete(
    account: AccountArgument,
    message: MessageArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a message on your own devices."""

    async def work(me: Client) -> None:
        count = me.delete(account, message_id(message))
        if as_json:
            emit({"deleted": count})
        else:
            screen.print("deleted" if count else "there is no such message")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def read(
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mark all of a conversation as read."""

    async def work(me: Client) -> None:
        await me.mark_read(account)
        if as_json:
            emit({"read": True})

    with_account(home, passphrase_file, as_json, work)


@app.command()
def timer(
    account: AccountArgument,
    seconds: Annotated[int, typer.Argument(help="After how long messages disappear, 5 to 2419200; 0: they stay.")],
    once_read: Annotated[bool, typer.Option("--once-read", help="Count from when they are read.")] = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let messages of this conversation disappear, on both sides, from now on."""

    async def do(me: Client) -> Sent:
        return await me.set_timer(account, Disappearing(seconds * 1000, once_read) if seconds else None)

    _send(home, passphrase_file, as_json, do)
