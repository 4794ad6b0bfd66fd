"""DiscoveryService: protobuf in, protobuf out."""

from collections.abc import AsyncIterator, Callable

from google.rpc.status_pb2 import Status

from essaim.discovery.v1 import discovery_pb2, discovery_pb2_grpc
from essaim.protocol.errors import ProtocolError
from essaim.runtime.errors import to_status
from essaim.runtime.offer import Offer
from essaim_discovery.apply import Refused
from essaim_discovery.driver import Driver
from essaim_discovery.metrics import FOLLOWERS

DOMAIN = "discovery.essaim"
MOST = 64


class TooManyError(ProtocolError):
    """More transactions in one call than a node has reason to send."""

    reason = "TOO_MANY"


class DiscoveryServicer(discovery_pb2_grpc.DiscoveryServiceServicer):
    """Nodes submit and follow here."""

    def __init__(self, driver: Driver, now_ms: Callable[[], int]) -> None:
        self._driver = driver
        self._now_ms = now_ms

    async def Submit(self, request: discovery_pb2.SubmitRequest, context: object) -> discovery_pb2.SubmitResponse:
        if len(request.transactions) > MOST:
            raise TooManyError("up to 64 transactions at once")
        signed = [each.SerializeToString(deterministic=True) for each in request.transactions]
        results = [
            to_status(answer.error, DOMAIN) if isinstance(answer, Refused) else Status()
            for answer in await self._driver.submit(signed)
        ]
        return discovery_pb2.SubmitResponse(results=results, discovery_time_ms=self._now_ms())

    async def Follow(
        self, request: discovery_pb2.FollowRequest, context: object
    ) -> AsyncIterator[discovery_pb2.FollowResponse]:
        with FOLLOWERS.track_inprogress():
            async for answer in self._driver.publisher.follow(request.epoch, request.serial):
                yield discovery_pb2.FollowResponse(answer=answer, discovery_time_ms=self._now_ms())


def discovery_offer(driver: Driver, now_ms: Callable[[], int]) -> Offer:
    """The service, for direct calls alone."""
    descriptor = discovery_pb2.DESCRIPTOR.services_by_name["DiscoveryService"]
    servicer = DiscoveryServicer(driver, now_ms)
    return Offer(descriptor, servicer, discovery_pb2_grpc.add_DiscoveryServiceServicer_to_server)
