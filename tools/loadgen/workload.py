"""What a client of the load generator does: the client library's own calls, with every answer compared."""

import os
from itertools import cycle
from typing import cast

from google.protobuf.message import Message

from essaim.network.links import Links
from essaim.protocol.geometry import ENVELOPE_SIZES, CellClass
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.protocol.view import Node
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.reading import ROOM
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.network.connection import Connection
from essaim_client.network.onion_client import OnionClient, RequestFailure

SLOT = b"\0"
RECIPIENTS = 16
"""Public inboxes that a client stores into in turn: none comes near to half of its quota."""


class WrongAnswerError(AssertionError):
    """An answer that is not what was stored or asked for."""


class CountedOnion(OnionClient):
    """Counts the attempts that failed: a figure with retries in it says so."""

    retries = 0

    async def mend(self, error: RequestFailure, number: int) -> None:
        self.retries += 1
        await super().mend(error, number)


class ComparedSwarms(Swarms):
    """Compares what a Store acknowledges with what was sent."""

    async def ask(
        self, node: Node, name: str, request: Message, lane: bytes, reply_class: CellClass = CellClass.SMALL
    ) -> Message:
        answer = await super().ask(node, name, request, lane, reply_class)
        if isinstance(request, mailbox_pb2.StoreRequest):
            wanted = [
                envelope_id(request.mailbox.id, each.slot, each.expires_ms, each.data, each.version)
                for each in request.envelopes
            ]
            results = cast("mailbox_pb2.StoreResponse", answer).results
            if [each.envelope_id for each in results if not each.status.code] != wanted:
                raise WrongAnswerError("a store that was not acknowledged as it was sent")
        return answer


class Workload:
    """One client: its own mailbox, in which one envelope waits, and the mailboxes that it stores into."""

    def __init__(self, network: Connection, links: Links) -> None:
        self.onion = CountedOnion(links, network.views, network.lanes, network.clock, network.random)
        self._swarms = ComparedSwarms(self.onion, network.views, network.clock, network.random)
        self._writer = Writer(self._swarms)
        self._recipients = cycle([Policy.public_inbox(_key().public) for _ in range(RECIPIENTS)])
        self._own = _own_slot()
        self._waiting = b""

    async def prepare(self) -> None:
        """Lay the envelope that `retrieve` reads into the own mailbox, on every member."""
        envelope = self._outgoing()
        self._waiting = envelope.data
        await self._writer.store(self._own.policy, [envelope])
        for node in self._swarms.members(self._own.policy.mailbox_id):
            while not await self._retrieved(node):
                pass

    async def store(self) -> None:
        """One envelope of the smallest size for somebody's public inbox, acknowledged by a quorum."""
        await self._writer.store(next(self._recipients), [self._outgoing()])

    async def retrieve(self) -> None:
        """The one envelope of the own slot, by a request that was signed for this, from a random member."""
        node = self._swarms.members(self._own.policy.mailbox_id)[0]
        if await self._retrieved(node) != [self._waiting]:
            raise WrongAnswerError("not the envelope that waits")

    async def _retrieved(self, node: Node) -> list[bytes]:
        now_ms = self._swarms.clock.now_ms()
        request = mailbox_pb2.RetrieveRequest(
            mailbox=self._own.mailbox(self._swarms.views.current.serial),
            slot=self._own.slot,
            max_bytes=ROOM[CellClass.SMALL],
            authorization=self._own.reading(Method.RETRIEVE, now_ms, self._swarms.random),
        )
        answer = await self._swarms.ask(node, "Retrieve", request, self._own.lane)
        return [each.data for each in cast("mailbox_pb2.RetrieveResponse", answer).envelopes]

    def _outgoing(self) -> Outgoing:
        return Outgoing(SLOT, self._swarms.clock.now_ms() + DAY_MS, os.urandom(ENVELOPE_SIZES[0]))


def _key() -> SigningKey:
    return SigningKey(os.urandom(32))


def _own_slot() -> Access:
    """A public inbox and its device slot, read with the slot's key as a real device does."""
    owner, device = _key(), _key()
    policy = Policy.public_inbox(owner.public)
    record = SlotRecord.sign(owner, policy.mailbox_id, SLOT[0], device.public, 1)
    return Access(policy, SLOT, device, record.encoded)
