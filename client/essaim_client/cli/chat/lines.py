"""A chat for programs: each line that is read is sent, each thing that happens is printed as a JSON object.

Where commands are asked for, a line that begins with a stroke is one: `/save MESSAGE DIRECTORY`, `/file PATH`,
`/reply MESSAGE TEXT`, `/react MESSAGE EMOJI`, `/edit MESSAGE TEXT`, `/unsend MESSAGE`, and `/history [MESSAGE]`: the
last 50 texts, or those before a message. Two strokes begin a text.
"""

import asyncio
import sys
import threading
import time
from contextlib import aclosing
from dataclasses import fields, is_dataclass
from pathlib import Path

from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim_client.cli.chat.place import Place
from essaim_client.cli.chat.saving import NoSuchCommandError, directory_of
from essaim_client.cli.chat.typed import Typed
from essaim_client.cli.file import files_of
from essaim_client.cli.opened import message_id
from essaim_client.cli.output import emit
from essaim_client.client import Client
from essaim_client.messaging.events import Event, Message
from essaim_client.messaging.sender import Sent


async def by_lines(me: Client, place: Place, *, commands: bool = False) -> None:
    """Until the standard input ends and all of it is sent."""
    following = asyncio.create_task(_follow(me, place))
    try:
        lines = _lines()
        while (line := await lines.get()) is not None:
            if line:
                await _do(me, place, Typed.of(line) if commands else Typed("", line))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def _lines() -> "asyncio.Queue[str | None]":
    """Read in a thread that keeps nobody from leaving; None at the end."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def read() -> None:
        try:
            for line in sys.stdin:
                loop.call_soon_threadsafe(queue.put_nowait, line.rstrip("\n"))
            loop.call_soon_threadsafe(queue.put_nowait, None)
        except RuntimeError:  # the loop has ended
            return

    threading.Thread(target=read, daemon=True).start()
    return queue


async def _do(me: Client, place: Place, typed: Typed) -> None:
    began = time.monotonic()
    try:
        if typed.command == "save":
            await _save(me, typed.text)
            return
        if typed.command == "history":
            _tell_history(place, message_id(typed.text) if typed.text else b"")
            return
        sent = await _sent(place, typed)
    except ProtocolError as error:
        emit({"event": "refused", "reason": error.reason, "message": str(error)})
        return
    took = round((time.monotonic() - began) * 1000)
    changes = [change.name for change in sent.changes]
    emit({"event": "sent", "message_id": sent.message_id.hex(), "milliseconds": took, "changes": changes})


async def _sent(place: Place, typed: Typed) -> Sent:
    name, _, text = typed.text.partition(" ")
    match typed.command:
        case "":
            return await place.send(typed.text, b"")
        case "file":
            return await place.send_file(Path(typed.text))
        case "reply":
            return await place.send(text, message_id(name))
        case "react":
            return await place.react(message_id(name), text)
        case "edit":
            return await place.edit(message_id(name), text)
        case "unsend":
            return await place.unsend(message_id(name))
    raise NoSuchCommandError(f"there is no /{typed.command} here")


def _tell_history(place: Place, before: bytes) -> None:
    emit({"event": "history", "messages": [_plain(shown) for shown in place.history(AT_ONCE, before)]})


async def _save(me: Client, named: str) -> None:
    name, _, directory = named.partition(" ")
    saved = [await me.save_file(each, directory_of(directory)) for each in files_of(me, message_id(name))]
    emit({"event": "saved", "message_id": name, "saved": [str(path.absolute()) for path in saved]})


async def _follow(me: Client, place: Place) -> None:
    async with aclosing(me.events()) as events:
        async for event in events:
            here = place.of(event)
            if here is not None:
                emit({"event": _snake(type(here).__name__), **_told(here)})
                if isinstance(here, Message) and not here.outgoing and not here.request:
                    await place.mark_read(here.position)


def _told(event: Event) -> dict[str, object]:
    """What JSON can hold: ids as hexadecimal digits, accounts as esm1...; of files neither keys nor pictures."""
    return {each.name: _plain(getattr(event, each.name)) for each in fields(event)}


def _plain(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case AccountId():
            return str(value)
        case tuple():
            return [_plain(each) for each in value]
        case _ if is_dataclass(value):
            return {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.name not in UNTOLD}
    return getattr(value, "name", value)


AT_ONCE = 50
UNTOLD = frozenset({"key", "blobs", "thumbnail", "waveform"})


def _snake(name: str) -> str:
    return "".join("_" * (at > 0 and letter.isupper()) + letter.lower() for at, letter in enumerate(name))
