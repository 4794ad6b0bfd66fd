"""What APNs answers, row by row of Apple's page "Handling notification responses from APNs"."""

from dataclasses import dataclass

DOCS = "https://developer.apple.com/documentation/usernotifications"
PAGE = f"{DOCS}/handling-notification-responses-from-apns"
TOKEN_PAGE = f"{DOCS}/establishing-a-token-based-connection-to-apns"


@dataclass(frozen=True)
class Row:
    """A status code with its error string, and where that is written."""

    status: int
    reason: str
    page: str = PAGE


ROWS = (
    Row(400, "BadCollapseId"),
    Row(400, "BadDeviceToken"),
    Row(400, "BadExpirationDate"),
    Row(400, "BadMessageId"),
    Row(400, "BadPriority"),
    Row(400, "BadTopic"),
    Row(400, "DeviceTokenNotForTopic"),
    Row(400, "DuplicateHeaders"),
    Row(400, "IdleTimeout"),
    Row(400, "InvalidPushType"),
    Row(400, "MissingDeviceToken"),
    Row(400, "MissingTopic"),
    Row(400, "PayloadEmpty"),
    Row(400, "TopicDisallowed"),
    Row(403, "BadCertificate"),
    Row(403, "BadCertificateEnvironment"),
    Row(403, "ExpiredProviderToken"),
    Row(403, "Forbidden"),
    Row(403, "InvalidProviderToken"),
    Row(403, "MissingProviderToken"),
    Row(403, "UnrelatedKeyIdInToken"),
    Row(403, "BadEnvironmentKeyIdInToken"),
    Row(404, "BadPath"),
    Row(405, "MethodNotAllowed"),
    Row(410, "ExpiredToken"),
    Row(410, "Unregistered"),
    Row(413, "PayloadTooLarge"),
    Row(429, "TooManyProviderTokenUpdates", TOKEN_PAGE),
    Row(429, "TooManyRequests"),
    Row(500, "InternalServerError"),
    Row(503, "ServiceUnavailable"),
    Row(503, "Shutdown"),
)
BY_REASON = {row.reason: row for row in ROWS}
