"""Why a link is refused as a whole. Why one call is refused is the onion's `Refusal`.

ProtocolError
├── LinkBrokenError           PROTOCOL: a frame that is malformed, or none that may come now
├── DrainingError             DRAINING: this node takes no new link
├── NoRoomError               BUSY: as many links as there may be, of this connection, this node or of clients
└── HelloRefusedError         HELLO_REFUSED: version, class or peer is not ours, or the signature is wrong
    └── OldViewError          OLD_VIEW: the dialler's view is too old; it catches up and dials again
"""

from essaim.protocol.errors import ProtocolError


class LinkBrokenError(ProtocolError):
    """The peer does not keep to the protocol: the whole link ends."""

    reason = "PROTOCOL"


class DrainingError(ProtocolError):
    """This node is about to stop."""

    reason = "DRAINING"


class NoRoomError(ProtocolError):
    """As many links as there may be."""

    reason = "BUSY"


class HelloRefusedError(ProtocolError):
    """This link may not be."""

    reason = "HELLO_REFUSED"


class OldViewError(HelloRefusedError):
    """The dialler names a serial that is too old."""

    reason = "OLD_VIEW"
