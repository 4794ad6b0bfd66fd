"""A limit on what a node's server accepts: connections, each of which costs memory before it has said anything.

gRPC closes what comes beyond it before TLS, without a word: nothing is known of who it is, a node of the view included.
So the limit is far above what clients and nodes need, and is there lest memory or descriptors run out. How many sockets
the process holds is counted at each scrape.
"""

from pathlib import Path

from prometheus_client import Gauge

SOCKETS = Gauge("essaim_sockets", "Sockets that the process holds: connections accepted and dialled, and listeners.")
LIMIT = Gauge("essaim_connections_limit", "Connections that the server accepts at once; more are closed unanswered.")
_DESCRIPTORS = Path("/proc/self/fd")


def limited_to(connections: int) -> tuple[str, int]:
    """The server's option; the metrics from now on."""
    LIMIT.set(connections)
    SOCKETS.set_function(sockets)
    return ("grpc.max_allowed_incoming_connections", connections)


def sockets() -> int:
    """0 where the system does not say."""
    try:
        return sum(map(_is_socket, _DESCRIPTORS.iterdir()))
    except OSError:
        return 0


def _is_socket(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except OSError:  # closed meanwhile
        return False
