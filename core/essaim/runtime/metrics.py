"""The Prometheus page of a node, on a port of its own.

Metrics are declared at module level beside what they count, in prometheus_client's default registry, named
`essaim_<service>_<noun>_<unit>`, with labels from closed sets alone: never who, only what kind.
"""

from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import Info, disable_created_metrics, start_http_server

from essaim.runtime.address import Address
from essaim.runtime.refusal import StartError

disable_created_metrics()  # type: ignore[no-untyped-call]
_BUILD = Info("essaim_build", "The service that runs here, and its version.")


class MetricsPage:
    """Serves /metrics until closed, in a thread of its own; process metrics come with the default registry."""

    def __init__(self, address: Address, service: str, version: str) -> None:
        """Raises StartError when the address cannot be had."""
        _BUILD.info({"service": service, "version": version})
        self._server, self._thread = _listen(address)
        self.address = address.with_port(self._server.server_port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _listen(address: Address) -> tuple[WSGIServer, Thread]:
    try:
        return start_http_server(address.port, address.ip)
    except OSError:
        raise StartError("the metrics address (--metrics) cannot be listened on.") from None
