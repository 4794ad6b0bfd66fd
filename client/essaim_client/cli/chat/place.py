"""What a chat is about: the conversation with somebody, or a closed group; the same questions to both."""

from pathlib import Path
from typing import Protocol

from essaim.protocol.account import AccountId
from essaim.protocol.keys import VerifyKey
from essaim_client.client import Client
from essaim_client.messaging.events import Event, GroupChanged, InGroup
from essaim_client.messaging.sender import Sent
from essaim_client.messaging.transcript import Shown


class Place(Protocol):
    """`address` names it for ever; `name` is what this person calls it."""

    address: str

    @property
    def name(self) -> str: ...
    def who(self, author: bytes) -> str:
        """What this person calls an author."""

    def of(self, event: Event) -> Event | None:
        """What of an event happened here; None: nothing."""

    def history(self, newest: int, before: bytes = b"") -> list[Shown]:
        """The last texts, in order; those before a message, if one is given."""

    async def send(self, text: str, reply_to: bytes) -> Sent: ...
    async def send_file(self, path: Path) -> Sent: ...
    async def react(self, target: bytes, emoji: str) -> Sent: ...
    async def edit(self, target: bytes, text: str) -> Sent: ...
    async def unsend(self, target: bytes) -> Sent: ...
    async def typing(self) -> None: ...
    async def mark_read(self, position: int | None = None) -> None:
        """Up to there, by default all."""

    def decide(self, command: str) -> str | None:
        """A command about who is here: what came of it, or None where there is no such command."""


class Direct:
    """The conversation with somebody."""

    def __init__(self, me: Client, account: AccountId) -> None:
        self._me = me
        self.account = account
        self.address = str(account)

    @property
    def name(self) -> str:
        return called(self._me, self.account)

    def who(self, author: bytes) -> str:
        return self.name

    def of(self, event: Event) -> Event | None:
        for name in ("conversation", "account", "before"):
            whose = getattr(event, name, None)
            if isinstance(whose, AccountId):
                return event if whose == self.account else None
        return None

    def history(self, newest: int, before: bytes = b"") -> list[Shown]:
        return self._me.history(self.account, newest=newest, before=before)

    async def send(self, text: str, reply_to: bytes) -> Sent:
        return await self._me.send(self.account, text, reply_to=reply_to)

    async def send_file(self, path: Path) -> Sent:
        return await self._me.send_file(self.account, path)

    async def react(self, target: bytes, emoji: str) -> Sent:
        return await self._me.react(self.account, target, emoji)

    async def edit(self, target: bytes, text: str) -> Sent:
        return await self._me.edit(self.account, target, text)

    async def unsend(self, target: bytes) -> Sent:
        return await self._me.unsend(self.account, target)

    async def typing(self) -> None:
        await self._me.typing(self.account)

    async def mark_read(self, position: int | None = None) -> None:
        if position is not None or self._me.contacts.get(self.account).accepted:
            await self._me.mark_read(self.account, position)

    def decide(self, command: str) -> str | None:
        contacts = self._me.contacts
        match command:
            case "accept":
                contacts.accept(self.account)
                return "accepted"
            case "block":
                contacts.block(self.account)
                return "blocked: what they send is dropped, and they are not told"
            case "acknowledge":
                return f"acknowledged {len(contacts.acknowledge(self.account))} device(s)"
        return None


class InClosedGroup:
    """A closed group."""

    def __init__(self, me: Client, group_id: bytes) -> None:
        self._me = me
        self.group_id = group_id
        self.address = group_id.hex()

    @property
    def name(self) -> str:
        return self._me.groups.names.get(self.group_id, "")

    def who(self, author: bytes) -> str:
        return called(self._me, AccountId(VerifyKey(author)))

    def of(self, event: Event) -> Event | None:
        if isinstance(event, InGroup):
            return event.event if event.group_id == self.group_id else None
        return event if isinstance(event, GroupChanged) and event.group_id == self.group_id else None

    def history(self, newest: int, before: bytes = b"") -> list[Shown]:
        return self._me.groups.history(self.group_id, newest=newest, before=before)

    async def send(self, text: str, reply_to: bytes) -> Sent:
        return await self._me.groups.send(self.group_id, text, reply_to=reply_to)

    async def send_file(self, path: Path) -> Sent:
        return await self._me.groups.send_file(self.group_id, path)

    async def react(self, target: bytes, emoji: str) -> Sent:
        return await self._me.groups.react(self.group_id, target, emoji)

    async def edit(self, target: bytes, text: str) -> Sent:
        return await self._me.groups.edit(self.group_id, target, text)

    async def unsend(self, target: bytes) -> Sent:
        return await self._me.groups.unsend(self.group_id, target)

    async def typing(self) -> None:
        await self._me.groups.typing(self.group_id)

    async def mark_read(self, position: int | None = None) -> None:
        self._me.groups.mark_read(self.group_id, position)

    def decide(self, command: str) -> str | None:
        if command != "members":
            return None
        members = self._me.groups.get(self.group_id).members
        return ", ".join(f"{called(self._me, each.account)} ({each.role})" for each in members)


def place_of(me: Client, conversation: AccountId | bytes) -> Place:
    """Of an account, or of a group's id."""
    return InClosedGroup(me, conversation) if isinstance(conversation, bytes) else Direct(me, conversation)


def called(me: Client, account: AccountId) -> str:
    """The name that this person gave, else the beginning of the account ID."""
    return "you" if account == me.account_id else me.contacts.get(account).name or str(account)[:12]
