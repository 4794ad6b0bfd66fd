"""RoomService: one servicer for direct calls and for requests out of the onion. Proto to domain and back only."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from essaim.opengroup.v1 import opengroup_pb2, opengroup_pb2_grpc
from essaim.protocol.keys import SigningKey
from essaim.protocol.opengroup.authorization import Method, Nonces, Request
from essaim.protocol.opengroup.host import attest
from essaim.protocol.opengroup.refusal import BatchRefusedError, BusyError, NotAuthorizedError
from essaim.runtime.context import reply_capacity_of
from essaim_opengroup import metrics
from essaim_opengroup.acting import DOMAIN, MAX_NUMBER, Acting, parse_batch
from essaim_opengroup.asking import Asking
from essaim_opengroup.away import reaching
from essaim_opengroup.following import MAX_ROOMS, follow
from essaim_opengroup.schema import REPLICA

__all__ = ["DOMAIN", "RoomService"]
Context = Any  # grpc.aio.ServicerContext or essaim.runtime.context.OnionContext
M = TypeVar("M", bound=Message)
PIECE_FRAMING = 64
LARGEST_PIECE = 240_000
"""Direct calls could have more; a piece never leaves its chunk anyway."""


class RoomService(opengroup_pb2_grpc.RoomServiceServicer):
    """Errors are ProtocolErrors: the caller of a servicer makes a status of them."""

    def __init__(
        self, host: SigningKey, node_id: bytes, acting: Acting, asking: Asking, now_ms: Callable[[], int]
    ) -> None:
        self._host_id = host.public.raw
        self._attestation = attest(host, node_id)
        self._acting = acting
        self._asking = asking
        self._now_ms = now_ms
        self._nonces = Nonces()
        self._followers: set[asyncio.Event] = set()
        self._ending = False

    def _member(self, method: Method, authorization: opengroup_pb2.Authorization, body: bytes) -> bytes:
        """The key of who signed; empty where nobody did."""
        if not authorization.member:
            return b""
        member = Request(self._host_id, method, body).check(authorization)
        self._nonces.check(authorization, self._now_ms())
        return member.raw

    async def Describe(
        self, request: opengroup_pb2.DescribeRequest, context: Context
    ) -> opengroup_pb2.DescribeResponse:
        with reaching():
            nodes = await self._asking.read(lambda connection: list(connection.execute(REPLICA.select()).scalars()))
        return opengroup_pb2.DescribeResponse(
            host_id=self._host_id, name=self._acting.settings.name, attestation=self._attestation, node_ids=nodes[:100]
        )

    async def Act(self, request: opengroup_pb2.ActRequest, context: Context) -> opengroup_pb2.ActResponse:
        key = self._member(Method.ACT, request.authorization, request.batch)
        batch = parse_batch(request.batch)
        results = await self._acting.do(key, batch, reply_capacity_of(context))
        return opengroup_pb2.ActResponse(results=results)

    async def Follow(
        self, request: opengroup_pb2.FollowRequest, context: Context
    ) -> AsyncIterator[opengroup_pb2.FollowResponse]:
        key = self._member(Method.FOLLOW, request.authorization, request.following)
        following = _parsed(opengroup_pb2.Following, request.following)
        own = following.HasField("directs_after") or following.HasField("sent_after")
        if not (len(following.rooms) > 0 or own) or len(following.rooms) > MAX_ROOMS:
            raise BatchRefusedError(f"1 to {MAX_ROOMS} rooms, or direct messages, can be followed at once")
        if own and not key:
            raise NotAuthorizedError("this needs a member's signature")
        if max(following.directs_after, following.sent_after) > MAX_NUMBER:
            raise BatchRefusedError("a number is below 2^63")
        with reaching(), self._follower() as end:
            capacity = reply_capacity_of(context)
            async with aclosing(follow(self._asking, key, following, capacity, end)) as responses:
                async for response in responses:
                    yield response

    @contextmanager
    def _follower(self) -> Any:
        if len(self._followers) >= self._acting.settings.followers or self._ending:
            raise BusyError("as many streams as this node serves")
        end = asyncio.Event()
        self._followers.add(end)
        metrics.FOLLOWERS.inc()
        try:
            yield end
        finally:
            self._followers.discard(end)
            metrics.FOLLOWERS.dec()

    def end_streams(self) -> None:
        """The drain: who follows goes on at another replica, or at this one's next start."""
        self._ending = True
        for end in self._followers:
            end.set()

    async def Download(
        self, request: opengroup_pb2.DownloadRequest, context: Context
    ) -> AsyncIterator[opengroup_pb2.DownloadResponse]:
        key = self._member(Method.DOWNLOAD, request.authorization, request.query)
        query = _parsed(opengroup_pb2.FileQuery, request.query)
        capacity = reply_capacity_of(context)
        with reaching():
            async with aclosing(self._pieces(key, query, min(capacity - PIECE_FRAMING, LARGEST_PIECE))) as pieces:
                async for piece in pieces:
                    yield piece

    async def _pieces(
        self, key: bytes, query: opengroup_pb2.FileQuery, most: int
    ) -> AsyncGenerator[opengroup_pb2.DownloadResponse, None]:
        file_no, size = await self._asking.file(query.room_id, key, query.file)
        offset = min(query.offset, size)
        while True:
            data = await self._asking.piece(file_no, offset, most)
            offset += len(data)
            last = offset >= size
            yield opengroup_pb2.DownloadResponse(size=size, data=data, last=last)
            if last or not data:  # a file that expired under way ends without `last`
                return


def _parsed(kind: type[M], raw: bytes) -> M:
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise BatchRefusedError("not the message that belongs here") from None
