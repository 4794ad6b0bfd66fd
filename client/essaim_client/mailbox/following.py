"""Following a mailbox live: read what is there from a quorum, then hold one member's stream; resume after any death.

Where no stream can be held the mailbox is polled: a quorum read, and another try, at the times of a Poisson process.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.mailbox.authorization import Method as SignedMethod
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.live_stream import LiveStream
from essaim_client.mailbox.reading import ROOM, Reader, Reading
from essaim_client.mailbox.refusals import SwarmRefusedError
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError
from essaim_client.network.guard import draw
from essaim_client.network.poisson import next_in

POLL_SECONDS = 20.0
"""Between two polls, on average."""


class Follower:
    """An endless stream of one slot's envelopes, each once for each `Follower`. `on_change`: `live` did."""

    def __init__(self, swarms: Swarms, access: Access, on_change: Callable[[], None] = lambda: None) -> None:
        self._swarms = swarms
        self._access = access
        self._reader = Reader(swarms, access)
        self._reading = Reading()
        self._on_change = on_change
        self._unheld: set[bytes] = set()
        """Members at which no stream came to stand, since one did last."""
        self.member: bytes | None = None
        """The node that is followed, or was last."""
        self.live = asyncio.Event()
        """Set while a member's stream is open and what was there before it has been read."""

    @property
    def polling(self) -> bool:
        """Whether it has been given up, for now, to hold a stream."""
        members = self._swarms.views.current.swarm_of(self._access.policy.mailbox_id).members
        return self._unheld.issuperset(node.node_id for node in members)

    async def envelopes(self) -> AsyncGenerator[mailbox_pb2.StoredEnvelope, None]:
        """Until the consumer closes it. No failure of the network ends it; a refusal by the mailbox does."""
        failures = 0
        while True:
            was_read = False
            try:
                async with aclosing(self._reader.read(self._reading)) as backlog:
                    async for envelope in backlog:
                        yield envelope
                was_read = True
                async with aclosing(self._arriving()) as arriving:
                    async for envelope in arriving:
                        yield envelope
            except ProtocolError as error:
                failures = 0 if self.live.is_set() else failures + 1
                if was_read and failures and self.member is not None:
                    self._unheld.add(self.member)
                await self._mend(error, failures)
            finally:
                self.live.clear()
                self._on_change()

    async def _mend(self, error: ProtocolError, failures: int) -> None:
        """Before the next quorum read; a member that is lost is simply not the next one."""
        if isinstance(error, PathFailedError):
            await self._swarms.onion.mend(error, failures)
        elif isinstance(error, SwarmRefusedError):
            raise error
        elif isinstance(error, DestinationRefusedError):  # by the member that was followed: its own word alone
            await self._swarms.correct(error)
        elif isinstance(error, DestinationLostError):
            await self._swarms.views.refresh()
        if self.polling:
            await asyncio.sleep(next_in(POLL_SECONDS, self._swarms.random))
        elif failures:
            await self._swarms.pause(failures)

    async def _arriving(self) -> AsyncGenerator[mailbox_pb2.StoredEnvelope, None]:
        """From one member, after what was read there."""
        node_id = self.member = self._member()
        stream = LiveStream(self._swarms, node_id, b"follow" + self._access.lane, lambda: self._request(node_id))
        async with aclosing(stream.answers()) as answers:
            async for answer in answers:
                async with aclosing(self._reader.new(answer.envelopes, self._reading)) as envelopes:
                    async for envelope in envelopes:
                        yield envelope
                self._reading.cursors[node_id] = answer.cursor
                if not self.live.is_set():
                    self._unheld.clear()
                    self.live.set()
                    self._on_change()

    def _member(self) -> bytes:
        """Any of those read, one that would not be followed last: it must not be asked again and again."""
        complete = sorted(self._reading.complete - self._unheld or self._reading.complete)
        return complete[draw(self._swarms.random, len(complete))]

    def _request(self, node_id: bytes) -> mailbox_pb2.SubscribeRequest:
        now_ms, random = self._swarms.clock.now_ms(), self._swarms.random
        return mailbox_pb2.SubscribeRequest(
            mailbox=self._access.mailbox(self._swarms.views.current.serial),
            slot=self._access.slot,
            cursor=self._reading.cursors.get(node_id, b""),
            max_bytes=ROOM[CellClass.SMALL],
            authorization=self._access.reading(SignedMethod.SUBSCRIBE, now_ms, random),
        )
