"""What an opened content does here: to the conversations, to what the devices agree on, and what is to be answered.

Synchronous, in the caller's transaction. Whoever wrote it, no content stops this device or makes it tell a stranger
that it is there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.configuration import Configuration
from essaim.protocol.conversation import Change, Opened, Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import VerifyKey
from essaim_client.messaging.address_book import AddressBook
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.conversations import ENTRY_KINDS, GRACE_MS, Conversations, named
from essaim_client.messaging.events import ConfigurationChanged, Event, Read, SessionRenewed, Typing
from essaim_client.messaging.giving import Giving
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.renewals import Renewals
from essaim_client.messaging.vigil import Vigil

HEADS_MAX = 100
GONE_AFTER = 3
"""So often an entry is asked for, though somebody says that it is gone."""


@dataclass(frozen=True)
class Answer:
    """A content for one device, without a place in a conversation. A summary is made when it is sent."""

    peer: Peer
    body: dict[str, object]


@dataclass
class Taken:
    """`follow_manifest`: the own manifest has a newer version. `secrets`: what a manager gave this device.

    `late`: something was stored in the private inbox of a day that was over.
    """

    events: list[Event] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    follow_manifest: bool = False
    late: bool = False
    secrets: list[content_pb2.Sync] = field(default_factory=list)


class Intake:
    """`now_ms` comes from the conversations' clock."""

    def __init__(
        self,
        profile: Profile,
        agreement: Agreement,
        conversations: Conversations,
        vigil: Vigil,
        addresses: AddressBook,
    ) -> None:
        self._profile = profile
        self._addresses = addresses
        self.on_agreed: Callable[[], None] = lambda: None
        """Told when other devices of the account have brought something new of what is agreed on."""
        self.on_group: Callable[[Opened, content_pb2.Content, Taken, int], None] = lambda *_: None
        """Given what is said about closed groups."""
        self.is_own_group: Callable[[bytes], bool] = lambda _: False
        """Whether this account is in that group: there, who is blocked goes on to be a member like others."""
        self.groups_for: Callable[[Peer], list[Answer]] = lambda _: []
        """What an own other device is to be given of closed groups."""
        self._history = profile.store.history
        self._agreement = agreement
        self._conversations = conversations
        self._vigil = vigil
        self._giving = Giving(profile)
        self._renewals = Renewals(profile)

    def take(self, opened: Opened, now_ms: int) -> Taken:
        """What came, from one device of somebody."""
        taken, sender = Taken(), opened.sender
        if opened.certificate is not None:
            taken.events += self._vigil.heard(opened.certificate)
            if sender.account == self._profile.account_id:
                taken.follow_manifest = opened.certificate.head.version > self._profile.device.manifest.version
        if Change.SESSION_RENEWED in opened.changes:
            taken.events.append(SessionRenewed(sender.account, sender.slot))
        try:
            content = content_pb2.Content.FromString(opened.content)
        except DecodeError:
            return taken
        if self._agreement.is_blocked(sender.account):
            if content.WhichOneof("body") != "group" or not self.is_own_group(content.group.group_id):
                return Taken()
            self.on_group(opened, content, taken, now_ms)
            return taken
        self._addresses.heard(sender, content, now_ms)
        content.ClearField("reads")
        taken.late = content.HasField("late") and self._agreement.is_contact(sender.account)
        if opened.initial:
            self._begun(opened, content.sent_ms, taken, now_ms)
        if content.WhichOneof("body") == "group":
            self.on_group(opened, content, taken, now_ms)
            return taken
        if sender.account == self._profile.account_id:
            self._from_own(opened, content, taken, now_ms)
        else:
            self._from_other(opened, content, taken, now_ms)
        return taken

    def _begun(self, opened: Opened, sent_ms: int, taken: Taken, now_ms: int) -> None:
        """A session: what was sent in the one before may never have been read, so a contact is told what there is."""
        self._renewals.began(opened, sent_ms, now_ms)
        account = opened.sender.account
        of_contact = account != self._profile.account_id and self._agreement.is_contact(account)
        if of_contact and Change.SESSION_RENEWED in opened.changes:
            taken.answers.append(Answer(opened.sender, {"summary": content_pb2.Summary()}))

    # From others

    def _from_other(self, opened: Opened, content: content_pb2.Content, taken: Taken, now_ms: int) -> None:
        sender = opened.sender
        conversation, kind = sender.account.raw, content.WhichOneof("body")
        if kind in ENTRY_KINDS:
            taken.events += self._conversations.take(conversation, conversation, sender.slot, content, opened.changes)
        elif kind == "receipt":
            if self._agreement.settings.read_receipts and self._history.read_by(
                conversation, conversation, min(content.receipt.position, 1 << 48)
            ):
                taken.events.append(Read(sender.account, sender.account, content.receipt.position))
        elif kind == "typing" and self._agreement.settings.typing:
            taken.events.append(Typing(sender.account, content.typing.stopped))
        elif kind == "private_inbox":
            self._addresses.take(sender.account, content.private_inbox, content.sent_ms, now_ms)
        elif self._agreement.is_contact(sender.account):
            self._healing(opened, content, taken, now_ms)

    def _healing(self, opened: Opened, content: content_pb2.Content, taken: Taken, now_ms: int) -> None:
        """Between contacts alone: strangers learn nothing of what is here."""
        sender, conversation = opened.sender, opened.sender.account.raw
        self._history.want(conversation, named(content.after), now_ms + GRACE_MS)
        match content.WhichOneof("body"):
            case "renewal":
                self._renewals.gave_up_others(opened, content.sent_ms, now_ms)
                if Change.SESSION_RENEWED not in opened.changes:
                    taken.answers.append(Answer(sender, {"summary": content_pb2.Summary()}))
            case "want":
                given = self._giving.answer(conversation, content.want.ids)
                taken.answers.append(Answer(sender, {"given": given}))
            case "given":
                self._given(conversation, content.given, taken, now_ms, trusted=False)

    def _given(
        self, conversation: bytes, given: content_pb2.Given, taken: Taken, now_ms: int, *, trusted: bool
    ) -> None:
        """Entries that were missing. Others may give back what they wrote, and what carries the own mark."""
        for entry in given.entries:
            if self._may_give(conversation, entry, trusted=trusted):
                taken.events += self._entry(conversation, entry)
        for gone in given.gone:
            self._history.give_up(conversation, [gone.message_id], GONE_AFTER)  # somebody else may have it
            self._history.want(conversation, named(gone.after), now_ms)

    def _may_give(self, conversation: bytes, entry: content_pb2.Entry, *, trusted: bool) -> bool:
        if entry.author == self._profile.own:
            return trusted or self._conversations.is_own(conversation, entry.content)
        return entry.author == conversation

    def _entry(self, conversation: bytes, entry: content_pb2.Entry) -> list[Event]:
        try:
            content = content_pb2.Content.FromString(entry.content)
        except DecodeError:
            return []
        return self._conversations.take(conversation, entry.author, entry.slot, content)

    # From own devices

    def _from_own(self, opened: Opened, content: content_pb2.Content, taken: Taken, now_ms: int) -> None:
        sender, sync, conversation = opened.sender, content.sync, content.sync.conversation
        match sync.WhichOneof("body") if content.HasField("sync") else None:
            case "entry" if _is_account(conversation) and sync.entry.author in (self._profile.own, conversation):
                taken.events += self._entry(conversation, sync.entry)
            case "want" if _is_account(conversation):
                given = self._giving.answer(conversation, sync.want.ids)
                taken.answers.append(_own(sender, conversation=conversation, given=given))
            case "given" if _is_account(conversation):
                self._given(conversation, sync.given, taken, now_ms, trusted=True)
            case "conversations":
                if sync.conversations.answer:
                    self._renewals.gave_up_others(opened, content.sent_ms, now_ms)
                self._compare(sender, sync.conversations, taken, now_ms)
            case "configuration":
                taken.events += self.merge(sync.configuration)
            case "manifest_changed":
                taken.follow_manifest = True
            case "configuration_key" | "slot_records" | "account_seed" if self._is_manager(sender):
                taken.secrets.append(sync)

    def _is_manager(self, peer: Peer) -> bool:
        record = self._profile.device.manifest.device(peer.slot)
        return record is not None and record.manager

    def _compare(self, sender: Peer, state: content_pb2.Conversations, taken: Taken, now_ms: int) -> None:
        for heads in filter(lambda each: self._is_conversation(each.conversation), state.heads):
            self._history.want(heads.conversation, named(heads.after), now_ms)
        if state.answer:
            taken.answers.append(_own(sender, conversations=self.state(answer=False)))
            whole = self._profile.configuration.encode()
            taken.answers.append(_own(sender, configuration=whole))
            taken.answers += self.groups_for(sender)

    def _is_conversation(self, raw: bytes) -> bool:
        return self._profile.store.groups.knows(raw) or _is_account(raw)

    def state(self, *, answer: bool, since_ms: int = 0) -> content_pb2.Conversations:
        """What this device has of the conversations in which something came since."""
        newest = self._history.conversations(since_ms)[:HEADS_MAX]
        heads = [content_pb2.Heads(conversation=each, after=self._history.heads(each)) for each in newest]
        return content_pb2.Conversations(heads=heads, answer=answer)

    def merge(self, encoded: bytes) -> list[Event]:
        """What another own device says that was agreed on."""
        try:
            other = Configuration.decode(encoded, self._profile.device.keys.device_id)
        except ProtocolError:
            return []
        if not self._agreement.merge(other):
            return []
        self._conversations.delete_agreed()
        for conversation in self._history.conversations():
            self._conversations.start_timers(conversation)
        self.on_agreed()
        return [ConfigurationChanged()]


def _own(peer: Peer, **body: object) -> Answer:
    return Answer(peer, {"sync": content_pb2.Sync(**body)})  # type: ignore[arg-type]  # the fields of a Sync


def _is_account(raw: bytes) -> bool:
    try:
        AccountId(VerifyKey(raw))
    except ProtocolError:
        return False
    return True
