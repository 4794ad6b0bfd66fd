"""Room for calls that are no links: the guard's door, the view, direct calls of what is also reached by the onion.

They may be held as long as links: a client need only not read what it is answered. So all of them together get a
share of what a node serves at once, and of its memory for requests that are not answered. gRPC's own limit is no use
for it: it refuses whoever comes last, a node of the view too.
"""

from typing import Any

from google.protobuf.message import Message

from essaim.network.shed import SHED, Full
from essaim.protocol.errors import ProtocolError


class BusyError(ProtocolError):
    """As many calls as there may be."""

    reason = "BUSY"


MOST_BYTES = 64 << 20
"""Of requests under way: 250 of the largest, or as many calls as there may be of 40 KB."""


class PlainCalls:
    """How many are open, at most `most`, with requests of at most `most_bytes` together."""

    def __init__(self, most: int, most_bytes: int = MOST_BYTES) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self._open = 0
        self._bytes = 0

    def enter(self, context: Any, request: Any = None) -> None:
        """One more, until gRPC has done with it; BusyError. `request`: a protobuf message."""
        size = request.ByteSize() if isinstance(request, Message) else 0
        if self._open >= self.most:
            SHED[Full.CALLS].inc()
            raise BusyError("as many calls as there may be")
        if self._bytes + size > self.most_bytes:
            SHED[Full.CALL_BYTES].inc()
            raise BusyError("as many bytes of requests as there may be")
        self._open += 1
        self._bytes += size
        # Not when the servicer returns: the answer may wait to be read.
        context.add_done_callback(lambda _: self._done(size))

    def _done(self, size: int) -> None:
        self._open -= 1
        self._bytes -= size
