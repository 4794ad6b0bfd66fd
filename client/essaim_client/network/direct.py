"""Asking a node directly for the view and its clock: at first contact, after a long absence, and when a key is unknown.

The question is the same for everybody: the whole view, or what has changed since a serial.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError

from essaim.network.peer import Peer
from essaim.network.tls import AddressRefusedError, dial_peer
from essaim.protocol.errors import ProtocolError
from essaim.view.v1 import view_pb2, view_pb2_grpc

ANSWER_MAX = 64 << 20
TIMEOUT_SECONDS = 10.0


class NoAnswerError(ProtocolError):
    """The node did not answer, or not with a view."""

    reason = "NO_ANSWER"


@dataclass(frozen=True)
class Seed:
    """Where a client asks first: a numeric address and the certificates (DER) that it must show."""

    address: str
    certificates: tuple[bytes, ...]
    node_id: bytes = bytes(32)


@dataclass(frozen=True)
class DirectAnswer:
    """A node's answer, and its clock minus the own one in the middle of the asking."""

    answer: view_pb2.ViewAnswer
    offset_ms: int


async def ask(peer: Peer, epoch: int, serial: int, own_now_ms: Callable[[], int]) -> DirectAnswer:
    """One node's view answer since (epoch, serial). Raises NoAnswerError."""
    began_ms = own_now_ms()
    try:
        channel = dial_peer(peer)
    except AddressRefusedError:  # a view lists whatever a node says of itself: it must not end who asks
        raise NoAnswerError("the node cannot be dialled") from None
    try:
        chunks = await asyncio.wait_for(_chunks(channel, epoch, serial), TIMEOUT_SECONDS)
    except (grpc.RpcError, TimeoutError):
        raise NoAnswerError("the node did not answer") from None
    finally:
        await channel.close()
    return DirectAnswer(joined(chunks), chunks[0].node_time_ms - (began_ms + own_now_ms()) // 2)


async def _chunks(channel: grpc.aio.Channel, epoch: int, serial: int) -> list[view_pb2.GetViewResponse]:
    stub = view_pb2_grpc.ViewServiceStub(channel)
    chunks: list[view_pb2.GetViewResponse] = []
    size = 0
    async for chunk in stub.GetView(view_pb2.GetViewRequest(epoch=epoch, serial=serial)):
        chunks.append(chunk)
        size += len(chunk.chunk)
        if chunk.last or size > ANSWER_MAX:
            break
    return chunks


def joined(chunks: Sequence[view_pb2.GetViewResponse]) -> view_pb2.ViewAnswer:
    """The answer that the chunks make. Raises NoAnswerError unless they are whole."""
    if not chunks or not chunks[-1].last:
        raise NoAnswerError("the node's answer ended early")
    try:
        return view_pb2.ViewAnswer.FromString(b"".join(chunk.chunk for chunk in chunks))
    except DecodeError:
        raise NoAnswerError("the node's answer is not a view") from None
