"""Speaking in closed groups: a chain that its members can follow, in an epoch that nobody has left; and records.

What is sealed waits on the disk like any other mail, in a queue of the group's own.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from essaim.messaging.v1 import content_pb2, group_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.blinding import mailbox_day
from essaim.protocol.conversation import Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.group.announcement import Announcement, ChainNotice, EpochNotice, Notice
from essaim.protocol.group.bundle import pack
from essaim.protocol.group.epoch import SECRET_SIZE, Epoch
from essaim.protocol.group.frame import (
    RECORDS_ENTRY,
    SPOKEN_ENTRY,
    TYPING_ENTRY,
    FrameKind,
    body_nonce,
    draw_nonce,
    seal_frame,
)
from essaim.protocol.group.record import Act, Record
from essaim.protocol.group.sender_key import CHAIN_LIFE_MS, MESSAGES_MAX, ReceivingChain, Said, SendingChain
from essaim.protocol.kdf import blake2b256
from essaim.protocol.keys import VerifyKey
from essaim.protocol.manifest import Head
from essaim_client.mailbox.access import Authority
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.messaging.directory import Directory
from essaim_client.messaging.errands import Errands
from essaim_client.messaging.fan_out import MESSAGE_LIFE_MS, MINUTE_MS, FanOut
from essaim_client.messaging.generation import Generation
from essaim_client.messaging.group_book import ClosedGroup, GroupBook, Speaking, epoch_message
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.sender import Sender
from essaim_client.messaging.vigil import Vigil
from essaim_client.store.closed_groups import Heard, KeptProof

TYPING_LIFE_MS = 60_000
WHISPERS_UNTIL = MESSAGES_MAX // 2
"""In a chain that has come so far only what people say goes on: nothing that passes makes a new one."""
HEADS_MAX = 8
"""More newest records than this are drawn together by one more, before anything is said under them."""


class GroupRoomError(ProtocolError):
    """A group's log takes so many records of each device and account (docs/protocol/groups.md, 1)."""

    reason = "GROUP_ROOM"


@dataclass(frozen=True)
class Ties:
    """What groups need of the rest of a person."""

    fan_out: FanOut
    directory: Directory
    generation: Generation
    sender: Sender
    vigil: Vigil
    errands: Errands


class GroupPosting:
    """`say` and `publish` return when a quorum has what was said; what it takes besides is done in the background."""

    def __init__(
        self,
        swarms: Swarms,
        profile: Profile,
        book: GroupBook,
        ties: "Ties",
    ) -> None:
        self._swarms = swarms
        self._profile = profile
        self._book = book
        self._ties = ties
        self._mail = ties.fan_out.mail

    # What is said

    async def say(
        self, group: ClosedGroup, make: Callable[[], content_pb2.Content], life_ms: int = MESSAGE_LIFE_MS
    ) -> content_pb2.Content:
        """A content that `make` gives, inside the transaction that seals it, for everybody in the group.

        Raises SwarmUnreachableError: if it was sealed, it is kept and sent.
        """
        await self._ties.generation.current()
        async with self._mail.turn(group.group_id):
            await self._look_up(group)
            with self._profile.store.transaction():
                epoch = self._epoch(group)
                speaking = self._speaking(group, epoch)
                content = make()
                self._speak(group, epoch, speaking, content, life_ms)
            await self._mail.flush_queue(group.group_id)
        return content

    def _speak(
        self,
        group: ClosedGroup,
        epoch: Epoch,
        speaking: Speaking,
        content: content_pb2.Content,
        life_ms: int,
        entry: bytes = SPOKEN_ENTRY,
    ) -> None:
        said, nonce = Said(tuple(group.log.named), content.SerializeToString()), self._nonce()
        spoken, proof, chain = speaking.chain.speak(group.group_id, said, body_nonce(nonce))
        self._book.speak(group, replace(speaking, chain=chain))
        if entry == SPOKEN_ENTRY:
            kept = KeptProof(proof.chain_id, proof.number, proof.signature, b"".join(said.heads))
            self._book.store.prove(group.group_id, self._profile.own, content.message_id, kept)
        self._enqueue(epoch, FrameKind.SPOKEN, spoken, nonce, life_ms, entry)

    async def whisper(self, group: ClosedGroup, content: content_pb2.Content) -> None:
        """What passes and is no part of the conversation: in the chain that there is, or not at all."""
        await self._ties.generation.current()
        async with self._mail.turn(group.group_id):
            epoch, speaking = group.epoch, group.speaking
            if epoch is None or speaking is None or speaking.chain.number >= WHISPERS_UNTIL:
                return
            if not self._fits(speaking, epoch, _digest(self._peers(group, group.roster.joined))):
                return
            with self._profile.store.transaction():
                self._speak(group, epoch, speaking, content, TYPING_LIFE_MS, TYPING_ENTRY)
            await self._mail.flush_queue(group.group_id)

    # Records

    def sign(self, group: ClosedGroup, act: Act, argument: bytes = b"") -> Record:
        """One more record of this device, kept here. Inside a transaction. Raises GroupRoomError."""
        device = self._profile.device
        certificate, now_ms = device.manifest.certificate(device.slot), self._swarms.clock.now_ms()
        parents = group.log.parents_for(self._profile.own, act)
        record = Record.sign(device.keys, certificate, group.group_id, parents, act, argument, now_ms)
        if not self._book.add(group, [record]):
            raise GroupRoomError("you have made as many changes in this group as there is room for")
        return record

    async def publish(self, group: ClosedGroup, records: Iterable[Record]) -> None:
        """Records for everybody: in the epoch as it is, and after a loss the next epoch behind them."""
        made = list(records)
        await self._ties.generation.current()
        async with self._mail.turn(group.group_id):
            await self._look_up(group)
            with self._profile.store.transaction():
                newest = group.newest_epoch
                if newest is not None:
                    body = pack(made).SerializeToString()
                    self._enqueue(newest, FrameKind.RECORDS, body, self._nonce())
                if group.roster.is_member(self._profile.own):
                    self._epoch(group)
            await self._mail.flush_queue(group.group_id)
        self._ties.errands.run(partial(self._lay_down, group))

    async def _lay_down(self, group: ClosedGroup) -> None:
        """All records, by an admin, where whoever reads the group's mailbox finds them together."""
        admin, epoch, now_ms = group.admin_signer(), group.epoch, self._swarms.clock.now_ms()
        if admin is None or epoch is None or admin.public != epoch.admin_key:
            return
        day, body = mailbox_day(now_ms), pack(group.log).SerializeToString()
        data = seal_frame(epoch.frame_key(day), FrameKind.RECORDS, body, self._nonce(), RECORDS_ENTRY)
        envelope = Outgoing(RECORDS_ENTRY, _expiry(now_ms, MESSAGE_LIFE_MS), data, version=now_ms)
        owner = Authority(epoch.owner(admin, day))
        await Writer(self._swarms).store(epoch.mailbox(day), [envelope], owner)

    # Epochs and chains

    def _epoch(self, group: ClosedGroup) -> Epoch:
        """The one to speak in; a new one, announced in the one before, when somebody has left that."""
        current = group.epoch
        if current is not None:
            return current
        if len(group.log.heads) > HEADS_MAX and group.roster.is_admin(self._profile.own):
            with suppress(GroupRoomError):
                self.sign(group, Act.DEVICES)
        newest, now_ms, random = group.newest_epoch, self._swarms.clock.now_ms(), self._swarms.random
        admin_key = VerifyKey(group.roster.admin_key)
        epoch = Epoch(group.group_id, random(SECRET_SIZE), admin_key, tuple(group.log.named), now_ms)
        self._book.add_epoch(group, epoch, Heard(self._profile.own, now_ms))
        notice = EpochNotice.of(epoch, self._profile.own, self._profile.device.slot, random)
        given = content_pb2.Group(group_id=group.group_id, epochs=[epoch_message(epoch)])
        self._announce(group, newest, notice, epoch.secret, self._peers(group, group.roster.members), given)
        return epoch

    def _speaking(self, group: ClosedGroup, epoch: Epoch) -> Speaking:
        """The own chain, a new one if it is spent, a day old, of another epoch, or for others than are here now."""
        peers = self._peers(group, group.roster.joined)
        targets, speaking, now_ms = _digest(peers), group.speaking, self._swarms.clock.now_ms()
        if speaking is not None and self._fits(speaking, epoch, targets):
            return speaking
        chain = SendingChain.create(self._profile.own, self._profile.device.slot, self._swarms.random)
        following = chain.following()
        notice = ChainNotice(chain.chain_id, chain.account, chain.slot, following.signing, 0)
        given = content_pb2.Group(
            group_id=group.group_id, epochs=[epoch_message(epoch)], chain=chain_message(following)
        )
        self._announce(group, epoch, notice, following.key, peers, given)
        made = Speaking(chain, epoch.epoch_id, targets, now_ms)
        self._book.speak(group, made)
        return made

    def _fits(self, speaking: Speaking, epoch: Epoch, targets: bytes) -> bool:
        return (
            not speaking.chain.spent
            and (speaking.epoch_id, speaking.targets) == (epoch.epoch_id, targets)
            and 0 <= self._swarms.clock.now_ms() - speaking.made_ms < CHAIN_LIFE_MS
        )

    def _announce(
        self,
        group: ClosedGroup,
        epoch: Epoch | None,
        notice: Notice,
        secret: bytes,
        peers: dict[Peer, bytes],
        given: content_pb2.Group,
    ) -> None:
        """One envelope for all devices that there is a session with; the others get a message of their own."""
        now_ms, device = self._swarms.clock.now_ms(), self._profile.device
        keys = {peer: device.export_key(peer, now_ms) for peer in peers}
        entries = [key for key in keys.values() if key is not None]
        if epoch is not None and entries:
            announcement = Announcement.make(group.group_id, notice, secret, entries)
            self._enqueue(epoch, FrameKind.ANNOUNCED, announcement.encode(), self._nonce())
        without = [peer for peer, key in keys.items() if key is None or epoch is None]
        for account in dict.fromkeys(peer.account for peer in without):
            slots = frozenset(peer.slot for peer in without if peer.account == account)
            self.give(account, slots, given)

    def give(self, account: AccountId, slots: frozenset[int] | None, message: content_pb2.Group) -> None:
        """A pairwise message to some devices of a member, in the background: who does not get it asks."""
        self._ties.errands.run(partial(self._ties.sender.signal, account, slots, group=message))

    # For whom

    async def look_up(self, account: AccountId) -> None:
        """That it has devices here. Raises UnknownAccountError, SwarmUnreachableError."""
        await self._ties.fan_out.manifest(account)

    async def _look_up(self, group: ClosedGroup) -> None:
        """The devices of members who have shown others in the group, or were never met."""
        for account in group.roster.members:
            pinned, shown = self._pinned(account), group.roster.heads.get(account)
            if account != self._profile.own and (pinned is None or (shown and shown.version > pinned.version)):
                with suppress(ProtocolError):
                    self._ties.directory.forget(account_named(account))
                    await self._ties.fan_out.manifest(account_named(account))

    def _pinned(self, account: bytes) -> Head | None:
        device = self._profile.device
        return device.manifest.head if account == self._profile.own else device.pinned(account_named(account))

    def _peers(self, group: ClosedGroup, accounts: Iterable[bytes]) -> dict[Peer, bytes]:
        """Their devices but for this one and those that the person has not acknowledged, with what names each."""
        peers = {}
        for raw in sorted(accounts):
            account, head = account_named(raw), self._pinned(raw)
            strangers = {each.slot for each in self._ties.vigil.strangers(account).values()}
            for slot, record_hash in head.slots if head else ():
                if slot not in strangers and (raw, slot) != (self._profile.own, self._profile.device.slot):
                    peers[Peer(account, slot)] = record_hash
        return peers

    # Envelopes

    def _nonce(self) -> bytes:
        return draw_nonce(self._swarms.random)

    def _enqueue(
        self,
        epoch: Epoch,
        kind: FrameKind,
        body: bytes,
        nonce: bytes,
        life_ms: int = MESSAGE_LIFE_MS,
        entry: bytes = SPOKEN_ENTRY,
    ) -> None:
        now_ms = self._swarms.clock.now_ms()
        day = mailbox_day(now_ms)
        envelope = seal_frame(epoch.frame_key(day), kind, body, nonce, entry)
        self._profile.store.enqueue(
            epoch.mailbox(day).encoded,
            entry,
            _expiry(now_ms, life_ms),
            envelope,
            recipient=epoch.group_id,
            writer=epoch.writer(day).seed,
        )
        self._ties.generation.sealed()


@lru_cache(4_096)
def account_named(raw: bytes) -> AccountId:
    """By its identity key, which is one: that is checked once, not for a hundred members at each word."""
    return AccountId(VerifyKey(raw))


def chain_message(chain: ReceivingChain) -> group_pb2.GroupChain:
    """As it is given over a session."""
    return group_pb2.GroupChain(
        chain_id=chain.chain_id, signing_key=chain.signing.raw, chain_key=chain.key, number=chain.number
    )


def _digest(peers: dict[Peer, bytes]) -> bytes:
    named = (peer.account.raw + bytes((peer.slot,)) + record for peer, record in peers.items())
    return blake2b256(b"essaim/group-targets/v1", *sorted(named))


def _expiry(now_ms: int, life_ms: int) -> int:
    """Whole minutes, not less than a minute ahead."""
    return max(now_ms + min(life_ms, MESSAGE_LIFE_MS), now_ms + 2 * MINUTE_MS) // MINUTE_MS * MINUTE_MS
