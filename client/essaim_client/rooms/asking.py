"""Signed requests to a host: batches, streams, downloads; to another of its replicas when one is lost, and again and
again for a while when all of them are."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import cast

from google.protobuf.message import Message

from essaim.opengroup.v1 import action_pb2, opengroup_pb2
from essaim.protocol.blinding import BlindedKey
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.onion import Refusal
from essaim.protocol.opengroup.authorization import NONCE_SIZE, Method, Request
from essaim.protocol.opengroup.settings import NUMBERS
from essaim.protocol.status import read_status
from essaim_client.network.connection import Connection
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError
from essaim_client.network.method import Method as Called
from essaim_client.rooms.finding import SERVICE, FoundHost, Hosts
from essaim_client.rooms.patience import Patience, Wait, Waiting, may_pass, reason_of

FILE_MAX = NUMBERS["file_bytes"][1]
"""Bytes of a file, whatever room it is in."""
ACT, FOLLOW, DOWNLOAD = (Called(SERVICE, name) for name in ("Act", "Follow", "Download"))


class Asker:
    """One member at one host."""

    def __init__(
        self, network: Connection, hosts: Hosts, host: FoundHost, signer: BlindedKey, patience: Patience
    ) -> None:
        self.host = host
        self.signer = signer
        self.network = network
        self._hosts = hosts
        self._patience = patience
        self._node_ids = list(host.node_ids)

    def now_ms(self) -> int:
        return self.network.clock.now_ms()

    def random(self, size: int) -> bytes:
        return self.network.random(size)

    # Batches

    async def do(self, action: action_pb2.Action, reply_class: CellClass = CellClass.SMALL) -> action_pb2.Result:
        """One action. Raises DestinationRefusedError with the host's reason."""
        [result] = await self.batch([action], reply_class)
        return result

    async def batch(
        self, actions: list[action_pb2.Action], reply_class: CellClass = CellClass.SMALL
    ) -> list[action_pb2.Result]:
        """All of them; the first refusal is raised, whatever was done beside it. A host that is away is waited for."""
        results = await self.attempt(actions, reply_class)
        for result in results:
            refusal = read_status(result.status)
            if refusal is not None:
                raise DestinationRefusedError(refusal)
        return results

    async def attempt(
        self, actions: list[action_pb2.Action], reply_class: CellClass = CellClass.SMALL
    ) -> list[action_pb2.Result]:
        """As `batch`, with each result for the caller to look at, refused or not."""
        batch = action_pb2.Batch(actions=actions).SerializeToString()
        # Statements are signed themselves: nothing else needs to say who asks.
        signed = any(action.WhichOneof("action") != "say" for action in actions)
        authorization = self._authorize(Method.ACT, batch) if signed else None
        request = opengroup_pb2.ActRequest(authorization=authorization, batch=batch)
        wait = self.wait()
        while True:
            try:
                return await self._results(request, len(actions), reply_class)
            except ProtocolError as error:
                await wait.pause(error)

    def wait(self) -> Wait:
        """For one request of several tries."""
        return self._patience.begin(self.network, self.host.host_id)

    async def _results(
        self, request: opengroup_pb2.ActRequest, count: int, reply_class: CellClass
    ) -> list[action_pb2.Result]:
        answer = cast("opengroup_pb2.ActResponse", await self._unary(request, reply_class))
        if len(answer.results) != count:
            raise DestinationLostError(Refusal.BAD_REPLY)
        for result in answer.results:
            refusal = read_status(result.status)
            if refusal is not None and may_pass(DestinationRefusedError(refusal)):
                raise DestinationRefusedError(refusal)
        return list(answer.results)

    async def _unary(self, request: opengroup_pb2.ActRequest, reply_class: CellClass) -> Message:
        lane = b"rooms" + self.host.host_id
        for last in (False, True):
            for node_id in list(self._node_ids):
                try:
                    if await self._serves(node_id):
                        return await self.network.onion.unary(node_id, ACT, request, lane=lane, reply_class=reply_class)
                except DestinationLostError:
                    self._demote(node_id)
            if not last:
                await self._find_again()
        raise DestinationLostError(Refusal.UNREACHABLE)

    async def _find_again(self) -> None:
        """None of the known nodes answers: the host may be at others by now."""
        self.host = await self._hosts.find_again(self.host.host_id, self._node_ids)
        self._node_ids = list(self.host.node_ids)

    async def _serves(self, node_id: bytes) -> bool:
        """What one replica says of another is believed once that one has proved it."""
        return await self._hosts.proves(node_id, self.host.host_id)

    def _demote(self, node_id: bytes) -> None:
        self._node_ids.remove(node_id)
        self._node_ids.append(node_id)

    def _authorize(self, method: Method, body: bytes) -> opengroup_pb2.Authorization:
        request = Request(self.host.host_id, method, body)
        return request.authorize(self.signer, self.now_ms(), self.random(NONCE_SIZE))

    # Streams

    async def mend(self, error: ProtocolError, number: int) -> None:
        """After a stream that broke, the `number`th in a row: view, clock, path, node, whatever helps the next one."""
        with suppress(ProtocolError):  # what is not mended now may be by the next try
            if isinstance(error, DestinationLostError | PathFailedError):
                await self.network.onion.mend(error, number)
        if number:
            self._patience.on_waiting(Waiting(self.host.host_id, reason_of(error), number + 1, None))
        if number & -number == number > 0:  # the 1st, 2nd, 4th, 8th ...: it asks every host of the network
            await self.network.views.refresh()
            with suppress(ProtocolError):
                await self._find_again()

    async def _replica(self) -> bytes:
        """A node that has proved that it serves the host. Raises DestinationLostError."""
        for node_id in list(self._node_ids):
            if await self._serves(node_id):
                return node_id
        raise DestinationLostError(Refusal.UNREACHABLE)

    async def follow(
        self, rooms: dict[bytes, int], directs_after: int | None = None, sent_after: int | None = None
    ) -> AsyncGenerator[opengroup_pb2.FollowResponse, None]:
        """One stream over one path, until it ends or fails; `rooms`: the sequence after which to begin."""
        followed = [opengroup_pb2.FollowedRoom(room_id=room, after=after) for room, after in rooms.items()]
        message = opengroup_pb2.Following(rooms=followed, directs_after=directs_after, sent_after=sent_after)
        following = message.SerializeToString()
        request = opengroup_pb2.FollowRequest(
            authorization=self._authorize(Method.FOLLOW, following), following=following
        )
        lane = b"rooms/live" + self.host.host_id
        node_id = await self._replica()
        stream = self.network.onion.stream(node_id, FOLLOW, request, lane=lane)
        try:
            async with aclosing(stream) as responses:
                async for response in responses:
                    yield cast("opengroup_pb2.FollowResponse", response)
        except (DestinationLostError, DestinationRefusedError):
            self._demote(node_id)
            raise

    async def download(self, room_id: bytes, file: bytes, offset: int) -> AsyncGenerator[bytes, None]:
        """Pieces of a file from `offset`, over one path. DestinationLostError where it ends early or not at all."""
        query = opengroup_pb2.FileQuery(room_id=room_id, file=file, offset=offset).SerializeToString()
        request = opengroup_pb2.DownloadRequest(authorization=self._authorize(Method.DOWNLOAD, query), query=query)
        lane = b"rooms/files" + self.host.host_id
        node_id, last = await self._replica(), False
        stream = self.network.onion.stream(node_id, DOWNLOAD, request, lane=lane, reply_class=CellClass.LARGE)
        try:
            async with aclosing(stream) as responses:
                async for response in responses:
                    piece = cast("opengroup_pb2.DownloadResponse", response)
                    last, offset = piece.last, offset + len(piece.data)
                    if (piece.data and offset > min(piece.size, FILE_MAX)) or not (last or piece.data):
                        raise DestinationLostError(Refusal.BAD_REPLY)
                    yield piece.data
        except DestinationLostError:
            self._demote(node_id)
            raise
        if not last:
            raise DestinationLostError(Refusal.BAD_REPLY)
