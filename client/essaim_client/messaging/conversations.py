"""Conversations of this device: what is said enters them here, whoever said it, and changes what was said before.

All of it synchronous and inside the caller's transaction.
"""

from collections.abc import Callable, Iterable

from essaim.messaging.v1 import content_pb2
from essaim.protocol import authorship
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Change
from essaim.protocol.device import Random
from essaim.protocol.keys import VerifyKey
from essaim.protocol.moving import Move, MoveRefusedError
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.events import (
    AccountMoved,
    Disappeared,
    Disappearing,
    Edited,
    Event,
    InGroup,
    Message,
    Reacted,
    TimerChanged,
    Unsent,
)
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.transcript import Shown, disappearing_of, file_of, transcript
from essaim_client.store.history import HEADS_MAX, Entry

ENTRY_KINDS = frozenset({"text", "reaction", "edit", "unsend", "timer", "moved"})
MESSAGE_ID_SIZE = 16
LATEST_MS = (1 << 62) - 1
"""What a store can hold: a sender may claim any time, and must not so be able to stop who receives it."""
LATEST_POSITION = 1 << 48
SHORTEST_MS, LONGEST_MS = 5_000, 28 * 24 * 3_600_000
GRACE_MS = 2_000
"""What is missing may be on its way: so long nobody is asked for it."""


class Conversations:
    """`now_ms` and `random` as everywhere."""

    def __init__(self, profile: Profile, agreement: Agreement, now_ms: Callable[[], int], random: Random) -> None:
        self._profile = profile
        self._history = profile.store.history
        self._agreement = agreement
        self._now_ms = now_ms
        self._random = random

    # What this person says

    def signal(self, **body: object) -> content_pb2.Content:
        """A content that is no part of a conversation."""
        return content_pb2.Content(
            message_id=self._random(MESSAGE_ID_SIZE),
            sent_ms=self._now_ms(),
            **body,  # type: ignore[arg-type]  # the fields of a Content
        )

    def say(self, conversation: bytes, **body: object) -> content_pb2.Content:
        """A new entry of this person's; it is part of the conversation from now on."""
        content = self.signal(**body)
        content.position = self._history.next_position(conversation)
        content.after.extend(self._history.heads(conversation))
        content.mark = authorship.mark(self._profile.authorship_key, conversation, content.SerializeToString())
        self.take(conversation, self._profile.own, self._profile.device.slot, content)
        return content

    def copy(self, conversation: bytes, content: content_pb2.Content) -> content_pb2.Content:
        """What the own other devices get of an entry."""
        entry = content_pb2.Entry(
            author=self._profile.own, content=content.SerializeToString(), slot=self._profile.device.slot
        )
        return self.signal(sync=content_pb2.Sync(conversation=conversation, entry=entry))

    def is_own(self, conversation: bytes, content: bytes) -> bool:
        """Whether an own device said this, though somebody else brings it."""
        front = len(content) - authorship.MARK_SIZE
        unmarked = content[: front - len(MARK_FRONT)]
        if content[len(unmarked) : front] != MARK_FRONT:
            return False
        return authorship.is_own(self._profile.authorship_key, conversation, unmarked, content[front:])

    # What arrives

    def take(
        self,
        conversation: bytes,
        author: bytes,
        slot: int,
        content: content_pb2.Content,
        changes: tuple[Change, ...] = (),
    ) -> list[Event]:
        """An entry, by whichever way it came: what it changes for the person. Nothing, when it is there already."""
        kind = content.WhichOneof("body")
        if kind not in ENTRY_KINDS or len(content.message_id) != MESSAGE_ID_SIZE:
            return []
        entry = self._entry(conversation, author, slot, kind, content)
        if not self._history.add(entry, named(content.after), self._now_ms() + GRACE_MS) or not entry.content:
            return []
        return self._told(entry.conversation, self._effects(entry, content, changes))

    def _told(self, conversation: bytes, events: list[Event]) -> list[Event]:
        """What happens in a group is told as of the group."""
        if not self._is_group(conversation):
            return events
        return [_in_group(conversation, each) for each in events if not self._is_blocked(each)]

    def _is_blocked(self, event: Event) -> bool:
        """Of somebody in a group; that the timer is another one is true all the same."""
        author = getattr(event, "sender", None) or getattr(event, "author", None)
        return author is not None and self._agreement.is_blocked(author) and not isinstance(event, TimerChanged)

    def _is_group(self, conversation: bytes) -> bool:
        return self._profile.is_group(conversation)

    def _with(self, entry: Entry) -> AccountId:
        """The other side; in a group, who says it."""
        group = self._is_group(entry.conversation)
        return AccountId(VerifyKey(entry.author if group else entry.conversation))

    def _is_accepted(self, entry: Entry) -> bool:
        return self._is_group(entry.conversation) or self._agreement.is_contact(self._with(entry))

    def _entry(self, conversation: bytes, author: bytes, slot: int, kind: str, content: content_pb2.Content) -> Entry:
        now_ms, sent_ms = self._now_ms(), min(content.sent_ms, LATEST_MS)
        expires_ms, once_read_ms = _life(content, min(sent_ms, now_ms), own=author == self._profile.own)
        gone = self._agreement.deleted(conversation, author, content.message_id) or 0 < expires_ms <= now_ms
        return Entry(
            conversation,
            author,
            content.message_id,
            slot,
            kind,
            min(content.position, LATEST_POSITION),
            sent_ms,
            now_ms,
            0 if gone else expires_ms,
            0 if gone else once_read_ms,
            _target(kind, content),
            b"" if gone else content.SerializeToString(),
        )

    def _effects(self, entry: Entry, content: content_pb2.Content, changes: tuple[Change, ...]) -> list[Event]:
        conversation, author = self._with(entry), AccountId(VerifyKey(entry.author))
        match entry.kind:
            case "text":
                return self._text(entry, content, changes)
            case "reaction":
                return [Reacted(conversation, author, entry.target, content.reaction.emoji)]
            case "edit":
                return [Edited(conversation, author, entry.target, content.edit.text)]
            case "unsend":
                gone = self._forget(entry.conversation, entry.author, entry.target)
                if gone and self._is_accepted(entry):  # no backup brings it back
                    own = entry.author == self._profile.own
                    self._agreement.delete(entry.conversation, entry.author, entry.target, unsent=own)
                return [Unsent(conversation, author, entry.target)] if gone else []
            case "timer":
                return [TimerChanged(conversation, author, disappearing_of(content.timer))]
        return _moved(content.moved.statement, author)

    def _text(self, entry: Entry, content: content_pb2.Content, changes: tuple[Change, ...]) -> list[Event]:
        about = self._history.about(entry.conversation, entry.message_id)
        if any(each.kind == "unsend" and each.author == entry.author for each in about):
            self._forget(entry.conversation, entry.author, entry.message_id)
            return []
        conversation, author = self._with(entry), AccountId(VerifyKey(entry.author))
        message = Message(
            author,
            entry.slot,
            entry.message_id,
            content.text.text,
            entry.sent_ms,
            entry.shown_ms,
            changes,
            conversation=conversation,
            outgoing=entry.author == self._profile.own,
            request=not self._is_accepted(entry),
            position=entry.position,
            reply_to=content.text.reply_to,
            files=tuple(map(file_of, content.text.files)),
            disappearing=disappearing_of(content),
        )
        return [message]

    # What goes

    def _forget(self, conversation: bytes, author: bytes, message_id: bytes) -> bool:
        """A text, and what repeats or comments it."""
        for entry in self._history.about(conversation, message_id):
            if entry.kind == "edit" and entry.author == author:
                self._history.erase(conversation, entry.author, entry.message_id)
        return self._history.erase(conversation, author, message_id)

    def delete(self, conversation: bytes, message_id: bytes) -> int:
        """For this person alone, on all own devices, for ever; how many texts that were."""
        gone = 0
        for entry in self._history.find(conversation, message_id):
            if entry.kind == "text" and self._forget(conversation, entry.author, message_id):
                self._agreement.delete(conversation, entry.author, message_id)
                gone += 1
        return gone

    def unsaid(self, conversation: bytes) -> list[bytes]:
        """Own texts that were taken back, as the devices agree, though no word of it is here."""
        own, entries = self._profile.own, self._history.entries(conversation)
        said = {each.target for each in entries if (each.kind, each.author) == ("unsend", own)}
        gone = (each.message_id for each in entries if (each.kind, each.author, each.content) == ("text", own, b""))
        return [each for each in gone if each not in said and self._agreement.unsent(conversation, own, each)]

    def delete_agreed(self) -> None:
        """What was deleted on another own device."""
        for entry in self._history.entries():
            if entry.content and self._agreement.deleted(entry.conversation, entry.author, entry.message_id):
                self._forget(entry.conversation, entry.author, entry.message_id)

    def purge(self) -> list[Event]:
        """What has disappeared by now."""
        events: list[Event] = []
        for entry in self._history.due(self._now_ms()):
            self._forget(entry.conversation, entry.author, entry.message_id)
            gone = Disappeared(self._with(entry), AccountId(VerifyKey(entry.author)), entry.message_id)
            events += self._told(entry.conversation, [gone])
        return events

    def start_timers(self, conversation: bytes) -> None:
        """Of what has been read by now."""
        for entry in self._history.unread_timers(conversation, self._agreement.read(conversation)):
            self._history.expire_at(entry, self._now_ms() + entry.once_read_ms)

    # What the person sees

    def shown(self, conversation: bytes, newest: int | None = None, before: bytes = b"") -> list[Shown]:
        """The texts, in causal order; `newest`: the last ones alone (before a message), without reading the whole."""
        receipts = self._history.receipts(conversation)
        entries = self._history.entries(conversation) if newest is None else self._newest(conversation, newest, before)
        return transcript(entries, self._profile.own, receipts, self._agreement.read(conversation))

    def _newest(self, conversation: bytes, count: int, before: bytes) -> list[Entry]:
        """The last texts, and what is said of each."""
        end = next(iter(self._history.find(conversation, before)), None) if before else None
        texts = self._history.newest_texts(conversation, count, end)
        return texts + [said for text in texts for said in self._history.about(conversation, text.message_id)]

    def timer(self, conversation: bytes) -> Disappearing | None:
        """When texts of this conversation disappear, as was last decided by anybody in it."""
        latest = self._history.latest(conversation, "timer")
        return disappearing_of(content_pb2.Content.FromString(latest.content).timer) if latest else None


MARK_FRONT = b"\x9a\x01\x10"
"""Field 19, 16 bytes: the mark is the last field, and covers all that is before it."""


def _in_group(group_id: bytes, event: Event) -> Event:
    if isinstance(event, Message | Reacted | Edited | Unsent | Disappeared | TimerChanged):
        return InGroup(group_id, event)
    return event


def _life(content: content_pb2.Content, sent_ms: int, *, own: bool) -> tuple[int, int]:
    """(when it goes, how long after it was read); 0: not so. The author's own copy counts from sending."""
    if content.WhichOneof("body") != "text" or not content.HasField("disappearing"):
        return 0, 0
    after_ms = min(max(content.disappearing.after_ms, SHORTEST_MS), LONGEST_MS)
    if content.disappearing.once_read and not own:
        return 0, after_ms
    return sent_ms + after_ms, 0


def _moved(statement: bytes, author: AccountId) -> list[Event]:
    """Signed by who says it, and by where they go; else it is nothing."""
    try:
        move = Move.check(statement)
    except MoveRefusedError:
        return []
    return [AccountMoved(author, move.after)] if move.before == author else []


def named(ids: Iterable[bytes]) -> list[bytes]:
    """Those that can be names of entries, no more than anybody needs to give."""
    return [each for each in ids if len(each) == MESSAGE_ID_SIZE][:HEADS_MAX]


def _target(kind: str, content: content_pb2.Content) -> bytes:
    if kind in {"reaction", "edit", "unsend"}:
        return bytes(getattr(content, kind).target)
    return b""
