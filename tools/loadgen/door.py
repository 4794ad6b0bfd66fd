"""The guard's other door: cells by RelayService.Send, one gRPC call each, where a client could use a link."""

from collections.abc import AsyncGenerator
from types import TracebackType

import grpc
import grpc.aio

from essaim.network.call import LinkRefusedError
from essaim.network.peer import Peer
from essaim.network.tls import dial_peer
from essaim.protocol.onion import Refusal
from essaim.relay.v1 import relay_pb2, relay_pb2_grpc

SEND_SECONDS = 60.0


class SentCell:
    """One Send; to its caller a `Call` of a link with a single reply."""

    def __init__(self, sending: grpc.aio.UnaryUnaryCall[relay_pb2.SendRequest, relay_pb2.SendResponse]) -> None:
        self._sending = sending

    async def replies(self) -> AsyncGenerator[tuple[int, bytes], None]:
        """(0, cell). Raises LinkRefusedError."""
        try:
            response = await self._sending
        except grpc.aio.AioRpcError:
            raise LinkRefusedError(Refusal.UNREACHABLE) from None
        yield 0, response.cell

    async def __aenter__(self) -> "SentCell":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sending.cancel()


class Door:
    """In place of `Links` where only `call` is used. A channel for each guard."""

    def __init__(self) -> None:
        self._channels: dict[bytes, grpc.aio.Channel] = {}

    async def call(self, peer: Peer, cell: bytes) -> SentCell:
        """Send the cell to this guard."""
        channel = self._channels.get(peer.node_id)
        if channel is None:
            channel = self._channels[peer.node_id] = dial_peer(peer)
        stub = relay_pb2_grpc.RelayServiceStub(channel)
        return SentCell(stub.Send(relay_pb2.SendRequest(cell=cell), timeout=SEND_SECONDS))

    async def close(self) -> None:
        """All channels."""
        for channel in self._channels.values():
            await channel.close()
