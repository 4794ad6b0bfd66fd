"""What is typed: a text, or a command that begins with a stroke."""

from dataclasses import dataclass
from pathlib import Path

from essaim.protocol.errors import ProtocolError
from essaim_client.cli.chat.place import place_of
from essaim_client.cli.chat.saving import directory_of
from essaim_client.cli.chat.talk import Talk
from essaim_client.cli.group_name import conversation
from essaim_client.client import Client

HELP = (
    "Up and Down choose a message, PageUp and PageDown scroll (/earlier, /later). /reply TEXT, /react EMOJI,"
    " /edit TEXT, /unsend, /save [DIRECTORY]: of the chosen one, else of the last; /file PATH; /accept, /block,"
    " /acknowledge; in a group /members. /groups: yours; /go NAME: to a group or somebody; /quit."
    " A text that begins with a stroke: write two."
)
MOVES = {"earlier": -1, "later": 1}


@dataclass(frozen=True)
class Typed:
    """`command` is empty for a text."""

    command: str
    text: str

    @classmethod
    def of(cls, line: str) -> "Typed":
        if not line.startswith("/"):
            return cls("", line)
        if line.startswith("//"):
            return cls("", line[1:])
        command, _, text = line[1:].partition(" ")
        return cls(command, text.strip()) if command else cls("", line)


def _path(text: str) -> Path:
    return Path(text).expanduser()


class Commands:
    """Does what was typed; False: the person wants to leave."""

    def __init__(self, me: Client, talk: Talk) -> None:
        self._me = me
        self._talk = talk

    async def do(self, line: str, chosen: bytes = b"") -> bool:
        """`chosen`: the message that the person has chosen, if any."""
        typed = Typed.of(line)
        if typed.command == "quit":
            return False
        if not typed.command:
            if typed.text.strip():
                await self._talk.say(typed.text)
        elif typed.command in ("reply", "react", "edit", "unsend"):
            await self._about(typed, chosen)
        elif typed.command == "file" and typed.text:
            await self._talk.send_file(_path(typed.text))
        elif typed.command == "save":
            await self._talk.save(chosen, directory_of(typed.text))
        elif typed.command in MOVES:
            self._talk.move(MOVES[typed.command])
        elif typed.command == "go":
            await self._go(typed.text)
        else:
            self._decide(typed.command)
        return True

    async def _about(self, typed: Typed, chosen: bytes) -> None:
        talk = self._talk
        target = talk.target(chosen, own=typed.command in ("edit", "unsend"))
        if not target or (not typed.text and typed.command in ("reply", "edit")):
            talk.note = "there is no such message" if not target else f"/{typed.command} what?"
            return
        match typed.command:
            case "reply":
                await talk.say(typed.text, target)
            case "react":
                await talk.do(talk.place.react(target, typed.text))
            case "edit":
                await talk.do(talk.place.edit(target, typed.text))
            case "unsend":
                await talk.do(talk.place.unsend(target))

    async def _go(self, name: str) -> None:
        """To another conversation, as its name or address says."""
        try:
            self._talk.go(place_of(self._me, conversation(self._me.groups.names, name)))
        except ProtocolError as error:
            self._talk.note = str(error)
            return
        await self._talk.seen()

    def _decide(self, command: str) -> None:
        talk = self._talk
        match command:
            case "help":
                talk.note = HELP
            case "groups":
                named = [f"{each.name} ({each.role}, {len(each.members)})" for each in self._me.groups.all()]
                talk.note = ", ".join(named) or "you are in no group"
            case _:
                talk.note = talk.place.decide(command) or f"there is no /{command} here; see /help"
