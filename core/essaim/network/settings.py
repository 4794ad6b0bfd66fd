"""What can be set about links, the same for nodes and clients."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class LinkSettings:
    """Pacing, patience and budgets. The defaults are for production; tests shorten the waits."""

    quiet_us: int = 2_000
    """Pacing after a thin batch, microseconds."""
    busy_us: int = 5_000
    """Pacing after a batch that was a quarter full or more."""
    connect_seconds: float = 5.0
    """From dialling to the CHALLENGE."""
    hello_seconds: float = 10.0
    """How long an acceptor waits for HELLO."""
    backoff_first_seconds: float = 0.1
    """After a failed dial, doubled with each further one, with full jitter."""
    backoff_most_seconds: float = 10.0
    node_calls: int = 16_384
    """Calls that one node may have open here."""
    client_calls: int = 256
    """Calls that one client connection may have open here."""
    node_bytes: int = 64 << 20
    """Bytes of replies that may wait for one node; beyond them its new calls are refused BUSY."""
    client_bytes: int = 8 << 20
    queued_bytes: int = 64 << 20
    """Bytes that may wait on one outgoing link; beyond them calls on it are refused BUSY."""
    observe_batch: Callable[[int], None] | None = None
    """Told the bytes of cells in each batch that leaves: a node counts them."""
