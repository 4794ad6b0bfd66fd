"""How a request through the onion can fail, and whose fault it is.

ProtocolError
├── DestinationRefusedError     the destination answered with an error: its `reason`; the path did its work
├── DestinationLostError        the path ends well, the destination does not answer: take another member
└── PathFailedError             a hop (or the guard) failed: take another path, the same request
"""

from essaim.protocol.errors import ProtocolError
from essaim.protocol.onion.refusal import Refusal
from essaim.protocol.status import Refusal as StatusRefusal


class DestinationRefusedError(ProtocolError):
    """The destination's own answer. Never counted against the path that brought it."""

    def __init__(self, refusal: StatusRefusal) -> None:
        super().__init__(f"the destination refused: {refusal.reason}")
        self.refusal = refusal

    @property
    def refused_reason(self) -> str:
        return self.refusal.reason


class DestinationLostError(ProtocolError):
    """The exit cannot reach the destination, or it will not take the cell."""

    reason = "DESTINATION_LOST"

    def __init__(self, refusal: Refusal, time_ms: int = 0) -> None:
        super().__init__(f"the destination could not be reached: {refusal.name}")
        self.refusal = refusal
        self.time_ms = time_ms


class PathFailedError(ProtocolError):
    """A relay refused, broke or lied. `suspects` are the node ids that the next path should do without."""

    reason = "PATH_FAILED"

    def __init__(self, refusal: Refusal, suspects: tuple[bytes, ...], *, guard: bool = False) -> None:
        super().__init__(f"the path failed: {refusal.name}")
        self.refusal = refusal
        self.suspects = suspects
        self.guard = guard
        """The guard itself could not be reached or refused."""
