"""Why a cell or a reply is refused.

ProtocolError
├── CellRefusedError        a node will not carry this cell; `refusal` is the code that goes back
│   ├── BadCellError        BAD_CELL: malformed, of a suite that is not allowed, or its MAC is wrong
│   ├── KeyUnknownError     KEY_UNKNOWN: sealed to a key that this start of the node does not have
│   ├── StaleError          STALE: issued more than 5 minutes ago or 1 minute ahead
│   ├── ReplayError         REPLAY: seen before
│   └── ReplayWindowFullError  BUSY: as many cells in the window as can be remembered
├── BadReplyError           BAD_REPLY: neither a reply of the destination nor an error of a hop, or out of order
└── ReplyOrderError         REPLY_ORDER: a relay was given another sequence than the next one; the call has ended
"""

from enum import IntEnum
from typing import ClassVar

from essaim.protocol.errors import ProtocolError


class Refusal(IntEnum):
    """Codes of REFUSE frames and of error cells."""

    BAD_CELL = 1
    REPLAY = 2
    KEY_UNKNOWN = 3
    STALE = 4
    BUSY = 5
    UNREACHABLE = 6
    """No link to the next hop, or it broke."""
    TIMEOUT = 7
    """The next hop did not answer, or the call lasted too long."""
    BAD_REPLY = 8
    """The next hop broke the sequence or the size of replies."""
    NOT_LISTED = 9
    """The next hop is not in the signed view, or not of a kind that this node sends to."""


class CellRefusedError(ProtocolError):
    """A node will not carry this cell. `refusal` is what it answers."""

    refusal: ClassVar[Refusal] = Refusal.BAD_CELL
    reason = "BAD_CELL"


class BadCellError(CellRefusedError):
    """Malformed, of a suite that is not allowed, or altered on the way."""


class KeyUnknownError(CellRefusedError):
    """Sealed to an onion key that this start of the node does not have (any more)."""

    refusal = Refusal.KEY_UNKNOWN
    reason = "KEY_UNKNOWN"


class StaleError(CellRefusedError):
    """Issued outside the window of 5 minutes back and 1 minute ahead."""

    refusal = Refusal.STALE
    reason = "STALE"


class ReplayError(CellRefusedError):
    """This cell was here before."""

    refusal = Refusal.REPLAY
    reason = "REPLAY"


class ReplayWindowFullError(CellRefusedError):
    """The node cannot remember one more cell, so it carries none."""

    refusal = Refusal.BUSY
    reason = "BUSY"


class BadReplyError(ProtocolError):
    """Not from the destination, nor from a hop of the path; or not the next one. The call has ended."""

    reason = "BAD_REPLY"


class ReplyOrderError(ProtocolError):
    """A reply cell was skipped, repeated, misshapen or came after the end. The call has ended."""

    reason = "REPLY_ORDER"
