"""A node's two calls to discovery: submitting its own signed transactions, and following the views."""

from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Self

import grpc
import grpc.aio
from prometheus_client import Gauge

from essaim.discovery.v1 import discovery_pb2, discovery_pb2_grpc
from essaim.network.tls import dial
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.status import read_status
from essaim.protocol.view.transaction import sign_transaction
from essaim.view.v1 import view_pb2

SUBMIT_SECONDS = 10.0
OFFSET = Gauge("essaim_clock_offset_seconds", "This node's clock less discovery's, the way of the answer included.")
RECONNECT_OPTIONS = (  # gRPC's own back-off grows to two minutes: a node would notice discovery's return that late
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


class TransactionRefusedError(ProtocolError):
    """Discovery will not have it. `refused` is its reason."""

    reason = "TRANSACTION_REFUSED"

    def __init__(self, refused: str) -> None:
        super().__init__(f"discovery refused the transaction: {refused}")
        self.refused = refused


class DiscoveryLostError(ProtocolError):
    """Discovery does not answer now."""

    reason = "DISCOVERY_LOST"


class DiscoveryClient:
    """`async with DiscoveryClient(...)`. Transactions are numbered by time: a restart never repeats a number."""

    def __init__(
        self,
        address: str,
        certificates: Sequence[bytes],
        network_id: bytes,
        signing: SigningKey,
        now_ms: Callable[[], int],
    ) -> None:
        self._address = address
        self._certificates = certificates
        self._network_id = network_id
        self._signing = signing
        self._now_ms = now_ms
        self._sequence = 0

    async def __aenter__(self) -> Self:
        self._channel = dial(self._address, self._certificates, RECONNECT_OPTIONS)
        self._stub = discovery_pb2_grpc.DiscoveryServiceStub(self._channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def submit(self, transaction: discovery_pb2.Transaction) -> None:
        """Returns once it is applied and logged. Raises TransactionRefusedError or DiscoveryLostError."""
        self._sequence = max(self._sequence + 1, self._now_ms())
        transaction.network_id = self._network_id
        transaction.node_id = self._signing.public.raw
        transaction.sequence = self._sequence
        request = discovery_pb2.SubmitRequest(transactions=[sign_transaction(transaction, self._signing)])
        try:
            answer = await self._stub.Submit(request, timeout=SUBMIT_SECONDS)
        except grpc.RpcError:
            raise DiscoveryLostError("discovery does not answer") from None
        OFFSET.set((self._now_ms() - answer.discovery_time_ms) / 1_000)
        refusal = read_status(answer.results[0]) if answer.results else None
        if refusal is not None:
            raise TransactionRefusedError(refusal.reason)

    async def follow(self, epoch: int, serial: int) -> AsyncIterator[view_pb2.ViewAnswer]:
        """The view since the one held, then each newer one. Raises DiscoveryLostError when the stream breaks."""
        try:
            async for answer in self._stub.Follow(discovery_pb2.FollowRequest(epoch=epoch, serial=serial)):
                yield answer.answer
        except grpc.RpcError:
            pass
        raise DiscoveryLostError("discovery's stream has ended")
