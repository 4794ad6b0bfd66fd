"""A conversation while it is on the screen, without the screen: its lines, what is being sent, what was noticed."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from essaim.protocol.errors import ProtocolError
from essaim_client.cli.chat.line import Line, line_of
from essaim_client.cli.chat.place import Place, called
from essaim_client.cli.chat.saving import files_in
from essaim_client.cli.chat.window import Window
from essaim_client.client import Client
from essaim_client.mailbox.swarm_call import SwarmUnreachableError
from essaim_client.messaging.events import (
    AccountMoved,
    Event,
    File,
    GroupChanged,
    InGroup,
    Message,
    NewDevice,
    SessionRenewed,
    TimerChanged,
    Typing,
)
from essaim_client.messaging.sender import Sent
from essaim_client.messaging.transcript import Shown

TYPING_SECONDS, TYPING_IN_GROUPS_SECONDS = 10.0, 40.0


@dataclass(frozen=True)
class Pending:
    """A text that is on its way to the swarm."""

    place: Place
    number: int
    text: str
    began_ms: int


class Talk:
    """`on_change` is called when `lines()` or `note` may have changed."""

    def __init__(self, me: Client, place: Place, on_change: Callable[[], None]) -> None:
        self._me = me
        self.window = Window(place)
        self._on_change = on_change
        self._pending: dict[int, Pending] = {}
        self._count = 0
        self._latency: dict[bytes, int] = {}
        """Of what was sent or arrived while this is open: milliseconds."""
        self._kept: set[bytes] = set()
        """Sealed, and the swarm could not be reached."""
        self._typing_until, self._writer = 0.0, ""
        self.note = ""

    def go(self, place: Place) -> None:
        """Be about another conversation from now on; what is being sent here goes on."""
        self.window, self.note = Window(place), ""
        self._typing_until = 0.0
        self._on_change()

    @property
    def place(self) -> Place:
        """What it is about now."""
        return self.window.place

    @property
    def writer(self) -> str:
        """Who is writing, as they say; empty: nobody."""
        return self._writer if time.monotonic() < self._typing_until else ""

    # What is shown

    def shown(self) -> list[Shown]:
        """The messages of the window, in order."""
        return self.window.shown()

    def lines(self) -> list[Line]:
        """Those, then, at the end of the conversation, what is being sent."""
        shown = self.shown()
        named = {each.message_id: each for each in shown}
        if self._kept and not self._me.waiting:
            self._kept.clear()
        who = self.place.who
        lines = [line_of(each, named.get(each.reply_to), self._notes(each), who(each.author)) for each in shown]
        sending = [
            Line(f"pending-{each.number}", b"", True, each.began_ms, each.text, notes=("sending",))
            for each in self._pending.values()
            if each.place is self.place and self.window.at_end
        ]
        return lines + sending

    def _notes(self, shown: Shown) -> tuple[str, ...]:
        milliseconds = self._latency.get(shown.message_id)
        took = () if milliseconds is None else (f"{milliseconds} ms",)
        if not shown.outgoing:
            return took
        return (*took, "kept, not sent yet" if shown.message_id in self._kept else "read" if shown.read else "sent")

    # What arrives

    async def heard(self, event: Event) -> None:
        """Something happened, in this conversation or elsewhere."""
        here = self.place.of(event)
        if here is None:
            self._elsewhere(event)
        elif isinstance(here, Message):
            await self._arrived(here)
        else:
            self._happened(here, TYPING_IN_GROUPS_SECONDS if isinstance(event, InGroup) else TYPING_SECONDS)
        self._on_change()

    def _elsewhere(self, event: Event) -> None:
        match event:
            case Message() if not event.outgoing and event.conversation:
                self.note = f"another message, from {called(self._me, event.conversation)}"
            case InGroup(group, Message() as message) if not message.outgoing:
                self.note = f"another message, in {self._me.groups.names.get(group, 'a group')}"

    def _happened(self, event: Event, typing_seconds: float) -> None:
        match event:
            case Typing():
                self._writer = called(self._me, event.conversation)
                self._typing_until = 0.0 if event.stopped else time.monotonic() + typing_seconds
            case NewDevice():
                self.note = f"NEW DEVICE {event.slot}: nothing is sent before you /acknowledge it, or ask them"
            case AccountMoved():
                self.note = f"they say: I am {event.after} now (`essaim contact follow`)"
            case SessionRenewed():
                self.note = "a device of theirs began anew"
            case TimerChanged():
                self.note = _timer(event)
            case GroupChanged():
                self.note = f"{called(self._me, event.author)}: {event.act} {called(self._me, event.subject)}"

    async def _arrived(self, message: Message) -> None:
        self._typing_until = 0.0
        if self._me.live.is_set() and not message.outgoing:  # what waited before tells nothing of how fast it goes
            self._latency[message.message_id] = max(0, message.received_ms - message.sent_ms)
        if message.request:
            self.note = "they ask to write to you: answer, and they are accepted; or /block"
        elif not message.outgoing:
            await self._quietly(self.place.mark_read(message.position))

    async def seen(self) -> None:
        """All that is here is read."""
        await self._quietly(self.place.mark_read())

    async def writing(self) -> None:
        """This person is writing; told only if that is switched on."""
        await self._quietly(self.place.typing())

    async def _quietly(self, work: Awaitable[None]) -> None:
        """A receipt that is not sent now is sent with the next one."""
        try:
            await work
        except ProtocolError:
            return

    def move(self, step: int) -> bool:
        """To messages of before (-1) or after (1); False: there are none."""
        moved = self.window.earlier() if step < 0 else self.window.later()
        self.note = "" if moved or step > 0 else "this is how it began"
        self._on_change()
        return moved

    # What is saved

    async def save(self, chosen: bytes, directory: Path) -> None:
        """The files of the chosen message, else of the last that has any; how far it is becomes the note."""
        try:
            saved = [await self._saved(file, directory) for file in files_in(self.shown(), chosen)]
            self.note = "saved " + ", ".join(str(path.absolute()) for path in saved)
        except ProtocolError as error:
            self.note = f"not saved: {error}"
        self._on_change()

    async def _saved(self, file: File, directory: Path) -> Path:
        def told(done: int, total: int) -> None:
            note = f"saving {file.name}: {done * 100 // max(total, 1)} %"
            if note != self.note:
                self.note = note
                self._on_change()

        return await self._me.save_file(file, directory, on_progress=told)

    # What is sent

    async def say(self, text: str, reply_to: bytes = b"") -> None:
        """A text, with its state on the screen."""
        await self._with_state(text, self.place.send(text, reply_to))

    async def send_file(self, path: Path) -> None:
        """A file likewise; a photo without its metadata."""
        await self._with_state(f"[{path.name}]", self.place.send_file(path))

    async def _with_state(self, text: str, sending: Awaitable[Sent]) -> None:
        self.window.to_end()
        self._count += 1
        number = self._count
        self._pending[number] = Pending(self.place, number, text, int(time.time() * 1000))
        self._on_change()
        try:
            await self.do(sending)
        finally:
            del self._pending[number]
            self._on_change()

    async def do(self, sending: Awaitable[Sent]) -> None:
        """Anything that is sent; a failure becomes the note."""
        before, began = self._own(), time.monotonic()
        try:
            sent = await sending
            self._latency[sent.message_id] = round((time.monotonic() - began) * 1000)
            self.note = ", ".join(change.name.lower().replace("_", " ") for change in sent.changes)
        except SwarmUnreachableError as error:
            self._kept |= self._own() - before
            self.note = f"kept, and sent when the network is back: {error}"
        except ProtocolError as error:
            self.note = f"not sent: {error}"
        self._on_change()

    def _own(self) -> set[bytes]:
        return {each.message_id for each in self.shown() if each.outgoing}

    def target(self, chosen: bytes, *, own: bool) -> bytes:
        """The message that was chosen, else the last one of that side; empty: there is none."""
        if chosen:
            return chosen
        return next((each.message_id for each in reversed(self.shown()) if each.outgoing == own), b"")


def _timer(event: TimerChanged) -> str:
    if event.disappearing is None:
        return "messages stay from now on"
    after = "they are read" if event.disappearing.once_read else "they are sent"
    return f"messages disappear {event.disappearing.after_ms // 1000} s after {after}"
