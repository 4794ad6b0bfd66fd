"""Signed requests to a push host: one of its nodes, or another when that one is lost."""

from collections.abc import Iterable
from typing import cast

from google.protobuf.message import Message

from essaim.protocol.keys import SigningKey
from essaim.protocol.onion import Refusal
from essaim.protocol.push.authorization import Method, Request
from essaim.protocol.push.push_id import MAX_IDS, PUSH_ID_SIZE
from essaim.push.v1 import push_pb2
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError
from essaim_client.network.method import Method as Called
from essaim_client.push.finding import SERVICE

LANE = b"push/own"
Ids = dict[tuple[int, int], bytes]
"""(day, lane) to push id."""


class PushAsker:
    """One owner key at one host. Raises DestinationRefusedError with the host's reason, DestinationLostError."""

    def __init__(self, swarms: Swarms, host_id: bytes, node_ids: tuple[bytes, ...], owner: SigningKey) -> None:
        self._swarms = swarms
        self._host_id = host_id
        self._node_ids = node_ids
        self._owner = owner

    async def subscribe(self, new: push_pb2.NewSubscription) -> None:
        """The push ids come with `renew`."""
        await self._do(Method.SUBSCRIBE, new.SerializeToString())

    async def renew(self, subscription_id: bytes, days: range, lanes: Iterable[int]) -> Ids:
        """Keep the subscription; the push ids of these lanes for these days."""
        found: Ids = {}
        for run in _runs(lanes, max(1, MAX_IDS // len(days))):
            wanted = push_pb2.PushIds(first_day=days.start, days=len(days), lanes=len(run), first_lane=run.start)
            body = push_pb2.Renewal(subscription_id=subscription_id, ids=wanted).SerializeToString()
            answer = cast("push_pb2.RenewResponse", await self._do(Method.RENEW, body))
            found |= _cut(answer.push_ids, days, run)
        return found

    async def unsubscribe(self, subscription_id: bytes) -> None:
        body = push_pb2.Farewell(subscription_id=subscription_id).SerializeToString()
        await self._do(Method.UNSUBSCRIBE, body)

    async def list(self) -> tuple[push_pb2.Subscription, ...]:
        return tuple(cast("push_pb2.ListResponse", await self._do(Method.LIST, b"")).subscriptions)

    async def _do(self, method: Method, body: bytes) -> Message:
        for number, node_id in enumerate(self._node_ids, 1):
            try:
                return await self._ask(node_id, method, body)
            except DestinationLostError:
                if number == len(self._node_ids):
                    raise
        raise DestinationLostError(Refusal.UNREACHABLE)

    async def _ask(self, node_id: bytes, method: Method, body: bytes) -> Message:
        """Once more by the right clock, where the host finds this one wrong."""
        for last in (False, True):
            try:
                request = self._request(method, body)
                return await self._swarms.onion.unary(node_id, Called(SERVICE, method.value), request, lane=LANE)
            except DestinationRefusedError as error:
                if last or error.refused_reason != "CLOCK":
                    raise
                await self._swarms.views.correct_clock()
        raise AssertionError

    def _request(self, method: Method, body: bytes) -> Message:
        request = Request(self._host_id, method, body)
        authorization = request.authorize(self._owner, self._swarms.clock.now_ms())
        match method:
            case Method.SUBSCRIBE:
                return push_pb2.SubscribeRequest(authorization=authorization, body=body)
            case Method.RENEW:
                return push_pb2.RenewRequest(authorization=authorization, body=body)
            case Method.UNSUBSCRIBE:
                return push_pb2.UnsubscribeRequest(authorization=authorization, body=body)
            case _:
                return push_pb2.ListRequest(authorization=authorization)


def _runs(lanes: Iterable[int], most: int) -> list[range]:
    """Neighbours are asked for at once, so many at most."""
    runs: list[range] = []
    for lane in sorted(set(lanes)):
        if runs and lane == runs[-1].stop and len(runs[-1]) < most:
            runs[-1] = range(runs[-1].start, lane + 1)
        else:
            runs.append(range(lane, lane + 1))
    return runs


def _cut(joined: bytes, days: range, lanes: range) -> Ids:
    """By day, then by lane."""
    places = [(day, lane) for day in days for lane in lanes]
    pieces = (joined[at : at + PUSH_ID_SIZE] for at in range(0, len(joined), PUSH_ID_SIZE))
    return dict(zip(places, pieces, strict=False))
