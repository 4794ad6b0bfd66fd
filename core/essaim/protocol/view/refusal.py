"""Why a view, a genesis or what a node signed is refused.

ProtocolError
└── ViewRefusedError
    ├── MalformedError        MALFORMED: not the bytes of what it claims to be, or contradicts itself
    ├── WrongNetworkError     WRONG_NETWORK: of another genesis
    ├── BadSignatureError     BAD_SIGNATURE: a node's or an authority's own signature is wrong
    ├── BelowThresholdError   BELOW_THRESHOLD: too few authorities signed
    ├── RollbackError         ROLLBACK: older than the newest view held
    ├── ForkError             FORK: another view of the same (epoch, serial); `evidence` proves it to anybody
    ├── WrongChainError       WRONG_CHAIN: does not continue the view held
    └── ExpiredError          EXPIRED: no longer valid at the corrected time
"""

from dataclasses import dataclass

from essaim.protocol.errors import ProtocolError


class ViewRefusedError(ProtocolError):
    """A view, or a part of one, that must not be used."""

    reason = "VIEW_REFUSED"


class MalformedError(ViewRefusedError):
    """Not the bytes of what it claims to be, or contradicts itself."""

    reason = "MALFORMED"


class WrongNetworkError(ViewRefusedError):
    """Made for another genesis."""

    reason = "WRONG_NETWORK"


class BadSignatureError(ViewRefusedError):
    """What a node, or each authority of a genesis, must have signed is not signed by it."""

    reason = "BAD_SIGNATURE"


class BelowThresholdError(ViewRefusedError):
    """Fewer than floor(2n/3)+1 different authorities signed."""

    reason = "BELOW_THRESHOLD"


class RollbackError(ViewRefusedError):
    """Older than the newest (epoch, serial) held."""

    reason = "ROLLBACK"


@dataclass(frozen=True)
class ForkEvidence:
    """Two SignedHeaders of one (epoch, serial), serialised, each with enough signatures."""

    held: bytes
    offered: bytes


class ForkError(ViewRefusedError):
    """Two different views of one (epoch, serial): more than a third of the authorities signed twice, or one of one."""

    reason = "FORK"

    def __init__(self, message: str, evidence: ForkEvidence) -> None:
        super().__init__(message)
        self.evidence = evidence


class WrongChainError(ViewRefusedError):
    """The headers do not lead from the view held to the one offered."""

    reason = "WRONG_CHAIN"


class ExpiredError(ViewRefusedError):
    """No longer valid at the corrected time."""

    reason = "EXPIRED"
