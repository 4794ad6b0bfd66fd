"""Several mailboxes followed at once, each by a stream of its own; which they are may change while it goes on."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from essaim.protocol.errors import ProtocolError
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.following import POLL_SECONDS, Follower
from essaim_client.mailbox.round import Found, Round
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.network.poisson import next_in


@dataclass
class _Followed:
    follower: Follower
    task: "asyncio.Task[None]"
    refused: bool = False
    """It waits until it is tried again, and nobody waits for it."""


class Watch:
    """`follow` names the mailboxes; `found` gives out what is in them and what arrives.

    `live` is set while all of them are followed live, and what they held before has been given out.
    """

    def __init__(self, swarms: Swarms, live: asyncio.Event) -> None:
        self._swarms = swarms
        self._live = live
        self._queue: asyncio.Queue[tuple[Found | ProtocolError, asyncio.Future[None]]] = asyncio.Queue()
        self._followed: dict[bytes, _Followed] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._began = False

    def follow(self, accesses: Sequence[Access]) -> None:
        """These from now on, and no others. The first one's refusal ends everything; another is tried again later."""
        wanted = {access.policy.mailbox_id: access for access in accesses}
        for gone in self._followed.keys() - wanted.keys():
            self._leave(self._followed.pop(gone))
        for number, (mailbox_id, access) in enumerate(wanted.items()):
            if mailbox_id not in self._followed:
                self._begin(mailbox_id, access, essential=number == 0)
        self._judge()

    def ready(self) -> None:
        """Whatever else there was before has been given out."""
        self._began = True
        self._judge()

    def _begin(self, mailbox_id: bytes, access: Access, *, essential: bool) -> None:
        follower = Follower(self._swarms, access, self._judge)
        task = asyncio.create_task(self._run(mailbox_id, access, follower, essential=essential))
        self._followed[mailbox_id] = _Followed(follower, task)

    def _leave(self, followed: _Followed) -> None:
        followed.task.cancel()
        self._leaving.add(followed.task)
        followed.task.add_done_callback(self._leaving.discard)

    async def _run(self, mailbox_id: bytes, access: Access, follower: Follower, *, essential: bool) -> None:
        try:
            async with aclosing(follower.envelopes()) as envelopes:
                async for envelope in envelopes:
                    await self._hand((access, envelope))
        except ProtocolError as error:
            self._followed[mailbox_id].refused = True
            self._judge()
            if essential:
                await self._hand(error)
            # One member's lie is enough while the others are away: what it refused now may be there in a while.
            await asyncio.sleep(next_in(POLL_SECONDS, self._swarms.random))
            self._begin(mailbox_id, access, essential=essential)

    async def _hand(self, item: Found | ProtocolError) -> None:
        """Until it was dealt with: only then a cursor moves on, and only then the stream counts as live."""
        dealt_with = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((item, dealt_with))
        await dealt_with

    def _judge(self) -> None:
        followed = [each for each in self._followed.values() if not each.refused]
        if self._began and followed and all(each.follower.live.is_set() for each in followed):
            self._live.set()
        else:
            self._live.clear()

    async def sweep(self, accesses: Sequence[Access]) -> list[Access]:
        """Read these once; which of them were read to their end. Their failures are told to nobody: read them again."""
        reading = Round(self._swarms, accesses)
        async with aclosing(reading.envelopes()) as found:
            async for each in found:
                await self._hand(each)
        return reading.read

    def member_of(self, mailbox_id: bytes) -> bytes | None:
        """The node that this mailbox is followed at, if it is."""
        followed = self._followed.get(mailbox_id)
        return followed.follower.member if followed else None

    async def found(self) -> AsyncGenerator[Found, None]:
        """Until it is closed."""
        while True:
            item, dealt_with = await self._queue.get()
            if isinstance(item, ProtocolError):
                raise item
            if not dealt_with.cancelled():
                yield item
            if not dealt_with.done():
                dealt_with.set_result(None)

    async def close(self) -> None:
        """Nothing of it is left running."""
        for followed in self._followed.values():
            self._leave(followed)
        self._followed.clear()
        self._live.clear()
        await asyncio.gather(*self._leaving, return_exceptions=True)
