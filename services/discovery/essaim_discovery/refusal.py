"""Why a transaction is refused. A refused one changes nothing: it may be mended and sent again.

ProtocolError
├── ViewRefusedError             MALFORMED, BAD_SIGNATURE, WRONG_NETWORK (essaim.protocol.view)
├── KeyRefusedError              KEY_REFUSED: an onion key that nobody could wrap to (essaim.protocol.keys)
└── TransactionRefusedError
    ├── NotListedError           NOT_LISTED: only a registered node can say this
    ├── SequenceUsedError        SEQUENCE_USED: not above the node's last transaction
    ├── ClockError               CLOCK: issued too far from discovery's time
    ├── WrongStartError          WRONG_START: of another start than the registered one
    ├── OldDescriptorError       OLD_DESCRIPTOR: the descriptor's sequence does not grow
    ├── RoleChangedError         ROLE_CHANGED: a node id keeps its role
    ├── KeysMissingError         KEYS_MISSING: no usable onion key of each kind
    ├── KeysRepeatedError        KEYS_REPEATED: two keys for one period
    ├── KeysTooFarError          KEYS_TOO_FAR: published further ahead than the schedule allows
    ├── TooManyRecordsError      TOO_MANY_RECORDS: more key records than an entry may show
    ├── DecommissionedError      DECOMMISSIONED: expelled until recommissioned
    ├── NetworkFullError         NETWORK_FULL: no room for another node
    ├── NotMovingError           NOT_MOVING: of a move that is not under way, or of a swarm that the node does not join
    ├── NotDrawnError            NOT_DRAWN: a report of a test that nobody asked for
    ├── RoundOverError           ROUND_OVER: a report of tests that are judged already
    ├── NotAuthorityError        NOT_AUTHORITY: only an authority can say this
    └── NotAdmittedError         NOT_ADMITTED: the operator of the network has not let the node in
"""

from essaim.protocol.errors import ProtocolError


class TransactionRefusedError(ProtocolError):
    """A transaction that is not applied."""

    reason = "TRANSACTION_REFUSED"


class NotListedError(TransactionRefusedError):
    """Only a registered node can say this."""

    reason = "NOT_LISTED"


class SequenceUsedError(TransactionRefusedError):
    """Its sequence is not above the node's last applied one, and it is not that one."""

    reason = "SEQUENCE_USED"


class ClockError(TransactionRefusedError):
    """A descriptor issued too long ago, or in the future."""

    reason = "CLOCK"


class WrongStartError(TransactionRefusedError):
    """Of another start than the one registered."""

    reason = "WRONG_START"


class OldDescriptorError(TransactionRefusedError):
    """The sequence of a node's descriptors grows."""

    reason = "OLD_DESCRIPTOR"


class RoleChangedError(TransactionRefusedError):
    """A node keeps its role; another role needs another identity."""

    reason = "ROLE_CHANGED"


class KeysMissingError(TransactionRefusedError):
    """Without onion keys of each kind nobody could reach the node."""

    reason = "KEYS_MISSING"


class KeysRepeatedError(TransactionRefusedError):
    """A second key for one period: senders would not agree which to use."""

    reason = "KEYS_REPEATED"


class KeysTooFarError(TransactionRefusedError):
    """Published further ahead than a node's schedule reaches."""

    reason = "KEYS_TOO_FAR"


class TooManyRecordsError(TransactionRefusedError):
    """More key records than an entry may show."""

    reason = "TOO_MANY_RECORDS"


class DecommissionedError(TransactionRefusedError):
    """The node was expelled."""

    reason = "DECOMMISSIONED"


class NetworkFullError(TransactionRefusedError):
    """No room for another node."""

    reason = "NETWORK_FULL"


class NotMovingError(TransactionRefusedError):
    """Of a move that is not under way, or of a swarm that the node does not join."""

    reason = "NOT_MOVING"


class NotDrawnError(TransactionRefusedError):
    """A report of a test that nobody asked this node for."""

    reason = "NOT_DRAWN"


class RoundOverError(TransactionRefusedError):
    """A report of tests that are judged already, or of a view that draws none."""

    reason = "ROUND_OVER"


class NotAuthorityError(TransactionRefusedError):
    """Only an authority can say this, and an authority says nothing else."""

    reason = "NOT_AUTHORITY"


class NotAdmittedError(TransactionRefusedError):
    """The operator of the network has not let the node in."""

    reason = "NOT_ADMITTED"
