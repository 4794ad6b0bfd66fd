"""What a push host refuses, each with its own reason (docs/protocol/push.md, section 8)."""

from typing import ClassVar

from essaim.protocol.errors import ProtocolError


class PushRefusedError(ProtocolError):
    """The root of these."""

    reason: ClassVar[str] = "PUSH_REFUSED"


class NotAuthorizedError(PushRefusedError):
    """Not signed, or not by the owner key that it names, or for another host, method or content."""

    reason = "NOT_AUTHORIZED"


class ClockError(PushRefusedError):
    """Signed more than five minutes ago or ahead by the host's clock."""

    reason = "CLOCK"


class OrderRefusedError(PushRefusedError):
    """A subscription id, generation or choice of push ids out of its bounds, or bytes that are no such order."""

    reason = "ORDER_REFUSED"


class EndpointRefusedError(PushRefusedError):
    """Not sealed to this host, or not an endpoint, or of a kind or at an address that the host does not serve."""

    reason = "ENDPOINT_REFUSED"


class SubscriptionUnknownError(PushRefusedError):
    """No such subscription of this owner key: never there, ended, or not renewed in time."""

    reason = "SUBSCRIPTION_UNKNOWN"


class GenerationUsedError(PushRefusedError):
    """The subscription has a higher generation already."""

    reason = "GENERATION_USED"


class QuotaError(PushRefusedError):
    """As many subscriptions as one owner key, one endpoint or the host may have."""

    reason = "QUOTA"


class BusyError(PushRefusedError):
    """As many new subscriptions or requests as the host takes now; `retry_after_ms` says when it takes more."""

    reason = "BUSY"

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__("the host takes no more now")
        self.retry_after_ms = retry_after_ms


class RegistrationRefusedError(PushRefusedError):
    """Not a registration: bytes left over or missing, an unknown flag, no host or too many."""

    reason = "REGISTRATION_REFUSED"


class WakeRefusedError(PushRefusedError):
    """A push id, wake id or preview of a wrong length, or no wakes, or too many."""

    reason = "WAKE_REFUSED"


class PreviewRefusedError(PushRefusedError):
    """Not sealed for this push id by a device's preview key, or not a preview."""

    reason = "PREVIEW_REFUSED"


class HostRefusedError(PushRefusedError):
    """For clients: the node does not prove that it serves the host whose keys it tells."""

    reason = "HOST_REFUSED"
