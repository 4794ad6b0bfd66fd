"""What every service runs on: settings, run and drain, links, delivery, errors, metrics, logs, identity, database."""

import os

# gRPC's C core writes peers' addresses to stderr when it feels like it, and reads this once, at its first import.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
