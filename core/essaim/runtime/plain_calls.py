"""Room for calls that are no links: the guard's door, the view, direct calls of what is also reached by the onion.

They may be held as long as links: a client need only not read what it is answered. So all of them together get a share
of what a node serves at once. gRPC's own limit is no use for it: it refuses whoever comes last, a node of the view too.
"""

from typing import Any

from essaim.network.shed import SHED, Full
from essaim.protocol.errors import ProtocolError


class BusyError(ProtocolError):
    """As many calls as there may be."""

    reason = "BUSY"


class PlainCalls:
    """How many are open, at most `most`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._open = 0

    def enter(self, context: Any) -> None:
        """One more, until gRPC has done with it; BusyError."""
        if self._open >= self.most:
            SHED[Full.CALLS].inc()
            raise BusyError("as many calls as there may be")
        self._open += 1
        context.add_done_callback(self._done)  # not when the servicer returns: the answer may wait to be read

    def _done(self, _: object) -> None:
        self._open -= 1
