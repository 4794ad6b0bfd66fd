"""For all tests: gRPC reads its TLS settings when it is imported, so `essaim`, which makes them, comes first."""

import essaim  # noqa: F401  (isort: skip)
from hypothesis import settings

from essaim.testing.effort import EFFORT

# A landing must not hang on luck: the same examples each time. A proof looks where nobody has looked yet.
settings.register_profile("test", derandomize=True, deadline=None)
settings.register_profile("prove", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("test" if EFFORT == 1 else "prove")
