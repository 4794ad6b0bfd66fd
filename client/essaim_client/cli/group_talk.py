"""`essaim group`: what is said in closed groups."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from essaim.protocol.account import AccountId
from essaim.protocol.keys import VerifyKey
from essaim_client.cli.group_name import GroupArgument, group_id
from essaim_client.cli.opened import MessageArgument, message_id, with_account
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen, visible
from essaim_client.client import Client
from essaim_client.messaging.sender import Sent
from essaim_client.messaging.transcript import Shown

app = typer.Typer()

TextArgument = Annotated[str, typer.Argument(help="What to write.")]


def _say(
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
    group: str,
    work: Callable[[Client, bytes], Awaitable[Sent]],
) -> None:
    async def online(me: Client) -> None:
        await me.receive_events()  # so that it is said to those who are there now
        sent = await work(me, group_id(me, group))
        if as_json:
            emit({"message_id": sent.message_id.hex(), "sent_ms": sent.sent_ms, "members": sent.devices})
        else:
            screen.print(f"sent {sent.message_id.hex()}")

    with_account(home, passphrase_file, as_json, online)


@app.command()
def send(
    group: GroupArgument,
    text: TextArgument,
    reply_to: Annotated[str, typer.Option(metavar="MESSAGE", help="The text that this answers.")] = "",
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write to a group; returns when a quorum has it on disk."""

    async def work(me: Client, which: bytes) -> Sent:
        return await me.groups.send(which, text, reply_to=message_id(reply_to) if reply_to else b"")

    _say(home, passphrase_file, as_json, group, work)


@app.command()
def react(
    group: GroupArgument,
    message: MessageArgument,
    emoji: Annotated[str, typer.Argument(help="An empty one takes it back.")],
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """React to a text."""

    async def work(me: Client, which: bytes) -> Sent:
        return await me.groups.react(which, message_id(message), emoji)

    _say(home, passphrase_file, as_json, group, work)


@app.command()
def edit(
    group: GroupArgument,
    message: MessageArgument,
    text: TextArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Another wording of a text of yours."""

    async def work(me: Client, which: bytes) -> Sent:
        return await me.groups.edit(which, message_id(message), text)

    _say(home, passphrase_file, as_json, group, work)


@app.command()
def unsend(
    group: GroupArgument,
    message: MessageArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a text of yours back, everywhere."""

    async def work(me: Client, which: bytes) -> Sent:
        return await me.groups.unsend(which, message_id(message))

    _say(home, passphrase_file, as_json, group, work)


@app.command()
def read(
    group: GroupArgument,
    limit: Annotated[int, typer.Option(min=1, help="The last ones.")] = 50,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was said in a group, the newest last."""

    async def work(me: Client) -> None:
        await me.receive_events()
        shown = me.groups.history(group_id(me, group))[-limit:]
        if as_json:
            emit({"messages": [_flat(each) for each in shown]})
        for each in () if as_json else shown:
            _show(each)

    with_account(home, passphrase_file, as_json, work)


def _author(text: Shown) -> str:
    return str(AccountId(VerifyKey(text.author)))


def _flat(text: Shown) -> Mapping[str, object]:
    return {
        "message_id": text.message_id.hex(),
        "author": _author(text),
        "outgoing": text.outgoing,
        "text": text.text,
        "sent_ms": text.sent_ms,
        "position": text.position,
        "reply_to": text.reply_to.hex() or None,
        "edited": text.edited,
        "reactions": [emoji for _, emoji in text.reactions],
    }


def _show(text: Shown) -> None:
    when = datetime.fromtimestamp(min(text.sent_ms, text.shown_ms) / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    notes = " ".join([*(["edited"] if text.edited else []), *(visible(emoji) for _, emoji in text.reactions)])
    who = "you" if text.outgoing else _author(text)
    screen.print(f"{when}  {who}  {text.message_id.hex()}  {notes}", style="bold")
    screen.print(visible(text.text))
