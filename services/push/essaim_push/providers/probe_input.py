"""An endpoint as people have it: JSON, from a browser's console, a phone's log or a bot's configuration.

{"endpoint": "https://...", "keys": {"p256dh": "...", "auth": "..."}}     PushSubscription.toJSON(); UnifiedPush
{"apns": "device token, hexadecimal", "sandbox": false}
{"fcm": "registration token"}
{"url": "https://...", "secret": "whsec_..."}                             a webhook
"""

import binascii
import json
from base64 import urlsafe_b64decode
from typing import Any

from essaim.protocol.push.endpoint import Apns, Endpoint, Fcm, Webhook, WebPush
from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.protocol.push.url import Url
from essaim.protocol.push.webhook import WebhookRefusedError, read_secret


def read_endpoint(text: str) -> Endpoint:
    """Raises EndpointRefusedError."""
    try:
        document = json.loads(text)
        return _endpoint(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, WebhookRefusedError):
        raise EndpointRefusedError("not an endpoint in JSON, as docs/operations/push.md shows them") from None


def _endpoint(document: dict[str, Any]) -> Endpoint:
    if "endpoint" in document:
        keys = document["keys"]
        return WebPush(Url.parse(document["endpoint"]), _decoded(keys["p256dh"]), _decoded(keys["auth"]))
    if "apns" in document:
        return Apns(bytes.fromhex(document["apns"]), bool(document.get("sandbox")))
    if "fcm" in document:
        return Fcm(document["fcm"])
    return Webhook(Url.parse(document["url"]), read_secret(document["secret"]))


def _decoded(text: str) -> bytes:
    """base64url, as browsers write keys."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError from None
