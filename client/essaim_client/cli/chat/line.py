"""What one message looks like."""

from dataclasses import dataclass

from rich.text import Text

from essaim_client.cli.file import described
from essaim_client.cli.output import local_time, visible
from essaim_client.messaging.transcript import Shown

QUOTE_MAX = 40
BLOCKED = "(said by somebody you have blocked)"


@dataclass(frozen=True)
class Line:
    """A message as it is drawn. `key` names it; `message_id` is empty while it is being sent."""

    key: str
    message_id: bytes
    own: bool
    time_ms: int
    text: str
    quote: str = ""
    notes: tuple[str, ...] = ()
    reactions: tuple[str, ...] = ()
    who: str = ""
    """The author, where not everybody else is the same."""

    def drawn(self, name: str, *, chosen: bool) -> Text:
        """For a terminal: nothing foreign in it can repaint the screen."""
        text = Text("> " if chosen else "  ", style="reverse" if chosen else "")
        text.append(f"{local_time(self.time_ms)[-8:]}  ", style="dim")
        text.append("you" if self.own else visible(self.who or name), style="bold green" if self.own else "bold cyan")
        if self.quote:
            text.append(f"  re: {self.quote}", style="dim italic")
        text.append("\n    " + visible(self.text).replace("\n", "\n    "))
        if self.reactions:
            text.append("  " + " ".join(map(visible, self.reactions)), style="yellow")
        if self.notes:
            text.append("  " + ", ".join(self.notes), style="dim")
        return text


def line_of(shown: Shown, quoted: Shown | None, notes: tuple[str, ...], who: str = "") -> Line:
    """A message of the conversation; `quoted`: the one that it answers, if that is here."""
    files = [f"[{described(file)}]" for file in shown.files]
    marks = [mark for mark, on in {"edited": shown.edited, "disappears": shown.expires_ms > 0}.items() if on]
    return Line(
        shown.author.hex() + shown.message_id.hex(),
        shown.message_id,
        shown.outgoing,
        min(shown.sent_ms, shown.shown_ms),
        BLOCKED if shown.blocked else " ".join([*([shown.text] if shown.text else []), *files]),
        _quote(quoted) if quoted else "a message that is not here" if shown.reply_to else "",
        (*marks, *notes),
        tuple(emoji for _, emoji in shown.reactions),
        who,
    )


def _quote(shown: Shown) -> str:
    words = BLOCKED if shown.blocked else " ".join(visible(shown.text).split()) or "a file"
    return words if len(words) <= QUOTE_MAX else words[: QUOTE_MAX - 1] + "…"
