"""What a node knows of the network while it answers, as functions: they follow the view without a restart."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from essaim.protocol.geometry import Suite


@dataclass(frozen=True)
class Standing:
    """The node's own id, and the current view seen through what links and cells need of it."""

    own_id: bytes
    now_ms: Callable[[], int]
    listed: Callable[[bytes], bool]
    """Whether the current view lists a node."""
    view_serial: Callable[[], int]
    suites: Callable[[], Collection[Suite]]
    """Onion suites that the current view allows."""
