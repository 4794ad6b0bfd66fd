"""What is done for groups unasked: asking for what is missing, telling of own devices, forgetting what is over.

Members ask each other once a day whether they know the same: so who was away for long, or was hidden something, finds
the group again over the members' inboxes.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from essaim.messaging.v1 import content_pb2, group_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Peer
from essaim.protocol.device import Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.group.record import Act
from essaim.protocol.keys import PUBLIC_SIZE, VerifyKey
from essaim.protocol.mailbox.rule import DAY_MS
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.group_book import ClosedGroup, GroupBook
from essaim_client.messaging.group_intake import GroupIntake
from essaim_client.messaging.group_posting import HEADS_MAX, GroupPosting, GroupRoomError
from essaim_client.messaging.profile import GROUP, Profile
from essaim_client.messaging.sender import Sender

REMEMBERED = 8
ASK_EVERY_MS = DAY_MS
ASK_AGAIN_MS = 60_000
AWAY_MS = 13 * DAY_MS
ASKED_WHEN_AWAY = 5
CHAINS_KEPT_MS = 16 * DAY_MS
CURSORS_KEPT_MS = 30 * DAY_MS


class GroupTending:
    """`tend` every hour, `heal` when something may be missing, `ask_for` entries."""

    def __init__(
        self,
        profile: Profile,
        agreement: Agreement,
        book: GroupBook,
        intake: GroupIntake,
        posting: GroupPosting,
        sender: Sender,
        now_ms: Callable[[], int],
        random: Random,
    ) -> None:
        self._profile = profile
        self._agreement = agreement
        self._book = book
        self._intake = intake
        self._posting = posting
        self._sender = sender
        self._now_ms = now_ms
        self._random = random
        self._asked: dict[tuple[bytes, Peer], int] = {}

    # Every hour

    async def tend(self) -> None:
        """What is due of each group."""
        for group in self._book.all():
            if self._book.is_in(group):
                await self._show_devices(group)
                await self._compare(group)
        await self._look_for_lost()
        self.remember()
        self._forget()

    async def _show_devices(self, group: ClosedGroup) -> None:
        """The own list of devices is another one than the group has seen; or, for an admin, there are many heads."""
        shown, head = group.roster.heads.get(self._profile.own), self._profile.device.manifest.head
        changed = shown is not None and shown.version < head.version and shown.slots != head.slots
        scattered = len(group.log.heads) > HEADS_MAX and group.roster.is_admin(self._profile.own)
        if changed or scattered:
            with suppress(GroupRoomError):
                with self._profile.store.transaction():
                    record = self._posting.sign(group, Act.DEVICES)
                await self._posting.publish(group, [record])

    async def _compare(self, group: ClosedGroup) -> None:
        """Ask a member, after a long time several, what they know."""
        now_ms = self._now_ms()
        away_ms = now_ms - group.asked_ms
        if away_ms < ASK_EVERY_MS:
            return
        count = ASKED_WHEN_AWAY if away_ms > AWAY_MS else 1
        group.asked_ms = now_ms
        with self._profile.store.transaction():
            self._book.save(group)
        await self._ask_some(group.group_id, self._others(group), count, group.log.heads)

    async def _look_for_lost(self) -> None:
        """Groups that an own device was in, and of which this one knows nothing: who was in them is asked."""
        for key, value in self._profile.configuration.values(GROUP).items():
            group_id = key[len(GROUP) :]
            if value and self._book.find(group_id) is None:
                members = [value[at : at + PUBLIC_SIZE] for at in range(0, len(value), PUBLIC_SIZE)]
                await self._ask_some(group_id, [each for each in members if each != self._profile.own], REMEMBERED, [])

    async def _ask_some(self, group_id: bytes, members: Sequence[bytes], count: int, heads: Iterable[bytes]) -> None:
        ask = group_pb2.GroupAsk(heads=heads)
        message, after = content_pb2.Group(group_id=group_id, ask=ask), self._profile.store.history.heads(group_id)
        drawn = sorted(members, key=lambda _: self._random(8))[:count]
        await asyncio.gather(*(self._quietly(each, None, group=message, after=after) for each in drawn))

    def _others(self, group: ClosedGroup) -> list[bytes]:
        return [account for account in group.roster.joined if account != self._profile.own]

    def remember(self) -> None:
        """So that a device which is restored without any other one finds the groups again."""
        for group in self._book.all():
            key, admins = GROUP + group.group_id, [each for each in group.roster.admins if each != self._profile.own]
            known = sorted(dict.fromkeys([*admins, *self._others(group)][:REMEMBERED])) or [self._profile.own]
            value = b"".join(known) if self._book.is_in(group) else b""
            if (self._profile.configuration.value(key) or b"") != value:
                with self._agreement.changing() as (state, now):
                    state.write(key, value, now)

    def _forget(self) -> None:
        now_ms, store = self._now_ms(), self._book.store
        with self._profile.store.transaction():
            for group in self._book.all():
                self._book.forget_epochs(group, now_ms)
            store.forget_waiting(now_ms)
            store.close_chains(now_ms - CHAINS_KEPT_MS)
            store.forget_cursors(now_ms - CURSORS_KEPT_MS)

    # What is missing

    async def heal(self) -> None:
        """Ask for chains in which something was said that cannot be read, and for records that others speak of."""
        for group in self._book.all():
            if self._book.is_in(group):
                questions = self._intake.questions(group).items()
                await asyncio.gather(*(self._question(group, peer, ask) for peer, ask in questions))

    async def _question(self, group: ClosedGroup, peer: Peer, ask: group_pb2.GroupAsk) -> None:
        now_ms, key = self._now_ms(), (group.group_id, peer)
        if now_ms - self._asked.get(key, 0) >= ASK_AGAIN_MS:
            self._asked[key] = now_ms
            message = content_pb2.Group(group_id=group.group_id, ask=ask)
            await self._quietly(peer.account.raw, frozenset({peer.slot}), group=message)

    async def ask_for(self, group_id: bytes, ids: Sequence[bytes]) -> None:
        """Entries that others follow: own devices, who has spoken of them, and one other member."""
        group = self._book.find(group_id)
        if group is None or not self._book.is_in(group):
            return
        history = self._profile.store.history
        speakers = {author for each in ids for author in history.followers(group_id, each)}
        others = self._others(group)
        chosen = [each for each in others if each in speakers][:2]
        chosen += sorted((each for each in others if each not in chosen), key=lambda _: self._random(8))[:1]
        message = content_pb2.Group(group_id=group_id, want=content_pb2.Want(ids=ids))
        await asyncio.gather(*(self._quietly(each, None, group=message) for each in (self._profile.own, *chosen)))

    async def _quietly(self, account: bytes, slots: frozenset[int] | None, **body: object) -> None:
        with suppress(ProtocolError):
            await self._sender.signal(AccountId(VerifyKey(account)), slots, **body)
