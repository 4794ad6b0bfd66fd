"""What the ratchet refuses; its state is then as it was."""

from essaim.protocol.errors import ProtocolError


class RatchetError(ProtocolError):
    """The message is not accepted by this session."""

    reason = "RATCHET_REFUSED"


class UnreadableError(RatchetError):
    """No key of this session opens it: another session's, altered, or too old."""

    reason = "UNREADABLE"


class NotOursError(UnreadableError):
    """No header key of this session opens its header."""


class DuplicateError(RatchetError):
    """Opened before."""

    reason = "DUPLICATE"


class TooManySkippedError(RatchetError):
    """It would skip more messages than one chain may."""

    reason = "TOO_MANY_SKIPPED"


class NotYetAnsweredError(RatchetError):
    """The responder cannot send before it has received."""

    reason = "NOT_YET_ANSWERED"
