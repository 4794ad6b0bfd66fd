"""Webhooks for bots, as Standard Webhooks 1.0 says (https://github.com/standard-webhooks/standard-webhooks).

    webhook-id          the wake: the same whenever it is sent again
    webhook-timestamp   unix seconds
    webhook-signature   "v1," base64(HMAC-SHA256(secret, id "." timestamp "." body))

A bot calls `verify`, and `Replays.check` with what it gives: a request older than five minutes is refused, and within
them, and for as long as a wake may be repeated, an id is taken once.
"""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Mapping
from typing import ClassVar, Final

from essaim.protocol.errors import ProtocolError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SCHEME = "v1,"
TOLERANCE_SECONDS = 300
SECRET_PREFIX = "whsec_"  # noqa: S105  # how the specification marks one
REMEMBERED = 100_000
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


class WebhookRefusedError(ProtocolError):
    """Not signed with the secret, or not signed at all."""

    reason: ClassVar[str] = "BAD_SIGNATURE"


class WebhookStaleError(WebhookRefusedError):
    """Signed more than five minutes ago or ahead."""

    reason = "STALE"


class WebhookReplayError(WebhookRefusedError):
    """A wake that has been taken."""

    reason = "REPLAY"


def secret_text(secret: bytes) -> str:
    """How a secret is written where people copy it: whsec_ and base64."""
    return SECRET_PREFIX + b64encode(secret).decode()


def read_secret(text: str) -> bytes:
    """`secret_text` read back. Raises WebhookRefusedError."""
    try:
        return b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise WebhookRefusedError("a secret is whsec_ and base64") from None


def sign(secret: bytes, wake: str, now_seconds: int, body: bytes) -> dict[str, str]:
    """The three headers."""
    return {ID: wake, TIMESTAMP: str(now_seconds), SIGNATURE: _signature(secret, wake, str(now_seconds), body)}


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now_seconds: int) -> str:
    """The wake's id. `headers` in lower case. Raises WebhookRefusedError, WebhookStaleError."""
    wake, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not _ID.fullmatch(wake) or not _SECONDS.fullmatch(timestamp):
        raise WebhookRefusedError("not the headers of a webhook")
    expected = _signature(secret, wake, timestamp, body).encode()
    given = headers.get(SIGNATURE, "").split(" ")  # several while a secret is changed
    if not any(hmac.compare_digest(expected, each.encode()) for each in given):
        raise WebhookRefusedError("not signed with this secret")
    if abs(now_seconds - int(timestamp)) > TOLERANCE_SECONDS:
        raise WebhookStaleError("signed more than five minutes ago or ahead")
    return wake


def _signature(secret: bytes, wake: str, timestamp: str, body: bytes) -> str:
    signed = f"{wake}.{timestamp}.".encode() + body
    return SCHEME + b64encode(hmac.digest(secret, signed, "sha256")).decode()


class Replays:
    """The wakes that a bot has taken: the newest `most`."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._taken: OrderedDict[str, None] = OrderedDict()

    def check(self, wake: str) -> None:
        """Raises WebhookReplayError the second time."""
        if wake in self._taken:
            raise WebhookReplayError("this wake has been taken")
        self._taken[wake] = None
        if len(self._taken) > self._most:
            self._taken.popitem(last=False)
