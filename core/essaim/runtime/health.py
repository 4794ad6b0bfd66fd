"""grpc.health.v1, and reflection where it is wanted: "" stands for the whole node, each service has its own name."""

from collections.abc import Sequence

import grpc.aio
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME, aio
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection
from prometheus_client import Gauge

WHOLE_NODE = ""
READY = Gauge("essaim_ready", "1 while health says SERVING.")


class Health:
    """What probes and load balancers ask: NOT_SERVING from the first moment, SERVING once joined, never back."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = (WHOLE_NODE, *names)
        self._servicer = aio.HealthServicer()

    async def mount(self, server: grpc.aio.Server) -> None:
        await self._set(health_pb2.HealthCheckResponse.NOT_SERVING)
        add_HealthServicer_to_server(self._servicer, server)

    async def serving(self) -> None:
        await self._set(health_pb2.HealthCheckResponse.SERVING)
        READY.set(1)

    async def draining(self) -> None:
        """NOT_SERVING for good."""
        READY.set(0)
        await self._servicer.enter_graceful_shutdown()

    async def _set(self, status: "health_pb2.HealthCheckResponse.ServingStatus") -> None:
        for name in self._names:
            await self._servicer.set(name, status)


def mount_reflection(server: grpc.aio.Server, names: Sequence[str]) -> None:
    """For development alone: lets grpcurl and the like list what is served."""
    reflection.enable_server_reflection((*names, SERVICE_NAME, reflection.SERVICE_NAME), server)
