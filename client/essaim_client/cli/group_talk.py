"""`essaim group`: what is said in closed groups."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from essaim.protocol.account import AccountId
from essaim.protocol.keys import VerifyKey
from essaim_client.attachments.way import Enclosed
from essaim_client.cli.chat.line import BLOCKED
from essaim_client.cli.declared import Told, command
from essaim_client.cli.file import file_line, flat_file, watched
from essaim_client.cli.group import named
from essaim_client.cli.group_name import GroupArgument, find_group
from essaim_client.cli.messages import AsIsOption, FileOption, VoiceOption, one_file
from essaim_client.cli.opened import MessageArgument, message_id
from essaim_client.cli.output import local_time, visible
from essaim_client.client import Client
from essaim_client.messaging.events import Disappearing
from essaim_client.messaging.sender import Sent
from essaim_client.messaging.transcript import Shown

app = typer.Typer()

TextArgument = Annotated[str, typer.Argument(help="What to write.")]


def _sent(sent: Sent) -> Told:
    flat = {"message_id": sent.message_id.hex(), "sent_ms": sent.sent_ms, "members": sent.devices}
    return Told(flat, [f"sent {sent.message_id.hex()}"])


@command(app)
async def send(
    me: Client,
    group: GroupArgument,
    text: TextArgument = "",
    reply_to: Annotated[str, typer.Option(metavar="MESSAGE", help="The text that this answers.")] = "",
    file: FileOption = None,
    voice: VoiceOption = None,
    as_is: AsIsOption = False,
    as_json: bool = False,
) -> Told:
    """Write to a group, or send a file; returns when a quorum has it on disk."""
    path, answered = one_file(text, file, voice), message_id(reply_to) if reply_to else b""
    which = await named(me, group)  # so that it is said to those who are there now
    if path is None:
        return _sent(await me.groups.send(which, text, reply_to=answered))
    with watched(path.name, as_json) as on_progress:
        how = Enclosed(text=text, reply_to=answered, voice=voice is not None, as_is=as_is, on_progress=on_progress)
        sent = await me.groups.send_file(which, path, **how)
    return _sent(sent)


@command(app)
async def react(
    me: Client,
    group: GroupArgument,
    message: MessageArgument,
    emoji: Annotated[str, typer.Argument(help="An empty one takes it back.")],
) -> Told:
    """React to a text."""
    return _sent(await me.groups.react(await named(me, group), message_id(message), emoji))


@command(app)
async def edit(me: Client, group: GroupArgument, message: MessageArgument, text: TextArgument) -> Told:
    """Another wording of a text of yours."""
    return _sent(await me.groups.edit(await named(me, group), message_id(message), text))


@command(app)
async def unsend(me: Client, group: GroupArgument, message: MessageArgument) -> Told:
    """Take a text of yours back, everywhere, and its files."""
    return _sent(await me.groups.unsend(await named(me, group), message_id(message)))


@command(app)
async def timer(
    me: Client,
    group: GroupArgument,
    seconds: Annotated[int, typer.Argument(help="After how long messages disappear, 5 to 2419200; 0: they stay.")],
    once_read: Annotated[bool, typer.Option("--once-read", help="Counted from when each reads them.")] = False,
) -> Told:
    """Let messages of a group disappear, for all, from now on."""
    wanted = Disappearing(seconds * 1000, once_read) if seconds else None
    return _sent(await me.groups.set_timer(await named(me, group), wanted))


@command(app)
async def read(
    me: Client,
    group: GroupArgument,
    limit: Annotated[int, typer.Option(min=1, help="The last ones.")] = 50,
) -> Told:
    """What was said in a group, the newest last; also in one that you have left."""
    await me.receive_events()
    shown = me.groups.history(find_group(me.groups.names, group), newest=limit)
    lines = [line for each in shown for line in _lines(each)]
    return Told({"messages": [_flat(each) for each in shown]}, lines)


def author_of(text: Shown) -> str:
    """Its account ID."""
    return str(AccountId(VerifyKey(text.author)))


def _flat(text: Shown) -> Mapping[str, object]:
    return {
        "message_id": text.message_id.hex(),
        "author": author_of(text),
        "outgoing": text.outgoing,
        "text": text.text,
        "sent_ms": text.sent_ms,
        "position": text.position,
        "reply_to": text.reply_to.hex() or None,
        "edited": text.edited,
        "reactions": [emoji for _, emoji in text.reactions],
        "files": [flat_file(file) for file in text.files],
        "blocked": text.blocked,
    }


def _lines(text: Shown) -> Iterator[RenderableType]:
    notes = " ".join([*(["edited"] if text.edited else []), *(visible(emoji) for _, emoji in text.reactions)])
    who = "you" if text.outgoing else author_of(text)
    when = local_time(min(text.sent_ms, text.shown_ms))
    yield Text(f"{when}  {who}  {text.message_id.hex()}  {notes}", style="bold")
    if text.blocked:
        yield Text(BLOCKED, style="dim")
    elif text.text or not text.files:
        yield visible(text.text)
    yield from (file_line(file) for file in text.files)
