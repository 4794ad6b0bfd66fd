"""Why a transaction is refused. What a node signed wrongly is refused as in essaim.protocol.view.refusal.

ProtocolError
└── TransactionError
    ├── NotATransactionError    NOT_A_TRANSACTION: not the bytes of one, or without a body
    ├── NotRegisteredError      NOT_REGISTERED: of a node that is not there (any more); it registers again
    ├── SequenceError           SEQUENCE_SEEN: older than the node's last one
    ├── OtherStartError         OTHER_START: about another start of the node than the registered one
    ├── ClockError              CLOCK: the node's clock is too far from discovery's
    ├── KeysError               KEYS_REFUSED: onion keys missing, repeated, past, or too far ahead
    └── CertificateError        CERTIFICATE_REFUSED: not a DER certificate that TLS could use
"""

from essaim.protocol.errors import ProtocolError


class TransactionError(ProtocolError):
    """Refused; the state is as it was."""

    reason = "TRANSACTION_REFUSED"


class NotATransactionError(TransactionError):
    """Not the bytes of one, or without a body."""

    reason = "NOT_A_TRANSACTION"


class NotRegisteredError(TransactionError):
    """Of a node that is not there (any more)."""

    reason = "NOT_REGISTERED"


class SequenceError(TransactionError):
    """Older than the node's last one, or another one of the same number."""

    reason = "SEQUENCE_SEEN"


class OtherStartError(TransactionError):
    """About another start of the node than the registered one."""

    reason = "OTHER_START"


class ClockError(TransactionError):
    """The node's clock is too far from discovery's."""

    reason = "CLOCK"


class KeysError(TransactionError):
    """Onion keys missing, repeated, past, or too far ahead."""

    reason = "KEYS_REFUSED"


class CertificateError(TransactionError):
    """Not a DER certificate that TLS could use."""

    reason = "CERTIFICATE_REFUSED"
