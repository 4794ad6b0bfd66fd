"""Following a mailbox live: read what is there from a quorum, then hold one member's stream; resume after any death."""

import asyncio
from collections.abc import AsyncGenerator
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


class Follower:
    """An endless stream of one slot's envelopes, each once for each `Follower`."""

    def __init__(self, swarms: Swarms, access: Access) -> None:
        self._swarms = swarms
        self._access = access
        self._reader = Reader(swarms, access)
        self._reading = Reading()
        self.live = asyncio.Event()
        """Set while a member's stream is open and what was there before it has been read."""

    async def envelopes(self) -> AsyncGenerator[mailbox_pb2.StoredEnvelope, None]:
        """Until the consumer closes it. No failure of the network ends it; a refusal by the mailbox does."""
        failures = 0
        while True:
            try:
                async with aclosing(self._reader.read(self._reading)) as backlog:
                    async for envelope in backlog:
                        yield envelope
                async with aclosing(self._arriving()) as arriving:
                    async for envelope in arriving:
                        yield envelope
            except ProtocolError as error:
                failures = 0 if self.live.is_set() else failures + 1
                await self._mend(error, failures)
            finally:
                self.live.clear()

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
        if failures:
            await self._swarms.pause(failures)

    async def _arriving(self) -> AsyncGenerator[mailbox_pb2.StoredEnvelope, None]:
        """From one member, after what was read there."""
        node_id = self._member()
        stream = LiveStream(self._swarms, node_id, b"follow" + self._access.lane, lambda: self._request(node_id))
        async with aclosing(stream.answers()) as answers:
            async for answer in answers:
                async with aclosing(self._reader.new(answer.envelopes, self._reading)) as envelopes:
                    async for envelope in envelopes:
                        yield envelope
                self._reading.cursors[node_id] = answer.cursor
                self.live.set()

    def _member(self) -> bytes:
        """Any of those read: one that refuses to be followed must not be asked again and again."""
        complete = sorted(self._reading.complete)
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
