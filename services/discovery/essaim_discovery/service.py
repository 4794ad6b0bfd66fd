"""DiscoveryService: nodes submit their signed transactions and follow the views."""

from collections.abc import AsyncIterator, Callable

from google.rpc.status_pb2 import Status

from essaim.discovery.v1 import discovery_pb2, discovery_pb2_grpc
from essaim.protocol.view import MalformedError
from essaim.protocol.view.wire import parse
from essaim.runtime.errors import to_status
from essaim.runtime.offer import Offer
from essaim_discovery import metrics
from essaim_discovery.driver import Driver, Outcome

DOMAIN = "discovery.essaim"
MOST_TRANSACTIONS = 64


class DiscoveryServicer(discovery_pb2_grpc.DiscoveryServiceServicer):
    """Answers with results and views; what it means is the driver's."""

    def __init__(self, driver: Driver, now_ms: Callable[[], int]) -> None:
        self._driver = driver
        self._now_ms = now_ms

    async def Submit(self, request: discovery_pb2.SubmitRequest, context: object) -> discovery_pb2.SubmitResponse:
        if len(request.transactions) > MOST_TRANSACTIONS:
            raise MalformedError("a request has up to 64 transactions")
        outcomes = await self._driver.submit(request.transactions)
        for signed, outcome in zip(request.transactions, outcomes, strict=True):
            metrics.TRANSACTIONS.labels(_kind(signed), outcome.reason if outcome else metrics.APPLIED).inc()
        results = [_result(outcome) for outcome in outcomes]
        return discovery_pb2.SubmitResponse(results=results, discovery_time_ms=self._now_ms())

    async def Follow(
        self, request: discovery_pb2.FollowRequest, context: object
    ) -> AsyncIterator[discovery_pb2.FollowResponse]:
        with metrics.FOLLOWERS.track_inprogress():
            async for answer in self._driver.views.follow(request.epoch, request.serial):
                yield discovery_pb2.FollowResponse(answer=answer, discovery_time_ms=self._now_ms())


def discovery_offer(driver: Driver, now_ms: Callable[[], int]) -> Offer:
    """The service, to be mounted for direct calls."""
    descriptor = discovery_pb2.DESCRIPTOR.services_by_name["DiscoveryService"]
    add = discovery_pb2_grpc.add_DiscoveryServiceServicer_to_server
    return Offer(descriptor, DiscoveryServicer(driver, now_ms), add)


def _result(outcome: Outcome) -> Status:
    return Status() if outcome is None else to_status(outcome, DOMAIN)


def _kind(signed: discovery_pb2.SignedTransaction) -> str:
    """The name of the transaction's body, from the proto's closed set."""
    try:
        return parse(discovery_pb2.Transaction, signed.transaction).WhichOneof("body") or "none"
    except MalformedError:
        return "none"
