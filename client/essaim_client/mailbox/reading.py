"""Reading a mailbox from enough members that nothing acknowledged can be missed: r - W + 1 complete answers."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.mailbox.authorization import Method
from essaim.protocol.view import Node
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.swarm_call import ROUNDS, Swarms, SwarmUnreachableError
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError

ROOM = {CellClass.SMALL: 12_288, CellClass.MEDIUM: 61_440, CellClass.LARGE: 253_952}
"""Envelope bytes that are asked for in one reply of a class: the rest is framing and the cursor."""


@dataclass
class Reading:
    """What has been read so far: a cursor for each member, and which of them answered completely."""

    cursors: dict[bytes, bytes] = field(default_factory=dict)
    complete: set[bytes] = field(default_factory=set)
    seen: set[bytes] = field(default_factory=set)

    def fresh(self, envelopes: Sequence[mailbox_pb2.StoredEnvelope]) -> list[mailbox_pb2.StoredEnvelope]:
        """Those not given out before: members repeat each other."""
        new = [each for each in envelopes if each.envelope_id not in self.seen]
        self.seen |= {each.envelope_id for each in new}
        return new


class Reader:
    """Quorum reads of one slot or entry."""

    def __init__(self, swarms: Swarms, access: Access) -> None:
        self.access = access
        self._swarms = swarms

    async def read(self, reading: Reading) -> AsyncGenerator[mailbox_pb2.StoredEnvelope, None]:
        """Every envelope not yet in `reading`, from r - W + 1 members over different paths, in rounds.

        Raises SwarmUnreachableError when too few answer completely; what was yielded until then is good.
        """
        reading.complete.clear()
        for number in range(ROUNDS):
            waiting = [n for n in self._swarms.members(self.access.policy.mailbox_id) if n.node_id not in reading.complete]
            missing = self._needed() - len(reading.complete)
            async with aclosing(self._each(waiting[:missing], reading)) as envelopes:
                async for envelope in envelopes:
                    yield envelope
            for node in waiting[missing:]:
                if len(reading.complete) >= self._needed():
                    break
                for envelope in reading.fresh(await self._read_member(node, reading)):
                    yield await self.whole(envelope)
            if len(reading.complete) >= self._needed():
                return
            await self._swarms.pause(number)
        raise SwarmUnreachableError("too few members of the swarm answered completely")

    async def _each(
        self, nodes: Sequence[Node], reading: Reading
    ) -> AsyncGenerator[mailbox_pb2.StoredEnvelope, None]:
        """All members at once, each given out as it answers: its mail does not wait for the slowest."""
        tasks = [asyncio.create_task(self._read_member(node, reading)) for node in nodes]
        try:
            for pages in asyncio.as_completed(tasks):
                for envelope in reading.fresh(await pages):
                    yield await self.whole(envelope)
        finally:
            for task in tasks:
                task.cancel()

    def _needed(self) -> int:
        size = len(self._swarms.views.current.swarm_of(self.access.policy.mailbox_id).members)
        return size - (size // 2 + 1) + 1

    async def _read_member(self, node: Node, reading: Reading) -> list[mailbox_pb2.StoredEnvelope]:
        """All pages of one member; an unreachable one gives none."""
        envelopes: list[mailbox_pb2.StoredEnvelope] = []
        try:
            while True:
                answer = await self._page(node, reading.cursors.get(node.node_id, b""))
                envelopes += answer.envelopes
                reading.cursors[node.node_id] = answer.cursor
                if not answer.more:
                    break
        except (DestinationLostError, PathFailedError):
            return envelopes
        except DestinationRefusedError as error:
            await self._swarms.correct(error)
            return envelopes
        if not answer.incomplete:
            reading.complete.add(node.node_id)
        return envelopes

    async def _page(self, node: Node, cursor: bytes) -> mailbox_pb2.RetrieveResponse:
        request = self._request(cursor=cursor, max_bytes=ROOM[CellClass.SMALL])
        return cast(
            "mailbox_pb2.RetrieveResponse", await self._swarms.ask(node, "Retrieve", request, self.access.lane)
        )

    def _request(self, *, cursor: bytes, max_bytes: int, ids: Sequence[bytes] = ()) -> mailbox_pb2.RetrieveRequest:
        return mailbox_pb2.RetrieveRequest(
            mailbox=self.access.mailbox(self._swarms.views.current.serial),
            slot=self.access.slot,
            cursor=cursor,
            max_bytes=max_bytes,
            envelope_ids=ids,
            authorization=self.access.reading(Method.RETRIEVE, self._swarms.clock.now_ms(), self._swarms.random),
        )

    async def whole(self, envelope: mailbox_pb2.StoredEnvelope) -> mailbox_pb2.StoredEnvelope:
        """The envelope with its bytes: one that did not fit is fetched by a call of the reply class that holds it."""
        if envelope.data:
            return envelope
        reply_class = next(each for each in CellClass if ROOM[each] >= envelope.size or each == CellClass.LARGE)
        for node in self._swarms.members(self.access.policy.mailbox_id):
            request = self._request(cursor=b"", max_bytes=ROOM[reply_class], ids=[envelope.envelope_id])
            try:
                answer = await self._swarms.ask(node, "Retrieve", request, self.access.lane, reply_class)
            except ProtocolError:
                continue
            for found in cast("mailbox_pb2.RetrieveResponse", answer).envelopes:
                if found.data:
                    return found
        raise SwarmUnreachableError("no member of the swarm gave the envelope")


async def newest_entry(swarms: Swarms, access: Access) -> bytes | None:
    """The highest version of an outbox entry among r - W + 1 members; None when there is none."""
    best: mailbox_pb2.StoredEnvelope | None = None
    async for envelope in Reader(swarms, access).read(Reading()):
        if best is None or envelope.version > best.version:
            best = envelope
    return best.data if best is not None else None
