"""What this person says and does: each a content for everybody whom it concerns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Change, Peer
from essaim.protocol.errors import ProtocolError
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.conversations import LONGEST_MS, SHORTEST_MS, Conversations
from essaim_client.messaging.events import Disappearing, File
from essaim_client.messaging.fan_out import MESSAGE_LIFE_MS, FanOut, Posted, Posting
from essaim_client.messaging.profile import Profile

TYPING_LIFE_MS = 60_000
EMOJI_MAX = 64


class OwnAccountError(ProtocolError):
    """An account does not write to itself."""

    reason = "OWN_ACCOUNT"


class TextRefusedError(ProtocolError):
    """Not a text: half of a surrogate pair, as bytes in another encoding become; or too long for what it is."""

    reason = "TEXT_REFUSED"


class UnknownMessageError(ProtocolError):
    """No such text in this conversation, or it is gone, or it is another's."""

    reason = "UNKNOWN_MESSAGE"


class TimerRefusedError(ProtocolError):
    """Texts disappear after 5 seconds to 4 weeks."""

    reason = "TIMER_REFUSED"


class BlockedError(ProtocolError):
    """The account is blocked: unblock it first."""

    reason = "BLOCKED"


class AccountMovedError(ProtocolError):
    """The account goes on under another one."""

    reason = "ACCOUNT_MOVED"


@dataclass(frozen=True)
class Sent:
    """A message that a quorum has for each device of the recipient; `changes` warn of new devices and keys."""

    message_id: bytes
    sent_ms: int
    devices: int
    changes: tuple[Change, ...] = ()


class Sender:
    """Each method returns when a quorum has it for each device of the other side.

    All raise OwnAccountError, BlockedError, AccountMovedError, UnknownAccountError, KeysChangedError, and
    SwarmUnreachableError: then it is kept, and stored when the swarm returns.
    """

    def __init__(self, profile: Profile, agreement: Agreement, conversations: Conversations, fan_out: FanOut) -> None:
        self._profile = profile
        self._agreement = agreement
        self._conversations = conversations
        self._fan_out = fan_out
        self.mail = fan_out.mail

    async def send_text(
        self,
        account: AccountId,
        text: str,
        reply_to: bytes = b"",
        files: Sequence[File] = (),
        sealed: Callable[[], None] | None = None,
    ) -> Sent:
        """A text, with the timer of the conversation; `sealed` is called in the transaction that makes it."""
        check_text(text)
        if reply_to:
            self._text(account, reply_to)
        timer = self._conversations.timer(account.raw)
        sent = content_pb2.Text(text=text, reply_to=reply_to, files=map(file_message, files))
        life_ms = min(MESSAGE_LIFE_MS, timer.after_ms) if timer and not timer.once_read else MESSAGE_LIFE_MS
        return await self._say(account, life_ms, sealed, text=sent, disappearing=disappearing_message(timer))

    async def react(self, account: AccountId, target: bytes, emoji: str) -> Sent:
        """An emoji to a text; an empty one takes it back."""
        check_text(emoji)
        if len(emoji.encode()) > EMOJI_MAX:
            raise TextRefusedError(f"a reaction has at most {EMOJI_MAX} bytes")
        self._text(account, target)
        return await self._say(account, reaction=content_pb2.Reaction(target=target, emoji=emoji))

    async def edit(self, account: AccountId, target: bytes, text: str) -> Sent:
        """Another wording of an own text."""
        check_text(text)
        self._text(account, target, own=True)
        return await self._say(account, edit=content_pb2.Edit(target=target, text=text))

    async def unsend(self, account: AccountId, target: bytes, sealed: Callable[[], None] | None = None) -> Sent:
        """Take an own text back, everywhere; `sealed` as in `send_text`."""
        self._text(account, target, own=True)
        return await self._say(account, sealed=sealed, unsend=content_pb2.Unsend(target=target))

    async def unsend_again(self, account: AccountId, target: bytes) -> None:
        """What was taken back before, and is gone here already: the word of it may have reached nobody."""
        await self._say(account, unsend=content_pb2.Unsend(target=target))

    async def set_timer(self, account: AccountId, timer: Disappearing | None) -> Sent:
        """From now on, for both sides; None: texts stay."""
        if timer is not None and not SHORTEST_MS <= timer.after_ms <= LONGEST_MS:
            raise TimerRefusedError("texts disappear after 5 seconds to 4 weeks")
        return await self._say(account, timer=content_pb2.Timer(disappearing=disappearing_message(timer)))

    async def tell_move(self, account: AccountId, statement: bytes) -> Sent:
        """That this account goes on under another identity."""
        return await self._say(account, moved=content_pb2.Moved(statement=statement))

    async def receipt(self, account: AccountId, position: int) -> None:
        """That texts up to there are read; to contacts alone, and only if switched on."""
        if self._agreement.settings.read_receipts and self._tells(account):
            await self._signal(account, MESSAGE_LIFE_MS, receipt=content_pb2.Receipt(position=position))

    async def typing(self, account: AccountId, stopped: bool) -> None:
        """That this person is writing; to contacts alone, and only if switched on."""
        if self._agreement.settings.typing and self._tells(account):
            await self._signal(account, TYPING_LIFE_MS, typing=content_pb2.Typing(stopped=stopped))

    async def renew(self, peer: Peer) -> None:
        """Begin a new session with a device whose messages no longer open; nothing is shown."""
        self._profile.device.renew(peer)
        history = self._profile.store.history
        if peer.account == self._profile.account_id:
            state = content_pb2.Conversations(answer=True)
            await self.sync(frozenset({peer.slot}), conversations=state)
        else:
            heads = history.heads(peer.account.raw)
            body = {"renewal": content_pb2.Renewal(), "after": heads}
            await self._signal(peer.account, MESSAGE_LIFE_MS, frozenset({peer.slot}), **body)

    async def sync(self, slots: frozenset[int] | None = None, **body: object) -> None:
        """To the own other devices, or some of them."""
        sync = content_pb2.Sync(**body)  # type: ignore[arg-type]  # the fields of a Sync
        await self._signal(self._profile.account_id, MESSAGE_LIFE_MS, slots, sync=sync)

    async def signal(self, account: AccountId, slots: frozenset[int] | None = None, **body: object) -> None:
        """To some devices of somebody, without a place in the conversation."""
        await self._signal(account, MESSAGE_LIFE_MS, slots, **body)

    async def _signal(
        self, account: AccountId, life_ms: int, slots: frozenset[int] | None = None, **body: object
    ) -> None:
        posting = Posting(account, lambda: self._conversations.signal(**body), slots=slots, life_ms=life_ms)
        await self._fan_out.post(posting)

    async def _say(
        self,
        account: AccountId,
        life_ms: int = MESSAGE_LIFE_MS,
        sealed: Callable[[], None] | None = None,
        **body: object,
    ) -> Sent:
        self.check(account)

        def make() -> content_pb2.Content:
            if not self._agreement.is_contact(account):
                self._agreement.accept(account)  # whom one writes to is no stranger
            if sealed is not None:
                sealed()
            return self._conversations.say(account.raw, **body)

        posted: Posted = await self._fan_out.post(
            Posting(
                account,
                make,
                copy=lambda content: self._conversations.copy(account.raw, content),
                careful=True,
                life_ms=life_ms,
            )
        )
        return Sent(posted.content.message_id, posted.content.sent_ms, posted.devices, posted.changes)

    def check(self, account: AccountId) -> None:
        """That this person may write to it: OwnAccountError, BlockedError, AccountMovedError."""
        if account == self._profile.account_id:
            raise OwnAccountError("that is your own account: an account does not write to itself")
        if self._agreement.is_blocked(account):
            raise BlockedError("this account is blocked")
        if self._agreement.moved_to(account) is not None:
            raise AccountMovedError("this account goes on under another one, where you have followed it")

    def _tells(self, account: AccountId) -> bool:
        """Whether something may be sent that the person did not write."""
        return self._agreement.is_contact(account) and not self._agreement.is_blocked(account)

    def _text(self, account: AccountId, message_id: bytes, *, own: bool = False) -> None:
        found = self._profile.store.history.find(account.raw, message_id)
        good = [entry for entry in found if entry.kind == "text" and entry.content]
        if not any(not own or entry.author == self._profile.own for entry in good):
            raise UnknownMessageError("no such text of yours here" if own else "no such text here")


def disappearing_message(timer: Disappearing | None) -> content_pb2.Disappearing | None:
    """As it is said."""
    return content_pb2.Disappearing(after_ms=timer.after_ms, once_read=timer.once_read) if timer else None


def file_message(file: File) -> content_pb2.File:
    """As it is said in a text."""
    return content_pb2.File(
        name=file.name,
        media_type=file.media_type,
        size=file.size,
        key=file.key,
        blobs=file.blobs,
        thumbnail=file.thumbnail,
        waveform=file.waveform,
        duration_ms=file.duration_ms,
        width=file.width,
        height=file.height,
        expires_ms=file.expires_ms,
    )


def check_text(text: str) -> None:
    """Raises TextRefusedError."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TextRefusedError("the text is not valid Unicode") from None
