"""What a client says and hears: texts and files to somebody, what is done with them, what arrives."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path as FilePath
from typing import TypeGuard, Unpack

from essaim.protocol.account import AccountId
from essaim_client.attachments.upload import OnProgress
from essaim_client.attachments.way import Enclosed
from essaim_client.messaging.contacts import account_of
from essaim_client.messaging.events import Disappearing, Event, File, Message
from essaim_client.messaging.listening import Listening
from essaim_client.messaging.sender import Sent
from essaim_client.messaging.transcript import Shown
from essaim_client.opening import Opening


class Talking(Opening):
    """The part of `Client` that speaks with people, one at a time; groups are `Client.groups`."""

    _messages: Listening[Message] | None = None

    async def send(self, account: AccountId | str, text: str, *, reply_to: bytes = b"") -> Sent:
        """Returns when a quorum has the message on disk, for each device of the recipient.

        Raises AccountIdRefusedError, UnknownAccountError, OwnAccountError, ContentTooLargeError, and
        SwarmUnreachableError: then it is kept on this device and stored when the swarm can be reached.
        """
        return await self._person.sender.send_text(account_of(account), text, reply_to)

    async def send_file(self, account: AccountId | str, path: str | FilePath, **enclosed: Unpack[Enclosed]) -> Sent:
        """A file of at most 100 MB; called again after a kill it goes on where it was. Progress is an event, too.

        With `text`, `reply_to`, `on_progress`. A picture is turned upright and written anew without metadata, with a
        thumbnail; `as_is=True` leaves it alone. `voice=True`: a recording (Ogg Opus, M4A, WAV) as a voice message.
        Raises, beside what `send` does, FileUnreadableError, FileTooLargeError, FileChangedError, PhotoRefusedError,
        VoiceRefusedError.
        """
        attachments = self._person.attachments
        return await attachments.send(attachments.to(account_of(account)), FilePath(path), **enclosed)

    async def save_file(
        self, file: File, directory: str | FilePath, *, on_progress: OnProgress | None = None
    ) -> FilePath:
        """Fetch a file of a message into a directory; its path there, never over another file.

        Called again after a kill it goes on where it was. Raises FileGoneError, AttachmentRefusedError,
        FileTooLargeError, NoRoomForNameError, SwarmUnreachableError.
        """
        return await self._person.attachments.save(file, FilePath(directory), on_progress)

    async def receive(self) -> list[Message]:
        """All messages that wait, each once, kept on this device and confirmed. Raises SwarmUnreachableError."""
        return [event for event in await self.receive_events() if _is_incoming(event)]

    async def receive_events(self) -> list[Event]:
        """Everything that happened since the last time, messages among it. Raises SwarmUnreachableError."""
        return await self._person.receive()

    def listen(self) -> Listening[Message]:
        """What waits, then what arrives, for `async for`, until `aclose` or the client's end.

        `asyncio.wait_for(anext(me.listen()), seconds)` is safe: a message that comes later is the next one.
        """
        if self._messages is None or self._messages.closed:
            self._messages = Listening(_messages(self._person.listen()))
        return self._messages

    def events(self) -> Listening[Event]:
        """Likewise everything that happens (`essaim_client.messaging.events`); not beside `listen`, each takes all."""
        return self._person.listen()

    @property
    def live(self) -> asyncio.Event:
        """Set while `listen` is connected and has given out what was there before."""
        return self._person.receiver.live

    def history(
        self, account: AccountId | str | None = None, *, newest: int | None = None, before: bytes = b""
    ) -> list[Shown]:
        """A conversation as it stands, in causal order; without an account all texts, in the order of their coming.

        `newest`: of one conversation the last so many texts, in the same order; the last ones before the message
        `before`, if that is given and known.
        """
        return self._person.history(None if account is None else account_of(account), newest, before)

    # What can be done with a message: `message_id` names it. All raise what `send` does, and UnknownMessageError.

    async def react(self, account: AccountId | str, message_id: bytes, emoji: str) -> Sent:
        """An emoji to a text of either side; an empty one takes it back."""
        return await self._person.sender.react(account_of(account), message_id, emoji)

    async def edit(self, account: AccountId | str, message_id: bytes, text: str) -> Sent:
        """Another wording of an own text."""
        return await self._person.sender.edit(account_of(account), message_id, text)

    async def unsend(self, account: AccountId | str, message_id: bytes) -> Sent:
        """Take an own text back, on all devices of both sides, and delete its files where they are kept."""
        attachments = self._person.attachments
        return await attachments.unsend(attachments.to(account_of(account)), message_id)

    def delete(self, account: AccountId | str, message_id: bytes) -> int:
        """Forget a text on all own devices, for ever; how many it were."""
        return self._person.delete(account_of(account), message_id)

    async def set_timer(self, account: AccountId | str, timer: Disappearing | None) -> Sent:
        """From now on texts of both sides disappear; None: they stay (TimerRefusedError)."""
        return await self._person.sender.set_timer(account_of(account), timer)

    def timer(self, account: AccountId | str) -> Disappearing | None:
        """When texts of this conversation disappear."""
        return self._person.conversations.timer(account_of(account).raw)

    async def mark_read(self, account: AccountId | str, position: int | None = None) -> None:
        """Texts up to a position, by default all, are read: timers begin, and who is to know it is told."""
        other = account_of(account)
        last = self._profile.store.history.next_position(other.raw) - 1
        await self._person.mark_read(other, last if position is None else min(position, last))

    async def typing(self, account: AccountId | str, *, stopped: bool = False) -> None:
        """That this person is writing; nothing unless `settings.typing` is on."""
        await self._person.sender.typing(account_of(account), stopped)


def _is_incoming(event: Event) -> TypeGuard[Message]:
    return isinstance(event, Message) and not event.outgoing


async def _messages(events: Listening[Event]) -> AsyncGenerator[Message, None]:
    async with aclosing(events):
        async for event in events:
            if _is_incoming(event):
                yield event
