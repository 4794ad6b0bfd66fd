"""Where prometheus and promtool are: Debian's package `prometheus`."""

import shutil
from pathlib import Path


class NoPrometheusError(RuntimeError):
    """One sentence for whoever runs this."""


def find(name: str) -> Path:
    """`prometheus` or `promtool`. Raises NoPrometheusError."""
    found = shutil.which(name)
    if found is None:
        raise NoPrometheusError(f"{name} is missing; install it with: sudo apt-get install -y prometheus")
    return Path(found)
