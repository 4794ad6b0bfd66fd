"""The chat view: Textual draws what `Talk` has, and hands on what is typed."""

import asyncio
import time
from contextlib import aclosing, suppress
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input, Static
from textual.worker import WorkerFailed, get_current_worker

from essaim.protocol.errors import ProtocolError
from essaim_client.cli.chat.line import Line
from essaim_client.cli.chat.place import Place
from essaim_client.cli.chat.talk import Talk
from essaim_client.cli.chat.typed import Commands
from essaim_client.cli.output import NO_ANONYMITY, visible
from essaim_client.client import Client

TICK_SECONDS = 1.0
TELL_TYPING_SECONDS = 5.0
SENDING = "sending"
LEAVE_SECONDS = 10.0
"""How long leaving waits for what is being sent; what was sealed by then is sent at the next start."""


class ChatScreen(App[None]):
    """`await ChatScreen(me, place).run_async()`; `failure` says why it ended, if the person did not end it."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title { height: 1; background: $primary; color: $text; }
    #lines { height: 1fr; }
    #note { height: auto; max-height: 6; color: $warning; }
    .line { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "choose(-1)", "choose", priority=True),
        Binding("down", "choose(1)", "choose", priority=True),
        Binding("pageup", "page(-1)", "scroll back", priority=True),
        Binding("pagedown", "page(1)", "scroll on", priority=True),
        Binding("escape", "choose(0)", "choose none", priority=True),
        Binding("ctrl+c,ctrl+q", "quit", "quit", priority=True),
    ]

    def __init__(self, me: Client, place: Place) -> None:
        super().__init__()
        self._me = me
        self.talk = Talk(me, place, self._changed)
        self._do = Commands(me, self.talk)
        self._drawn: list[tuple[Line, bool]] = []
        self._chosen = ""
        self._kept_in_sight = ""
        """The message that was at the edge when others were asked for."""
        self._told_typing = 0.0
        self.failure: ProtocolError | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield VerticalScroll(id="lines", can_focus=False)
        yield Static(id="note")
        yield Input(placeholder="write, or /help", id="typed")

    def on_mount(self) -> None:
        """What is here first, then the network's."""
        self.query_one(Input).focus()
        if not self._me.diverse:
            self.talk.note = NO_ANONYMITY
        self._draw()
        self.run_worker(self._listen())
        self.run_worker(self.talk.seen())
        self.set_interval(TICK_SECONDS, self._draw)

    async def _listen(self) -> None:
        try:
            async with aclosing(self._me.events()) as events:
                async for event in events:
                    await self.talk.heard(event)
        except ProtocolError as error:
            self.failure = error
            self.exit()

    # Drawing

    def _changed(self) -> None:
        self.call_later(self._draw)

    def _draw(self) -> None:
        """Only what differs from what is there."""
        state = "live" if self._me.live.is_set() else "connecting"
        state += "" if self.talk.window.at_end else ", earlier messages"
        place = self.talk.place
        self.query_one("#title", Static).update(Text(f" {visible(place.name)}  {place.address}  {state}"))
        writer = self.talk.writer
        note = f"{writer} is writing" if writer else self.talk.note
        self.query_one("#note", Static).update(Text(visible(note)))
        lines = [(line, line.key == self._chosen) for line in self.talk.lines()]
        if lines != self._drawn:
            self._put(lines)
            self._drawn = lines

    def _put(self, lines: list[tuple[Line, bool]]) -> None:
        place, name = self.query_one("#lines", VerticalScroll), self.talk.place.name
        follows = place.is_vertical_scroll_end or not self._drawn
        same = next((at for at, (one, other) in enumerate(zip(lines, self._drawn, strict=False)) if one != other), None)
        kept = min(len(lines), len(self._drawn)) if same is None else same
        widgets = list(place.query(".line"))
        for at, (line, chosen) in enumerate(lines[kept:], kept):
            drawn = line.drawn(name, chosen=chosen)
            if at < len(widgets):
                widgets[at].update(drawn)  # type: ignore[attr-defined]  # all of them are Static
            else:
                place.mount(Static(drawn, classes="line"))
        for widget in widgets[len(lines) :]:
            widget.remove()
        wanted = self._kept_in_sight or self._chosen
        place_of_it = next((at for at, (line, _) in enumerate(lines) if line.key == wanted), None)
        if place_of_it is not None:
            self.call_after_refresh(self._show, place_of_it)
        elif follows:
            place.scroll_end(animate=False)

    def _show(self, at: int) -> None:
        place, self._kept_in_sight = self.query_one("#lines", VerticalScroll), ""
        widgets = place.query(".line")
        if at < len(widgets):
            place.scroll_to_widget(widgets[at], animate=False)

    def action_choose(self, step: int) -> None:
        """The message before or after the chosen one, also beyond what is on the screen; 0: none."""
        keys = self._keys()
        at = keys.index(self._chosen) + step if self._chosen in keys else len(keys) + step
        if step and not 0 <= at < len(keys) and self._chosen and self.talk.move(step):
            self._draw()
            keys = self._keys()
            at = keys.index(self._chosen) + step if self._chosen in keys else at
        self._chosen = keys[max(at, 0)] if step and keys and at < len(keys) else ""
        self._draw()

    def _keys(self) -> list[str]:
        """Of the messages on the screen."""
        return [line.key for line, _ in self._drawn if line.message_id]

    def action_page(self, step: int) -> None:
        """A page of what is on the screen; at its edge, other messages."""
        place, keys = self.query_one("#lines", VerticalScroll), self._keys()
        if step < 0 and place.scroll_y > 0:
            place.scroll_page_up(animate=False)
        elif step > 0 and not place.is_vertical_scroll_end:
            place.scroll_page_down(animate=False)
        elif keys:
            self._kept_in_sight = keys[0 if step < 0 else -1]
            if not self.talk.move(step):
                self._kept_in_sight = ""

    # Typing

    def on_input_changed(self, event: Input.Changed) -> None:
        """Told at most every five seconds."""
        now = time.monotonic()
        if event.value and not event.value.startswith("/") and now - self._told_typing > TELL_TYPING_SECONDS:
            self._told_typing = now
            self.run_worker(self.talk.writing())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Sent in the background: the next line may be typed meanwhile."""
        typed, chosen = event.value, self._chosen_id()
        event.input.clear()
        self._chosen, self.talk.note = "", ""
        self.run_worker(self._submit(typed, chosen), group=SENDING)

    def _chosen_id(self) -> bytes:
        return next((line.message_id for line, chosen in self._drawn if chosen), b"")

    async def _submit(self, typed: str, chosen: bytes) -> None:
        if await self._do.do(typed, chosen):
            self._changed()
            return
        others = [each for each in self.workers if each.group == SENDING and each is not get_current_worker()]
        if others:  # with none it would wait for all that ever runs
            with suppress(TimeoutError, WorkerFailed):
                await asyncio.wait_for(self.workers.wait_for_complete(others), LEAVE_SECONDS)
        self.exit()
