"""The Prometheus page of a node, on a port of its own.

Metrics are declared at module level beside what they count, in prometheus_client's default registry, named
`essaim_<service>_<noun>_<unit>`, with labels from closed sets alone: never who, only what kind.
"""

from prometheus_client import Info, disable_created_metrics, start_http_server

from essaim.runtime.address import Address
from essaim.runtime.refusal import StartError

disable_created_metrics()  # type: ignore[no-untyped-call]
_BUILD = Info("essaim_build", "The service that runs here, and its version.")


class MetricsPage:
    """Serves /metrics from a daemon thread until the process ends; process metrics come with the default registry."""

    def __init__(self, address: Address, service: str, version: str) -> None:
        """Raises StartError when the address cannot be had."""
        _BUILD.info({"service": service, "version": version})
        try:
            server, _ = start_http_server(address.port, address.ip)
        except OSError:
            raise StartError("the metrics address (--metrics) cannot be listened on.") from None
        self.address = address.with_port(server.server_port)
