"""Essaim's shared kernel: `protocol` (pure), `network`, `runtime` (services only), `testing` (doubles of the outside).

Importing it fixes gRPC's TLS 1.2 suites and its way of polling, which gRPC reads once, when it is imported (see
`essaim.network.tls`).
"""

import os
import sys

TLS12_SUITES = "ECDHE-RSA-AES128-GCM-SHA256"
"""For RSA certificates alone, and Essaim has none: no TLS 1.2 handshake can succeed, TLS 1.3 is untouched."""

GRPC_WAS_FIRST = "grpc" in sys.modules and os.environ.get("GRPC_SSL_CIPHER_SUITES") != TLS12_SUITES
"""gRPC was imported before: too late to refuse TLS 1.2 in this process, so no server credentials are made."""

os.environ["GRPC_SSL_CIPHER_SUITES"] = TLS12_SUITES

EXPERIMENTS = "-event_engine_client,-event_engine_listener,-event_engine_fork"
"""gRPC's event engine hands each message from thread to thread once more than the poller it replaces: a sixth more
processor time for each cell (docs/bench.md). A gRPC that has no such switch any more passes over it."""

os.environ.setdefault("GRPC_EXPERIMENTS", EXPERIMENTS)
# gRPC's C core writes peers' addresses to standard error when it feels like it; this, too, it reads once.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
