"""Reading a mailbox from enough members that nothing acknowledged can be missed: r - W + 1 complete answers."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import cast

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.mailbox.authorization import Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.rule import MAX_ENTRY
from essaim.protocol.view import Node
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.refusals import Refusals
from essaim_client.mailbox.swarm_call import ROUNDS, Swarms, SwarmUnreachableError
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError

ROOM = {CellClass.SMALL: 12_288, CellClass.MEDIUM: 61_440, CellClass.LARGE: 253_952}
"""Envelope bytes that are asked for in one reply of a class: the rest is framing and the cursor."""
PAGES = (CellClass.SMALL, CellClass.SMALL, CellClass.MEDIUM, CellClass.MEDIUM)
"""The reply classes of a member's first pages; those after them are large.

Who has little waiting looks like everybody who polls. Where much waits, many small replies would show it as well as few
large ones do, and take twenty times as many.
"""

SEEN_MAX = 1 << 16
"""Envelope ids remembered by a reading: beyond them a repeat is left to the reader's own store."""
LISTED_MAX = 1 << 15
"""Envelopes that one member may list in one reading: twice what the largest mailbox holds."""


@dataclass
class Reading:
    """What has been read so far: a cursor for each member, and which of them answered completely."""

    cursors: dict[bytes, bytes] = field(default_factory=dict)
    complete: set[bytes] = field(default_factory=set)
    _seen: dict[bytes, None] = field(default_factory=dict)

    def is_new(self, envelope: mailbox_pb2.StoredEnvelope) -> bool:
        """Members repeat each other."""
        return envelope.envelope_id not in self._seen

    def taken(self, envelope: mailbox_pb2.StoredEnvelope) -> None:
        """The envelope was given out."""
        self._seen[envelope.envelope_id] = None
        while len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]


@dataclass
class Pages:
    """What one member had after a cursor; `complete` unless it failed, or says itself that it may lack something."""

    node_id: bytes
    cursor: bytes
    envelopes: list[mailbox_pb2.StoredEnvelope] = field(default_factory=list)
    complete: bool = False


class Reader:
    """Quorum reads of one slot or entry."""

    def __init__(self, swarms: Swarms, access: Access) -> None:
        self.access = access
        self._swarms = swarms

    async def read(self, reading: Reading) -> AsyncGenerator[mailbox_pb2.StoredEnvelope, None]:
        """Every envelope not yet in `reading`, from r - W + 1 members over different paths, in rounds.

        Raises SwarmUnreachableError when too few answer completely, SwarmRefusedError when more than one refuses; what
        was yielded until then is good.
        """
        reading.complete.clear()
        patience = self._swarms.patience()
        refusals = Refusals(self._swarms, self.access.policy.mailbox_id, patience=patience)
        for number in range(ROUNDS):
            refusals.begin_round()
            waiting = patience.ready(self._unread(reading))
            # First just as many as are needed; where one of them fails, the others, one batch of the missing at a time.
            while waiting and (missing := self._missing(reading)):
                asked, waiting = waiting[:missing], waiting[missing:]
                async with aclosing(self._each(asked, reading, refusals)) as envelopes:
                    async for envelope in envelopes:
                        yield envelope
            if not self._missing(reading):
                return
            if patience.over or not await patience.pause(number, self._unread(reading)):
                break
        if not reading.complete:
            refusals.settle()
        raise SwarmUnreachableError("too few members of the swarm answered completely")

    def _unread(self, reading: Reading) -> list[Node]:
        members = self._swarms.members(self.access.policy.mailbox_id)
        return [node for node in members if node.node_id not in reading.complete]

    def _missing(self, reading: Reading) -> int:
        return max(0, self._needed() - len(reading.complete))

    def _needed(self) -> int:
        return self._swarms.quorum_read(self.access.policy.mailbox_id)

    async def _each(
        self, nodes: Sequence[Node], reading: Reading, refusals: Refusals
    ) -> AsyncGenerator[mailbox_pb2.StoredEnvelope, None]:
        """All members at once, each given out as it answers: its mail does not wait for the slowest."""
        cursors = reading.cursors
        reads = (self._read_member(node, cursors.get(node.node_id, b""), refusals) for node in nodes)
        tasks = [asyncio.create_task(each) for each in reads]
        try:
            for answered in asyncio.as_completed(tasks):
                pages = await answered
                async with aclosing(self.new(pages.envelopes, reading)) as envelopes:
                    async for envelope in envelopes:
                        yield envelope
                reading.cursors[pages.node_id] = pages.cursor
                if pages.complete:
                    reading.complete.add(pages.node_id)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def new(
        self, envelopes: Iterable[mailbox_pb2.StoredEnvelope], reading: Reading
    ) -> AsyncGenerator[mailbox_pb2.StoredEnvelope, None]:
        """Those not given out before, whole. The caller moves the cursor on afterwards: none is passed over.

        What is not the envelope of its id is left out: to confirm it would remove the real one everywhere.
        """
        for envelope in envelopes:
            if reading.is_new(envelope):
                whole = await self.whole(envelope)
                if whole is not None and self._is_genuine(whole):
                    yield whole
                    reading.taken(whole)

    def _is_genuine(self, envelope: mailbox_pb2.StoredEnvelope) -> bool:
        if self.access.slot not in (b"", envelope.slot) or len(envelope.slot) > MAX_ENTRY:
            return False
        named = (self.access.policy.mailbox_id, envelope.slot, envelope.expires_ms, envelope.data, envelope.version)
        return envelope_id(*named) == envelope.envelope_id

    async def _read_member(self, node: Node, cursor: bytes, refusals: Refusals) -> Pages:
        """All pages of one member; an unreachable one gives none, one that is lost meanwhile what it gave."""
        pages, classes = Pages(node.node_id, cursor), chain(PAGES, repeat(CellClass.LARGE))
        try:
            while True:
                answer = await self._page(node, pages.cursor, next(classes))
                pages.envelopes += answer.envelopes
                pages.cursor = answer.cursor
                if answer.more and (not answer.envelopes or len(pages.envelopes) > LISTED_MAX):
                    return pages  # a member that would keep its reader for ever
                if not answer.more:
                    pages.complete = not answer.incomplete
                    return pages
        except (DestinationLostError, PathFailedError):
            return pages
        except DestinationRefusedError as error:
            await refusals.heard(node, error)
            return pages

    async def _page(self, node: Node, cursor: bytes, reply_class: CellClass) -> mailbox_pb2.RetrieveResponse:
        request = self._request(cursor=cursor, max_bytes=ROOM[reply_class])
        answer = await self._swarms.ask(node, "Retrieve", request, self.access.lane, reply_class)
        return cast("mailbox_pb2.RetrieveResponse", answer)

    def _request(self, *, cursor: bytes, max_bytes: int, ids: Sequence[bytes] = ()) -> mailbox_pb2.RetrieveRequest:
        return mailbox_pb2.RetrieveRequest(
            mailbox=self.access.mailbox(self._swarms.views.current.serial),
            slot=self.access.slot,
            cursor=cursor,
            max_bytes=max_bytes,
            envelope_ids=ids,
            authorization=self.access.reading(Method.RETRIEVE, self._swarms.clock.now_ms(), self._swarms.random),
        )

    async def whole(self, envelope: mailbox_pb2.StoredEnvelope) -> mailbox_pb2.StoredEnvelope | None:
        """The envelope with its bytes: one that did not fit is fetched by a call of the reply class that holds it.

        None when r - W + 1 members are without it: it was removed meanwhile, or no quorum ever had it.
        """
        if envelope.data:
            return envelope
        reply_class = next((each for each in CellClass if ROOM[each] >= envelope.size), CellClass.LARGE)
        without = 0
        for node in self._swarms.members(self.access.policy.mailbox_id):
            request = self._request(cursor=b"", max_bytes=ROOM[reply_class], ids=[envelope.envelope_id])
            try:
                answer = await self._swarms.ask(node, "Retrieve", request, self.access.lane, reply_class)
            except ProtocolError:
                continue
            response = cast("mailbox_pb2.RetrieveResponse", answer)
            for found in response.envelopes:
                if found.envelope_id == envelope.envelope_id and self._is_genuine(found):
                    return found
            without += not response.incomplete
        if without >= self._needed():
            return None
        raise SwarmUnreachableError("no member of the swarm gave the envelope")


async def entry_versions(swarms: Swarms, access: Access) -> list[bytes]:
    """An outbox entry as r - W + 1 members have it, every one that differs.

    Which is the newest only its sealed content proves: the version beside it is a member's word.
    """
    return [envelope.data async for envelope in Reader(swarms, access).read(Reading())]
