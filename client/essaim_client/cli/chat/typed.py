"""What is typed: a text, or a command that begins with a stroke."""

from dataclasses import dataclass

from essaim_client.cli.chat.talk import Talk
from essaim_client.client import Client

HELP = (
    "Up and Down choose a message. /reply TEXT, /react EMOJI, /edit TEXT, /unsend: of the chosen one, else of the last;"
    " /accept, /block, /acknowledge; /quit. A text that begins with a stroke: write two."
)


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
        else:
            self._decide(typed.command)
        return True

    async def _about(self, typed: Typed, chosen: bytes) -> None:
        talk, me = self._talk, self._me
        target = talk.target(chosen, own=typed.command in ("edit", "unsend"))
        if not target or (not typed.text and typed.command in ("reply", "edit")):
            talk.note = "there is no such message" if not target else f"/{typed.command} what?"
            return
        match typed.command:
            case "reply":
                await talk.say(typed.text, target)
            case "react":
                await talk.do(me.react(talk.account, target, typed.text))
            case "edit":
                await talk.do(me.edit(talk.account, target, typed.text))
            case "unsend":
                await talk.do(me.unsend(talk.account, target))

    def _decide(self, command: str) -> None:
        talk, contacts = self._talk, self._me.contacts
        match command:
            case "accept":
                contacts.accept(talk.account)
                talk.note = "accepted"
            case "block":
                contacts.block(talk.account)
                talk.note = "blocked: what they send is dropped, and they are not told"
            case "acknowledge":
                talk.note = f"acknowledged {len(contacts.acknowledge(talk.account))} device(s)"
            case "help":
                talk.note = HELP
            case _:
                talk.note = f"there is no /{command}; see /help"
