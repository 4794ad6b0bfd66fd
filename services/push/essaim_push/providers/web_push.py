"""Web Push, which is UnifiedPush too: RFC 8030, bodies by RFC 8291, VAPID by RFC 8292."""

from collections.abc import Callable

from essaim.protocol.push.endpoint import WebPush
from essaim.protocol.push.web_push import ENTROPY_SIZE, seal
from essaim_push.providers.notice import Notice
from essaim_push.providers.open_web import OpenWeb
from essaim_push.providers.outcome import Outcome, of_status, seconds_of
from essaim_push.providers.vapid import Vapid

GONE = frozenset((404, 410))
"""RFC 8030, section 7.3: the subscription has expired."""
QUIET_SIZE, PREVIEW_SIZE = 256, 2_816
"""Bodies have two lengths, and the push service learns only whether there is a preview."""


class WebPushProvider:
    """Encrypts for the device and posts to its push service."""

    def __init__(self, web: OpenWeb, vapid: Vapid, now_ms: Callable[[], int], random: Callable[[int], bytes]) -> None:
        self._web = web
        self._vapid = vapid
        self._now_ms = now_ms
        self._random = random

    async def deliver(self, endpoint: WebPush, notice: Notice) -> Outcome:
        """Raises CallFailedError."""
        padded = QUIET_SIZE if notice.preview is None else PREVIEW_SIZE
        entropy = self._random(ENTROPY_SIZE)
        body = seal(notice.preview or b"", endpoint.public_key, endpoint.auth_secret, entropy, padded)
        headers = {
            "TTL": str(notice.ttl_seconds),
            "Urgency": notice.urgency.value,
            "Topic": notice.topic,
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "Authorization": self._vapid.authorization(endpoint.origin),
        }
        answer = await self._web.post(endpoint.url, headers, body)
        return of_status(answer.status, seconds_of(answer.retry_after, self._now_ms()), GONE)
