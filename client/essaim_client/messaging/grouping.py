"""Everything of closed groups on this device, put together."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from functools import partial

from essaim.messaging.v1 import content_pb2
from essaim.protocol.conversation import Opened, Peer
from essaim.protocol.errors import ProtocolError
from essaim_client.attachments.attachments import Attachments
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.conversations import Conversations
from essaim_client.messaging.events import Event
from essaim_client.messaging.group_book import GroupBook
from essaim_client.messaging.group_days import GroupDays
from essaim_client.messaging.group_giving import GroupGiving
from essaim_client.messaging.group_intake import GroupIntake
from essaim_client.messaging.group_posting import GroupPosting, Ties
from essaim_client.messaging.group_talk import Words
from essaim_client.messaging.group_tending import GroupTending
from essaim_client.messaging.groups import Groups
from essaim_client.messaging.intake import Answer, Taken
from essaim_client.messaging.profile import Profile

Source = Callable[[], AsyncGenerator[Event, None]]


class Grouping:
    """`groups` is what the person does; the rest is between the parts."""

    def __init__(
        self,
        swarms: Swarms,
        profile: Profile,
        agreement: Agreement,
        conversations: Conversations,
        ties: Ties,
        attachments: Attachments,
        tell: Callable[[Event], None],
    ) -> None:
        self._profile = profile
        self._conversations = conversations
        self.book = GroupBook(profile)
        self.intake = GroupIntake(profile, self.book, conversations, agreement)
        self.posting = GroupPosting(swarms, profile, self.book, ties)
        self.days = GroupDays(swarms, profile, self.book, self.intake, ties.errands, tell)
        words = Words(conversations, agreement, attachments)
        self.groups = Groups(swarms, profile, self.book, self.posting, words, ties.sender)
        self.groups.on_change = self._changed
        self._giving = GroupGiving(profile, self.book)
        now_ms, random = swarms.clock.now_ms, swarms.random
        self.tending = GroupTending(
            profile, agreement, self.book, self.intake, self.posting, ties.sender, now_ms, random
        )

    def _changed(self) -> None:
        self.days.wake()
        self.tending.remember()

    def is_in(self, group_id: bytes) -> bool:
        """Whether this account has joined it, and is in still."""
        group = self.book.find(group_id)
        return group is not None and self.book.is_in(group)

    def hear(self, opened: Opened, content: content_pb2.Content, taken: Taken, now_ms: int) -> None:
        """What a session brought of a group."""
        self.intake.hear(opened.sender, content, taken, now_ms, initial=opened.initial)
        self.days.wake()

    def for_own(self, peer: Peer) -> list[Answer]:
        """All groups, for an own other device that begins or was away."""
        groups = [group for group in self.book.all() if self.book.role(group) is not None]
        return [Answer(peer, {"group": part}) for group in groups for part in self._giving.whole(group)]

    def begin_anew(self) -> None:
        """The store was an old copy."""
        with self._profile.store.transaction():
            self.book.begin_anew()

    async def unsend_again(self) -> None:
        """What this person took back in groups, and no word of it is here: it may have reached nobody."""
        for group in filter(self.book.is_in, self.book.all()):
            for target in self._conversations.unsaid(group.group_id):
                unsend = content_pb2.Unsend(target=target)
                with suppress(ProtocolError):
                    await self.posting.say(group, partial(self._conversations.say, group.group_id, unsend=unsend))

    async def follow(self, inbox: Source) -> AsyncGenerator[Event, None]:
        """What the inbox brings; what groups bring is told meanwhile."""
        following = asyncio.create_task(self.days.follow())
        try:
            async with aclosing(inbox()) as events:
                async for event in events:
                    yield event
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
