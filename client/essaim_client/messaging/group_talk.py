"""What a person says in closed groups, and sees of what was said."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Unpack

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import VerifyKey
from essaim_client.attachments.attachments import Attachments
from essaim_client.attachments.way import Enclosed, Way
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.conversations import LONGEST_MS, SHORTEST_MS, Conversations
from essaim_client.messaging.events import Disappearing, File
from essaim_client.messaging.fan_out import MESSAGE_LIFE_MS
from essaim_client.messaging.group_book import ClosedGroup, GroupBook
from essaim_client.messaging.group_posting import GroupPosting
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.sender import (
    EMOJI_MAX,
    Sent,
    TextRefusedError,
    TimerRefusedError,
    UnknownMessageError,
    check_text,
    disappearing_message,
    file_message,
)
from essaim_client.messaging.transcript import Shown

TYPING_EVERY_MS = 30_000
"""Everybody in the group is told with one envelope: seldom enough."""


class NotInGroupError(ProtocolError):
    """Invited and not joined yet, or no member any more."""

    reason = "NOT_IN_GROUP"


@dataclass(frozen=True)
class Words:
    """What of a person's conversations is needed to speak."""

    conversations: Conversations
    agreement: Agreement
    attachments: Attachments


class GroupTalk:
    """The half of `Groups` that is about messages."""

    def __init__(self, swarms: Swarms, profile: Profile, book: GroupBook, posting: GroupPosting, words: Words) -> None:
        self._swarms = swarms
        self._profile = profile
        self._book = book
        self._posting = posting
        self._words = words
        self._conversations = words.conversations
        self._typed_ms: dict[bytes, int] = {}

    def _known(self, group_id: bytes) -> ClosedGroup:
        group = self._book.get(group_id)
        if self._book.role(group) is None:
            raise NotInGroupError("you are not in this group any more")
        return group

    def _joined(self, group_id: bytes) -> ClosedGroup:
        group = self._known(group_id)
        if not self._book.is_in(group):
            raise NotInGroupError("accept the invitation first")
        return group

    # What is said

    async def send(self, group_id: bytes, text: str, *, reply_to: bytes = b"") -> Sent:
        """Returns when a quorum has it. Raises NotInGroupError, TextRefusedError, UnknownMessageError."""
        return await self._send(group_id, text, reply_to)

    async def send_file(self, group_id: bytes, path: str | Path, **enclosed: Unpack[Enclosed]) -> Sent:
        """As `Client.send_file`, once for everybody in the group. Raises what that does, and NotInGroupError."""
        return await self._words.attachments.send(self._way(group_id), Path(path), **enclosed)

    def _way(self, group_id: bytes) -> Way:
        async def check() -> None:
            self._joined(group_id)

        return Way(group_id, check, partial(self._send, group_id), partial(self._unsend, group_id))

    async def _send(
        self,
        group_id: bytes,
        text: str,
        reply_to: bytes,
        files: Sequence[File] = (),
        sealed: Callable[[], None] | None = None,
    ) -> Sent:
        check_text(text)
        if reply_to:
            self._text(group_id, reply_to)
        timer = self._conversations.timer(group_id)
        life_ms = min(MESSAGE_LIFE_MS, timer.after_ms) if timer and not timer.once_read else MESSAGE_LIFE_MS
        said = content_pb2.Text(text=text, reply_to=reply_to, files=map(file_message, files))
        return await self._say(group_id, life_ms, sealed, text=said, disappearing=disappearing_message(timer))

    async def react(self, group_id: bytes, target: bytes, emoji: str) -> Sent:
        """An emoji to a text; an empty one takes it back."""
        check_text(emoji)
        if len(emoji.encode()) > EMOJI_MAX:
            raise TextRefusedError(f"a reaction has at most {EMOJI_MAX} bytes")
        self._text(group_id, target)
        return await self._say(group_id, reaction=content_pb2.Reaction(target=target, emoji=emoji))

    async def edit(self, group_id: bytes, target: bytes, text: str) -> Sent:
        """Another wording of an own text."""
        check_text(text)
        self._text(group_id, target, own=True)
        return await self._say(group_id, edit=content_pb2.Edit(target=target, text=text))

    async def unsend(self, group_id: bytes, target: bytes) -> Sent:
        """Take an own text back, everywhere, and delete its files where they are kept."""
        return await self._words.attachments.unsend(self._way(group_id), target)

    async def _unsend(self, group_id: bytes, target: bytes, sealed: Callable[[], None]) -> Sent:
        self._text(group_id, target, own=True)
        return await self._say(group_id, sealed=sealed, unsend=content_pb2.Unsend(target=target))

    async def set_timer(self, group_id: bytes, timer: Disappearing | None) -> Sent:
        """From now on texts of all disappear; None: they stay (TimerRefusedError)."""
        if timer is not None and not SHORTEST_MS <= timer.after_ms <= LONGEST_MS:
            raise TimerRefusedError("texts disappear after 5 seconds to 4 weeks")
        return await self._say(group_id, timer=content_pb2.Timer(disappearing=disappearing_message(timer)))

    async def typing(self, group_id: bytes) -> None:
        """That this person is writing: nothing unless `settings.typing` is on, and seldom."""
        group, now_ms = self._joined(group_id), self._swarms.clock.now_ms()
        due = now_ms - self._typed_ms.get(group_id, 0) >= TYPING_EVERY_MS
        if self._words.agreement.settings.typing and due:
            self._typed_ms[group_id] = now_ms
            with suppress(ProtocolError):
                await self._posting.whisper(group, self._conversations.signal(typing=content_pb2.Typing()))

    async def _say(
        self,
        group_id: bytes,
        life_ms: int = MESSAGE_LIFE_MS,
        sealed: Callable[[], None] | None = None,
        **body: object,
    ) -> Sent:
        group = self._joined(group_id)

        def make() -> content_pb2.Content:
            if sealed is not None:
                sealed()
            return self._conversations.say(group_id, **body)

        content = await self._posting.say(group, make, life_ms)
        return Sent(content.message_id, content.sent_ms, len(group.roster.joined) - 1)

    def _text(self, group_id: bytes, message_id: bytes, *, own: bool = False) -> None:
        found = self._profile.store.history.find(group_id, message_id)
        good = [entry for entry in found if entry.kind == "text" and entry.content]
        if not any(not own or entry.author == self._profile.own for entry in good):
            raise UnknownMessageError("no such text of yours here" if own else "no such text here")

    # What was said

    def history(self, group_id: bytes, *, newest: int | None = None, before: bytes = b"") -> list[Shown]:
        """What was said, in causal order; also of a group that one has left; `newest`, `before` as `Client.history`.

        Of what somebody says whom this person has blocked there is a place and nothing else (`Shown.blocked`).
        """
        self._book.get(group_id)
        return [self._covered(shown) for shown in self._conversations.shown(group_id, newest, before)]

    def _covered(self, shown: Shown) -> Shown:
        reactions = tuple(each for each in shown.reactions if not self._is_blocked(each[0]))
        if self._is_blocked(shown.author):
            return replace(shown, text="", files=(), reactions=(), reply_to=b"", edited=False, blocked=True)
        return shown if len(reactions) == len(shown.reactions) else replace(shown, reactions=reactions)

    def _is_blocked(self, account: bytes) -> bool:
        return self._words.agreement.is_blocked(AccountId(VerifyKey(account)))

    def mark_read(self, group_id: bytes, position: int | None = None) -> None:
        """Texts up to a position, by default all, are read: timers begin, and the own other devices know."""
        last = self._profile.store.history.next_position(group_id) - 1
        if self._words.agreement.mark_read(group_id, last if position is None else min(position, last)):
            with self._profile.store.transaction():
                self._conversations.start_timers(group_id)
