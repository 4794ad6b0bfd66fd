"""For all tests: gRPC reads its TLS settings when it is imported, so `essaim`, which makes them, comes first."""

import essaim  # noqa: F401
