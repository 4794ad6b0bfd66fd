"""`essaim send`, `receive`, `listen`."""

import sys
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Change
from essaim.protocol.errors import ProtocolError
from essaim_client.attachments.way import Enclosed
from essaim_client.cli.file import file_line, flat_file, watched
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption, home_of, passphrase_for
from essaim_client.cli.output import emit, run, screen, sentences, visible, warn
from essaim_client.client import Client
from essaim_client.messaging.events import AccountMoved, Event, GroupChanged, GroupInvited, InGroup, Message, NewDevice
from essaim_client.messaging.sender import Sent

RecipientArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Whom to write to: esm1...")]
TextArgument = Annotated[str, typer.Argument(help="What to write; - reads it from the standard input.")]
FileOption = Annotated[
    Path | None, typer.Option("--file", help="Send a file, up to 100 MB; a photo without its metadata.")
]
VoiceOption = Annotated[
    Path | None, typer.Option("--voice", help="Send a recording (Ogg Opus, M4A or WAV) as a voice message.")
]
AsIsOption = Annotated[bool, typer.Option("--as-is", help="Send a picture as it is, with all its metadata.")]


class NothingToSendError(ProtocolError):
    """Neither text nor file, or both a file and a voice message."""

    reason = "NOTHING_TO_SEND"


def send(
    account: RecipientArgument,
    text: TextArgument = "",
    file: FileOption = None,
    voice: VoiceOption = None,
    as_is: AsIsOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a message or a file; returns when a quorum of the recipient's swarm has it on disk.

    A file that was interrupted goes on where it was when the same command is given again.
    """
    with sentences(as_json):
        recipient = AccountId.parse(account)
        path = one_file(text, file, voice)
        content = sys.stdin.buffer.read().decode(errors="surrogateescape") if text == "-" else text
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)

        async def work() -> None:
            async with Client.open(place, passphrase=passphrase) as me:
                warn(me)
                if path is None:
                    _sent(await me.send(recipient, content), recipient, as_json)
                    return
                with watched(path.name, as_json) as progress:
                    how = Enclosed(text=content, voice=voice is not None, as_is=as_is, on_progress=progress)
                    sent = await me.send_file(recipient, path, **how)
                _sent(sent, recipient, as_json)

        run(work)


def one_file(text: str, file: Path | None, voice: Path | None) -> Path | None:
    """Which one is sent; None: the text alone. Raises NothingToSendError."""
    if file is not None and voice is not None:
        raise NothingToSendError("give --file or --voice, not both")
    if file is None and voice is None and not text:
        raise NothingToSendError("there is nothing to send: give a text, --file or --voice")
    return voice if file is None else file


def _sent(sent: Sent, recipient: AccountId, as_json: bool) -> None:
    if as_json:
        emit(
            {
                "message_id": sent.message_id.hex(),
                "sent_ms": sent.sent_ms,
                "devices": sent.devices,
                "changes": [change.name for change in sent.changes],
            }
        )
    else:
        _warn_of(sent.changes, recipient)
        screen.print(f"sent {sent.message_id.hex()} to {sent.devices} device(s)")


def receive(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """Show all that waits, and confirm it."""
    with sentences(as_json):
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)

        async def work() -> None:
            async with Client.open(place, passphrase=passphrase) as me:
                warn(me)
                events = await me.receive_events()
                messages = [event for event in events if isinstance(event, Message) and not event.outgoing]
                if as_json:
                    in_groups = [each for event in events if (each := _flat_in_group(event))]
                    emit({"messages": [_flat(message) for message in messages], "groups": in_groups})
                    return
                for event in events:
                    _tell(event)
                if not events:
                    screen.print("nothing new")

        run(work)


def listen(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """Show what waits, then what arrives, until Ctrl-C."""
    with sentences(as_json):
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)

        async def work() -> None:
            async with Client.open(place, passphrase=passphrase) as me:
                warn(me)
                async with aclosing(me.events()) as events:
                    async for event in events:
                        if not as_json:
                            _tell(event)
                        elif isinstance(event, Message) and not event.outgoing:
                            emit(_flat(event))
                        elif in_group := _flat_in_group(event):
                            emit(in_group)

        try:
            run(work)
        except KeyboardInterrupt:
            return


def _flat(message: Message) -> Mapping[str, object]:
    return {
        "message_id": message.message_id.hex(),
        "sender": str(message.sender),
        "text": message.text,
        "sent_ms": message.sent_ms,
        "received_ms": message.received_ms,
        "reply_to": message.reply_to.hex() or None,
        "request": message.request,
        "files": [flat_file(file) for file in message.files],
        "changes": [change.name for change in message.changes],
    }


def _flat_in_group(event: Event) -> Mapping[str, object]:
    """What happened in a closed group; nothing for what is only to be seen in `group read`."""
    match event:
        case InGroup(group, Message() as message) if not message.outgoing:
            return {"group_id": group.hex(), **_flat(message)}
        case GroupInvited():
            return {"group_id": event.group_id.hex(), "invited_by": str(event.inviter), "name": event.name}
        case GroupChanged():
            named = {"act": event.act, "author": str(event.author), "subject": str(event.subject)}
            return {"group_id": event.group_id.hex(), **named}
    return {}


def _warn_of(changes: Iterable[Change], account: AccountId) -> None:
    for change in changes:
        screen.print(f"! {change.name.lower().replace('_', ' ')}: {account}", style="yellow")


def _tell(event: Event) -> None:
    """A message; or what the person should know before writing the next one."""
    match event:
        case Message() if not event.outgoing:
            _show(event)
        case NewDevice():
            screen.print(f"! new device {event.slot} of {event.account}: acknowledge it, or ask them", style="yellow")
        case InGroup(group, Message() as message) if not message.outgoing:
            screen.print(f"in group {group.hex()[:12]}:", style="dim")
            _show(message)
        case GroupInvited():
            name = visible(event.name)
            screen.print(f"! {event.inviter} invites you to {name} ({event.group_id.hex()[:12]}): `group accept`")
        case GroupChanged():
            screen.print(f"group {event.group_id.hex()[:12]}: {event.act} {event.subject}", style="dim")
        case AccountMoved():
            screen.print(f"! {event.before} says: I am {event.after} now (`contact follow`)", style="yellow")


def _show(message: Message) -> None:
    _warn_of(message.changes, message.sender)
    # The sender's word for it; shown as when it came where it makes no sense.
    ms = min(message.sent_ms, message.received_ms)
    when = datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    note = "  asks to write to you: see `contact accept`, `contact block`" if message.request else ""
    screen.print(f"{when}  {message.sender}{note}", style="bold")
    if message.text or not message.files:
        screen.print(visible(message.text))
    for file in message.files:
        screen.print(f"{message.message_id.hex()}  {file_line(file)}")
