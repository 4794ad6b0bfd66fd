"""ViewService: the signed view for whoever asks, directly or through the onion. The same answer for everybody."""

from collections.abc import AsyncIterator, Callable

from essaim.protocol.errors import ProtocolError
from essaim.runtime.offer import Offer
from essaim.view.v1 import view_pb2, view_pb2_grpc

CHUNK_BYTES = 240_000
"""Fits the largest reply class; a smaller wish is granted down to CHUNK_LEAST."""
CHUNK_LEAST = 4_096


class NoViewYetError(ProtocolError):
    """This node has no signed view yet: ask another."""

    reason = "NO_VIEW_YET"


class ViewServicer(view_pb2_grpc.ViewServiceServicer):
    """`answer(epoch, serial)` is what to tell somebody who has that view; None while there is none."""

    def __init__(self, answer: Callable[[int, int], view_pb2.ViewAnswer | None], now_ms: Callable[[], int]) -> None:
        self._answer = answer
        self._now_ms = now_ms

    async def GetView(
        self, request: view_pb2.GetViewRequest, context: object
    ) -> AsyncIterator[view_pb2.GetViewResponse]:
        answer = self._answer(request.epoch, request.serial)
        if answer is None:
            raise NoViewYetError("this node has no view yet")
        data = answer.SerializeToString()
        size = min(max(request.chunk_bytes or CHUNK_BYTES, CHUNK_LEAST), CHUNK_BYTES)
        for start in range(0, len(data), size):
            yield view_pb2.GetViewResponse(
                node_time_ms=self._now_ms() if start == 0 else 0,
                chunk=data[start : start + size],
                last=start + size >= len(data),
            )


def view_offer(answer: Callable[[int, int], view_pb2.ViewAnswer | None], now_ms: Callable[[], int]) -> Offer:
    """The service, for a node's endpoint."""
    descriptor = view_pb2.DESCRIPTOR.services_by_name["ViewService"]
    return Offer(descriptor, ViewServicer(answer, now_ms), view_pb2_grpc.add_ViewServiceServicer_to_server)
