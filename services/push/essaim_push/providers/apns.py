"""APNs over HTTP/2 with a provider token.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
"""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from essaim.protocol.push.endpoint import Apns
from essaim_push.providers.answer import Answer
from essaim_push.providers.notice import Notice, Urgency
from essaim_push.providers.outcome import Gone, Outcome, Rejected, Rejection, Retry, Trouble, of_status, seconds_of
from essaim_push.providers.vendor import Vendor

LEAST_SECONDS, MOST_SECONDS = 20 * 60, 50 * 60
"""A token is renewed "no more than once every 20 minutes and no less than once every 60 minutes"."""
PRIORITY: Final = {Urgency.HIGH: "10", Urgency.NORMAL: "5"}
TITLE = "ESSAIM_WAKE"
"""A key of the app's own strings: the text that is shown is the app's, and says nothing of anybody."""
PAYLOAD_KEY = "essaim"

# What a reason of Apple's table means here. Others follow from the status alone.
OUTCOMES: Final[dict[str, Outcome]] = {
    "BadDeviceToken": Gone(),
    "DeviceTokenNotForTopic": Gone(),
    "Unregistered": Gone(),
    "ExpiredToken": Gone(),
    "ExpiredProviderToken": Retry(Trouble.TOKEN),
    "TooManyProviderTokenUpdates": Retry(Trouble.THROTTLED, float(LEAST_SECONDS)),
    "PayloadTooLarge": Rejected(Rejection.TOO_LARGE),
    "IdleTimeout": Retry(Trouble.BROKEN),
    **dict.fromkeys(
        (
            *("BadTopic", "MissingTopic", "TopicDisallowed", "BadCertificate", "BadCertificateEnvironment"),
            *("Forbidden", "InvalidProviderToken", "MissingProviderToken", "UnrelatedKeyIdInToken"),
            *("BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken"),
        ),
        Retry(Trouble.CREDENTIALS),
    ),
}


@dataclass(frozen=True, slots=True)
class ApnsCredentials:
    """What Apple gives a team: the key (.p8), its id, the team's id; and the app's bundle id."""

    key: EllipticCurvePrivateKey = field(repr=False)
    key_id: str
    team: str
    topic: str


class ProviderToken:
    """`current()`: a token that is neither too old nor too new for Apple."""

    def __init__(self, credentials: ApnsCredentials, now_ms: Callable[[], int]) -> None:
        self._credentials = credentials
        self._now_ms = now_ms
        self._made = 0
        self._token = ""

    def current(self) -> str:
        now = self._now_ms() // 1_000
        if not self._token or not 0 <= now - self._made < MOST_SECONDS:
            claims = {"iss": self._credentials.team, "iat": now}
            headers = {"kid": self._credentials.key_id}
            self._token = jwt.encode(claims, self._credentials.key, algorithm="ES256", headers=headers)
            self._made = now
        return self._token

    def refused(self, token: str) -> None:
        """Apple calls it expired: the next is a new one, unless this was made just now (then a clock is wrong)."""
        if token == self._token and self._now_ms() // 1_000 - self._made >= LEAST_SECONDS:
            self._token = ""


class ApnsProvider:
    """Posts a notification that the app's extension completes on the device."""

    def __init__(
        self, vendor: Vendor, urls: tuple[str, str], credentials: ApnsCredentials, now_ms: Callable[[], int]
    ) -> None:
        self._vendor = vendor
        self._url, self._sandbox_url = urls
        self._topic = credentials.topic
        self._token = ProviderToken(credentials, now_ms)
        self._now_ms = now_ms

    async def deliver(self, endpoint: Apns, notice: Notice) -> Outcome:
        """Raises CallFailedError."""
        token = self._token.current()
        url = self._sandbox_url if endpoint.sandbox else self._url
        headers = self._headers(notice, token)
        answer = await self._vendor.post(f"{url}/3/device/{endpoint.device_token.hex()}", headers, _payload(notice))
        outcome = self.read(answer)
        if outcome == Retry(Trouble.TOKEN):
            self._token.refused(token)
        return outcome

    def _headers(self, notice: Notice, token: str) -> dict[str, str]:
        expires = self._now_ms() // 1_000 + notice.ttl_seconds if notice.ttl_seconds else 0
        return {
            "authorization": f"bearer {token}",
            "apns-topic": self._topic,
            "apns-push-type": "alert",
            "apns-priority": PRIORITY[notice.urgency],
            "apns-expiration": str(expires),
            "apns-collapse-id": notice.topic,
            "content-type": "application/json",
        }

    def read(self, answer: Answer) -> Outcome:
        """By Apple's reason, else by the status."""
        known = OUTCOMES.get(str(answer.document.get("reason", ""))) if answer.status >= 400 else None
        if known is not None:
            return known
        if answer.status == 403:
            return Retry(Trouble.CREDENTIALS)
        if answer.status == 404:  # a path that is none: ours, or a proxy's
            return Rejected(Rejection.MALFORMED)
        return of_status(answer.status, seconds_of(answer.retry_after, self._now_ms()), frozenset((410,)))


def _payload(notice: Notice) -> bytes:
    """At most 4096 bytes. `mutable-content`: the app's extension runs, and fetches, before anything is shown."""
    document: dict[str, object] = {"aps": {"alert": {"title-loc-key": TITLE}, "mutable-content": 1}}
    if notice.preview is not None:
        document[PAYLOAD_KEY] = b64encode(notice.preview).decode()
    return json.dumps(document, separators=(",", ":")).encode()
