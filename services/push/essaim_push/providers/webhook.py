"""Webhooks for bots, signed as Standard Webhooks says (essaim.protocol.push.webhook)."""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime

from essaim.protocol.push.endpoint import Webhook
from essaim.protocol.push.webhook import sign
from essaim_push.providers.notice import Notice
from essaim_push.providers.open_web import OpenWeb
from essaim_push.providers.outcome import Outcome, of_status, seconds_of

GONE = frozenset((410,))
"""404 is what a bot that is being restarted answers."""
TYPE = "essaim.wake"


class WebhookProvider:
    """Posts a signed JSON document."""

    def __init__(self, web: OpenWeb, now_ms: Callable[[], int]) -> None:
        self._web = web
        self._now_ms = now_ms

    async def deliver(self, endpoint: Webhook, notice: Notice) -> Outcome:
        """Raises CallFailedError."""
        now = self._now_ms() // 1_000
        body = _document(notice, now)
        headers = {"Content-Type": "application/json", **sign(endpoint.secret, notice.topic, now, body)}
        answer = await self._web.post(endpoint.url, headers, body)
        return of_status(answer.status, seconds_of(answer.retry_after, self._now_ms()), GONE)


def _document(notice: Notice, now_seconds: int) -> bytes:
    data = {} if notice.preview is None else {"preview": b64encode(notice.preview).decode()}
    at = datetime.fromtimestamp(now_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"type": TYPE, "timestamp": at, "data": data}, separators=(",", ":")).encode()
