"""Following a mailbox live: read what is there from a quorum, then hold one member's stream; resume after any death."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from google.protobuf.message import Message

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.mailbox.authorization import Method as SignedMethod
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.reading import ROOM, Reader, Reading
from essaim_client.mailbox.swarm_call import SERVICE, Swarms
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError
from essaim_client.network.guard import draw
from essaim_client.network.method import Method

FOLLOW_MIN_SECONDS = 7 * 60
FOLLOW_SPREAD_SECONDS = 2 * 60
"""A stream moves to a new path 1 to 3 minutes before its path's ten minutes end."""
SUBSCRIBE = Method(SERVICE, "Subscribe")


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
        number = 0
        while True:
            try:
                async with aclosing(self._reader.read(self._reading)) as backlog:
                    async for envelope in backlog:
                        yield envelope
                async with aclosing(self._stream()) as arriving:
                    async for envelope in arriving:
                        number = 0
                        yield envelope
            except (DestinationLostError, PathFailedError) as error:
                await self._swarms.onion.mend(error, min(number, 10))
            except DestinationRefusedError as error:
                await self._swarms.correct(error)
            except ProtocolError:
                await self._swarms.pause(number)
            finally:
                self.live.clear()
            number += 1

    async def _stream(self) -> AsyncGenerator[mailbox_pb2.StoredEnvelope, None]:
        """One member's stream until its path grows old; it begins after what was read from that member."""
        node_id = next(iter(self._reading.complete))
        lane = b"follow" + self._access.lane
        self._swarms.onion.lanes.drop(lane)
        loop = asyncio.get_running_loop()
        until = loop.time() + FOLLOW_MIN_SECONDS + draw(self._swarms.random, FOLLOW_SPREAD_SECONDS)
        answers = self._swarms.onion.stream(node_id, SUBSCRIBE, self._request(node_id), lane=lane)
        async with aclosing(answers):
            while (answer := await _before(until - loop.time(), answers)) is not None:
                self._reading.cursors[node_id] = answer.cursor
                self.live.set()
                for envelope in self._reading.fresh(answer.envelopes):
                    yield await self._reader.whole(envelope)

    def _request(self, node_id: bytes) -> mailbox_pb2.SubscribeRequest:
        now_ms, random = self._swarms.clock.now_ms(), self._swarms.random
        return mailbox_pb2.SubscribeRequest(
            mailbox=self._access.mailbox(self._swarms.views.current.serial),
            slot=self._access.slot,
            cursor=self._reading.cursors.get(node_id, b""),
            max_bytes=ROOM[CellClass.SMALL],
            authorization=self._access.reading(SignedMethod.SUBSCRIBE, now_ms, random),
        )


async def _before(seconds: float, answers: AsyncGenerator[Message, None]) -> mailbox_pb2.SubscribeResponse | None:
    """The next answer; None when the stream has ended or the time is over."""
    try:
        return cast("mailbox_pb2.SubscribeResponse", await asyncio.wait_for(anext(answers), seconds))
    except (TimeoutError, StopAsyncIteration):
        return None
