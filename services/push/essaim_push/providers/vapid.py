"""VAPID (RFC 8292): a push service can tell this host from others, and nobody else can use a subscription for it."""

from base64 import urlsafe_b64encode
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from essaim.protocol.push.web_push import public_bytes

LIFE_SECONDS = 12 * 3_600
"""24 hours are allowed, and clocks differ."""
KEPT_SECONDS = 3_600
KEPT = 4_096
"""Tokens of so many origins are kept; a signature costs more than a request's headers."""


class Vapid:
    """`authorization(origin)`: the header."""

    def __init__(self, key: EllipticCurvePrivateKey, contact: str, now_ms: Callable[[], int]) -> None:
        self._key = key
        self._contact = contact
        self._now_ms = now_ms
        self._kept: dict[str, str] = {}
        self._kept_until = 0
        self.public_key = public_bytes(key.public_key())

    def authorization(self, origin: str) -> str:
        """For a push service: its scheme, host and port."""
        now = self._now_ms() // 1_000
        if now >= self._kept_until or len(self._kept) >= KEPT:
            self._kept.clear()
            self._kept_until = now + KEPT_SECONDS
        header = self._kept.get(origin)
        if header is None:
            header = self._kept[origin] = self._made(origin, now)
        return header

    def _made(self, origin: str, now: int) -> str:
        claims: dict[str, object] = {"aud": origin, "exp": now + LIFE_SECONDS}
        if self._contact:
            claims["sub"] = self._contact
        public = urlsafe_b64encode(self.public_key).decode().rstrip("=")
        return f"vapid t={jwt.encode(claims, self._key, algorithm='ES256')}, k={public}"
