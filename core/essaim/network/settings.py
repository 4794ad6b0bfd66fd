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
    connection_links: int = 8
    """Links that one connection may have here. A dialler of ours has one on each; 8: all four classes of another kind
    of client, twice, for a link that drains stays until its calls have ended."""
    node_links: int = 32
    """Links that one node may have here. 32: eight times what it needs, for those whose end nobody has noticed yet."""
    greeting_links: int = 256
    """Links that have not said HELLO. Where there are more, the one that has waited longest goes: who holds them idle
    would have to dial anew faster than a node answers a CHALLENGE."""
    client_links: int = 1_536
    """Links of all clients. 3/8 of the calls that a node serves at once (`concurrent_calls`); calls that are no links
    get as much, so a quarter is left for nodes and for greeting."""
    clients_bytes: int = 256 << 20
    """Bytes of requests under way and replies waiting of all clients together; beyond them a client's new calls are
    refused BUSY. 256 MiB: 32 connections that use theirs up, or 16,384 small calls."""
    node_calls: int = 16_384
    """Calls that one node may have open here."""
    client_calls: int = 256
    """Calls that one client connection may have open here."""
    node_bytes: int = 64 << 20
    """Bytes of replies that may wait for one node; beyond them its new calls are refused BUSY."""
    client_bytes: int = 8 << 20
    """The same for one client connection, the requests of its open calls included."""
    queued_bytes: int = 64 << 20
    """Bytes that may wait on one outgoing link; beyond them calls on it are refused BUSY."""
    observe_batch: Callable[[int], None] | None = None
    """Told the bytes of cells in each batch that leaves: a node counts them."""
