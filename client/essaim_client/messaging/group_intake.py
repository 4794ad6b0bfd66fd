"""What comes to a group here: frames from its mailboxes, and what its members' devices say over their sessions.

Synchronous, in the caller's transaction. Whoever sent it, nothing stops this device.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from google.protobuf.message import DecodeError

from essaim.messaging.v1 import content_pb2, group_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.group.announcement import Announcement, ChainNotice
from essaim.protocol.group.bundle import decode_records, unpack
from essaim.protocol.group.epoch import Epoch
from essaim.protocol.group.frame import Frame, FrameKind, open_frame
from essaim.protocol.group.log import GroupLog
from essaim.protocol.group.record import Act, Record
from essaim.protocol.group.roster import Role
from essaim.protocol.group.sender_key import CHAIN_ID_SIZE, MESSAGES_MAX, Front, Proof, ReceivingChain, Said
from essaim.protocol.keys import VerifyKey
from essaim.protocol.layout import Reader
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.storage.v1 import mailbox_pb2
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.conversations import ENTRY_KINDS, Conversations, named
from essaim_client.messaging.epoch_room import EPOCHS_MAX
from essaim_client.messaging.events import Event, GroupChanged, GroupInvited, InGroup, Typing
from essaim_client.messaging.group_book import ClosedGroup, GroupBook, epoch_of
from essaim_client.messaging.group_giving import GroupGiving, kept_proof
from essaim_client.messaging.intake import GONE_AFTER, Answer, Taken
from essaim_client.messaging.profile import Profile
from essaim_client.store.closed_groups import Heard, KeptChain, KeptProof

INVITATIONS_MAX = 100
"""Groups to which this account is invited at one time: strangers can invite, too."""
WAITING_MAX = 1_024
TYPING_FRESH_MS = 60_000
WAITING_MS = 14 * DAY_MS
SAID_KINDS = ENTRY_KINDS - {"moved"}
UNTOLD = frozenset({Act.DEVICES, Act.ADMIN_KEY})


class GroupIntake:
    """`take` for frames, `hear` for messages of sessions; `questions` says what is to be asked of whom."""

    def __init__(self, profile: Profile, book: GroupBook, conversations: Conversations, agreement: Agreement) -> None:
        self._profile = profile
        self._book = book
        self._conversations = conversations
        self._agreement = agreement
        self._history = profile.store.history
        self._giving = GroupGiving(profile, book)
        self._behind: dict[bytes, set[Peer]] = {}
        """By group: devices that speak of records that are not here, or of an epoch that this one cannot open."""
        self._unsure: dict[bytes, dict[tuple[bytes, bytes], tuple[Epoch, int]]] = {}
        """By group, epoch id and the account that gave it: epochs whose records are not here, and since when."""

    # Frames

    def take(
        self, group: ClosedGroup, epoch: Epoch, day: int, envelope: mailbox_pb2.StoredEnvelope, now_ms: int
    ) -> Taken:
        """An envelope of one of the group's mailboxes. What cannot be opened yet is kept until it can."""
        taken = Taken()
        try:
            frame = open_frame(epoch.frame_key(day), envelope.slot, envelope.data)
            done = self._frame(group, frame, taken, now_ms)
        except (ProtocolError, DecodeError, ValueError):
            return taken
        if not done:
            until_ms = min(envelope.expires_ms, now_ms + WAITING_MS)
            self._book.store.wait(group.group_id, frame.nonce, frame.body, until_ms, WAITING_MAX)
        elif frame.kind != FrameKind.SPOKEN:
            self.open_waiting(group, taken, now_ms)
        return taken

    def _frame(self, group: ClosedGroup, frame: Frame, taken: Taken, now_ms: int) -> bool:
        """Whether it was dealt with."""
        if frame.kind == FrameKind.RECORDS:
            self._grow(group, decode_records(frame.body), taken)
            return True
        if frame.kind == FrameKind.ANNOUNCED:
            self._announced(group, Announcement.decode(frame.body), now_ms)
            return True
        return self._spoken(group, frame.body, frame.nonce, taken, now_ms)

    def open_waiting(self, group: ClosedGroup, taken: Taken, now_ms: int) -> None:
        """What has waited and can be opened now."""
        for frame in self._book.store.waiting(group.group_id):
            try:
                done = self._spoken(group, frame.body, frame.nonce, taken, now_ms)
            except (ProtocolError, DecodeError, ValueError):
                done = True
            if done:
                self._book.store.opened(frame.number)

    def _announced(self, group: ClosedGroup, announcement: Announcement, now_ms: int) -> None:
        notice = announcement.notice
        peer = Peer(AccountId(VerifyKey(notice.account)), notice.slot)
        if self._is_own(notice.account, notice.slot):
            return
        secret = announcement.open(group.group_id, self._profile.device.export_keys(peer))
        if isinstance(notice, ChainNotice):
            if secret is not None and notice.number < MESSAGES_MAX:
                self._keep_chain(group, notice.chain(secret), now_ms)
        elif secret is not None:
            self._hear_of(group, notice.epoch(group.group_id, secret), peer, now_ms)
        else:
            self._behind.setdefault(group.group_id, set()).add(peer)

    def _spoken(self, group: ClosedGroup, body: bytes, nonce: bytes, taken: Taken, now_ms: int) -> bool:
        reader = Reader(body)
        front, box = Front.read(reader), reader.rest()
        if self._is_own(front.account, front.slot):
            return True
        kept = self._book.store.chain(group.group_id, front.chain_id, front.account, front.slot)
        if kept is None or not kept.chain or not group.roster.is_member(front.account):
            return False
        said, proof, after = ReceivingChain.decode(kept.chain).open(group.group_id, front, box, nonce)
        self._book.store.keep_chain(group.group_id, kept._replace(chain=after.encode()), now_ms)
        self._said(group, front, said, proof, taken, now_ms)
        return True

    def _said(self, group: ClosedGroup, front: Front, said: Said, proof: Proof, taken: Taken, now_ms: int) -> None:
        self._look_for(group, said.heads, Peer(AccountId(VerifyKey(front.account)), front.slot))
        content = content_pb2.Content.FromString(said.content)
        if content.WhichOneof("body") in SAID_KINDS:
            kept = KeptProof(proof.chain_id, proof.number, proof.signature, b"".join(said.heads))
            self._book.store.prove(group.group_id, front.account, content.message_id, kept)
            taken.events += self._conversations.take(group.group_id, front.account, front.slot, content)
        elif content.WhichOneof("body") == "typing" and abs(now_ms - content.sent_ms) < TYPING_FRESH_MS:
            author = AccountId(VerifyKey(front.account))
            if self._agreement.settings.typing and not self._agreement.is_blocked(author):
                taken.events.append(InGroup(group.group_id, Typing(author, content.typing.stopped)))

    # Messages of sessions

    def hear(self, sender: Peer, content: content_pb2.Content, taken: Taken, now_ms: int, *, initial: bool) -> None:
        """From a member's device, from somebody who invites, or from an own other device."""
        message, own = content.group, sender.account == self._profile.account_id
        records = unpack(message.records)
        group = self._book.find(message.group_id)
        if group is None:
            group = self._meet(message.group_id, records, sender, taken)
        else:
            self._grow(group, records, taken)
        if group is None:
            return
        if not own and sender.account.raw not in group.roster.members:
            if message.HasField("ask") and not self._agreement.is_blocked(sender.account):  # others tell them
                farewell = self._giving.farewell(group, sender.account.raw, message.ask)
                taken.answers += [_answer(sender, part) for part in farewell]
            return
        self._take_keys(group, sender, message, taken, now_ms, own=own)
        self._give(group, sender, message, taken)
        self._history.want(group.group_id, named(content.after), now_ms)
        if message.HasField("given"):
            self._given(group, sender, message.given, taken, now_ms, own=own)
        if initial and message.HasField("chain"):
            taken.answers.append(_answer(sender, content_pb2.Group(group_id=group.group_id)))  # so that it is a session
        self.open_waiting(group, taken, now_ms)

    def _meet(self, group_id: bytes, records: list[Record], sender: Peer, taken: Taken) -> ClosedGroup | None:
        """A group that is new here: this account is in it, and so is who says so."""
        log = GroupLog(group_id)
        log.add(records)
        role = log.roster.role(self._profile.own)
        if role is None or sender.account.raw not in log.roster.members:
            return None
        if role == Role.INVITED and len(self.invitations()) >= INVITATIONS_MAX:
            return None
        group = self._book.begin(log)
        taken.events += self._told(group, (record for record in log if record.subject == self._profile.own))
        return group

    def invitations(self) -> list[ClosedGroup]:
        """Groups to which this account is invited."""
        return [group for group in self._book.all() if self._book.role(group) == Role.INVITED]

    def _take_keys(
        self, group: ClosedGroup, sender: Peer, message: content_pb2.Group, taken: Taken, now_ms: int, *, own: bool
    ) -> None:
        for each in message.epochs:
            epoch = epoch_of(group.group_id, each)
            if epoch is not None:
                self._hear_of(group, epoch, sender, now_ms)
        may_give = bool(message.admin_seed) and (own or group.roster.is_admin(sender.account.raw))
        if may_give and group.take_admin_seed(message.admin_seed):
            self._book.save(group)
        chain = _chain_of(sender, message.chain) if message.HasField("chain") else None
        if chain is not None:
            self._keep_chain(group, chain, now_ms)

    def _give(self, group: ClosedGroup, sender: Peer, message: content_pb2.Group, taken: Taken) -> None:
        account, heads = sender.account.raw, []
        if message.HasField("ask"):
            if group.roster.is_member(account) and self._book.is_in(group):
                heads = self._history.heads(group.group_id)
            for part in self._giving.answer(group, account, message.ask):
                taken.answers.append(_answer(sender, part, heads))
                heads = []
        if message.HasField("want") and group.roster.is_member(account):
            given = self._giving.entries(group, message.want.ids, account)
            if given.entries or given.gone:
                taken.answers.append(_answer(sender, content_pb2.Group(group_id=group.group_id, given=given)))

    def _given(
        self, group: ClosedGroup, sender: Peer, given: content_pb2.Given, taken: Taken, now_ms: int, *, own: bool
    ) -> None:
        """Others may give what they said, what carries the own mark, and what a known chain of its author proves."""
        members = {record.account for record in group.log}
        for entry in given.entries:
            believed = own or entry.author == sender.account.raw
            believed = believed or (entry.author == self._profile.own and self._is_own_word(group, entry))
            if entry.author not in members:
                continue
            if believed or self._giving.proven(group, entry):
                taken.events += self._entry(group, entry)
            elif not self._history.find(group.group_id, _message_id(entry)):
                self._ask_author(group, entry, taken)
        for gone in given.gone:
            self._history.give_up(group.group_id, [gone.message_id], GONE_AFTER)
            self._history.want(group.group_id, named(gone.after), now_ms)

    def _is_own_word(self, group: ClosedGroup, entry: content_pb2.Entry) -> bool:
        return self._conversations.is_own(group.group_id, entry.content)

    def _entry(self, group: ClosedGroup, entry: content_pb2.Entry) -> list[Event]:
        try:
            content = content_pb2.Content.FromString(entry.content)
        except DecodeError:
            return []
        if content.WhichOneof("body") not in SAID_KINDS:
            return []
        if entry.proof.chain_id:
            self._book.store.prove(group.group_id, entry.author, content.message_id, kept_proof(entry.proof))
        return self._conversations.take(group.group_id, entry.author, entry.slot, content)

    def _ask_author(self, group: ClosedGroup, entry: content_pb2.Entry, taken: Taken) -> None:
        """Somebody gave what only its author can show to be genuine."""
        wanted = content_pb2.Want(ids=[_message_id(entry)])
        if group.roster.is_member(entry.author) and entry.author != self._profile.own:
            author = Peer(AccountId(VerifyKey(entry.author)), entry.slot)
            taken.answers.append(_answer(author, content_pb2.Group(group_id=group.group_id, want=wanted)))

    # Records, epochs and chains

    def _hear_of(self, group: ClosedGroup, epoch: Epoch, giver: Peer, now_ms: int) -> None:
        """An epoch counts if its giver is in the group after all the records that it was made with.

        Else somebody who was removed could have everybody speak where they read on. None is made in time to come: its
        mailboxes would be written to, and read by nobody.
        """
        self._look_for(group, epoch.heads, giver)
        unsure = self._unsure.setdefault(group.group_id, {})
        unsure[epoch.epoch_id, giver.account.raw] = replace(epoch, made_ms=min(epoch.made_ms, now_ms)), now_ms
        while len(unsure) > EPOCHS_MAX:
            [(crowd, _)] = Counter(who for _, who in unsure).most_common(1)
            del unsure[next(each for each in unsure if each[1] == crowd)]
        self._judge_epochs(group)

    def _judge_epochs(self, group: ClosedGroup) -> None:
        unsure = self._unsure.pop(group.group_id, {})
        for (_, giver), (epoch, heard_ms) in unsure.items():
            if any(head not in group.log for head in epoch.heads):
                self._unsure.setdefault(group.group_id, {})[epoch.epoch_id, giver] = epoch, heard_ms
            elif giver in group.roster.members:
                self._book.add_epoch(group, epoch, Heard(giver, heard_ms))

    def _grow(self, group: ClosedGroup, records: Iterable[Record], taken: Taken) -> None:
        added = self._book.add(group, records)
        if not added:
            return
        taken.events += self._told(group, added)
        self._judge_epochs(group)
        if not self._book.is_in(group) and (group.speaking is not None or group.admin_seed):
            group.admin_seed = b""
            self._book.speak(group, None)

    def _told(self, group: ClosedGroup, records: Iterable[Record]) -> list[Event]:
        """What of new records the person should know."""
        events: list[Event] = []
        for record in records:
            if record.act in UNTOLD or not group.log.stands(record.record_id):
                continue
            author, subject = (AccountId(VerifyKey(raw)) for raw in (record.account, record.subject))
            if record.act == Act.INVITE and subject == self._profile.account_id:
                events.append(GroupInvited(group.group_id, group.roster.name, author))
            else:
                events.append(GroupChanged(group.group_id, author, record.act.name.lower(), subject))
        return events

    def _keep_chain(self, group: ClosedGroup, chain: ReceivingChain, now_ms: int) -> None:
        known = self._book.store.chain(group.group_id, chain.chain_id, chain.account, chain.slot)
        if known is None:
            row = KeptChain(chain.chain_id, chain.account, chain.slot, chain.signing.raw, chain.encode())
            self._book.store.keep_chain(group.group_id, row, now_ms)

    def _look_for(self, group: ClosedGroup, heads: Iterable[bytes], peer: Peer) -> None:
        """Somebody speaks of records: who does can give them."""
        unknown = [head for head in heads if head not in group.log]
        if unknown:
            group.log.want(unknown)
            self._behind.setdefault(group.group_id, set()).add(peer)

    def _is_own(self, account: bytes, slot: int) -> bool:
        return (account, slot) == (self._profile.own, self._profile.device.slot)

    # What is to be asked

    def questions(self, group: ClosedGroup) -> dict[Peer, group_pb2.GroupAsk]:
        """Of whom: records that they speak of, and chains in which they said what cannot be read here."""
        asks = dict.fromkeys(self._behind.pop(group.group_id, ()), False)
        for frame in self._book.store.waiting(group.group_id):
            front = Front.read(Reader(frame.body))
            if group.roster.is_member(front.account):
                asks[Peer(AccountId(VerifyKey(front.account)), front.slot)] = True
        heads, wanted = group.log.heads, group.log.wanted
        return {peer: group_pb2.GroupAsk(heads=heads, chain=chain, records=wanted) for peer, chain in asks.items()}


def _answer(peer: Peer, message: content_pb2.Group, after: Iterable[bytes] = ()) -> Answer:
    return Answer(peer, {"group": message, "after": list(after)})


def _chain_of(sender: Peer, message: group_pb2.GroupChain) -> ReceivingChain | None:
    good = len(message.chain_id) == CHAIN_ID_SIZE and len(message.chain_key) == 32 and message.number < MESSAGES_MAX
    try:
        signing = VerifyKey(message.signing_key)
    except ProtocolError:
        return None
    names = message.chain_id, sender.account.raw, sender.slot
    return ReceivingChain(*names, signing, message.chain_key, message.number, {}) if good else None


def _message_id(entry: content_pb2.Entry) -> bytes:
    try:
        return bytes(content_pb2.Content.FromString(entry.content).message_id)
    except DecodeError:
        return b""
