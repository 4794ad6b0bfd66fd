"""A Google service account: access tokens for a signed assertion.

https://developers.google.com/identity/protocols/oauth2/service-account (HTTP/REST); RFC 7523, section 2.1
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.protocol.push.url import HTTPS, Url
from essaim.runtime.refusal import StartError
from essaim_push.providers.answer import Answer
from essaim_push.providers.outcome import CallFailedError, Retry, Trouble, seconds_of
from essaim_push.providers.vendor import Vendor

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS: Final = 3_600
EARLY_SECONDS: Final = 300
"""A token is renewed so long before it ends."""
FIELDS: Final = ("project_id", "private_key_id", "private_key", "client_email", "token_uri")


def _is_https(url: str) -> bool:
    try:
        return Url.parse(url).scheme == HTTPS
    except EndpointRefusedError:
        return False


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What the JSON file of the Firebase console says."""

    project: str
    key_id: str
    key: RSAPrivateKey = field(repr=False)
    email: str
    token_url: str

    @classmethod
    def load(cls, path: Path) -> "ServiceAccount":
        """Raises StartError."""
        try:
            document = json.loads(path.read_text())
            project, key_id, pem, email, url = (str(document[each]) for each in FIELDS)
            key = load_pem_private_key(pem.encode(), None)
        except (OSError, ValueError, TypeError, KeyError):
            raise StartError("the service account (--fcm-account) cannot be read: the console's JSON file.") from None
        if not isinstance(key, RSAPrivateKey) or not _is_https(url):
            raise StartError("the service account (--fcm-account) must have an RSA key and an https token_uri.")
        return cls(project, key_id, key, email, url)


class AccessToken:
    """`current()`: a token, asked for once whoever waits for it."""

    def __init__(self, vendor: Vendor, account: ServiceAccount, now_ms: Callable[[], int]) -> None:
        self._vendor = vendor
        self._account = account
        self._now_ms = now_ms
        self._token = ""
        self._until_ms = 0
        self._asking = asyncio.Lock()

    async def current(self) -> str:
        """Raises CallFailedError."""
        async with self._asking:
            if not self._token or self._now_ms() >= self._until_ms:
                await self._renew()
            return self._token

    def refused(self, token: str) -> None:
        """The next is another one."""
        if token == self._token:
            self._token = ""

    async def _renew(self) -> None:
        form = urlencode({"grant_type": GRANT, "assertion": self._assertion()}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await self._vendor.post(self._account.token_url, headers, form)
        if answer.status != 200:
            raise CallFailedError(_refusal(answer, self._now_ms()))
        self._token, seconds = _granted(answer.document)
        self._until_ms = self._now_ms() + max(seconds - EARLY_SECONDS, 0) * 1_000

    def _assertion(self) -> str:
        now = self._now_ms() // 1_000
        claims = {
            "iss": self._account.email,
            "scope": SCOPE,
            "aud": self._account.token_url,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        return jwt.encode(claims, self._account.key, algorithm="RS256", headers={"kid": self._account.key_id})


def _refusal(answer: Answer, now_ms: int) -> Retry:
    after = seconds_of(answer.retry_after, now_ms)
    if answer.status == 429 or answer.status >= 500:
        return Retry(Trouble.DOWN, after)
    return Retry(Trouble.CREDENTIALS, after)


def _granted(document: dict[str, Any]) -> tuple[str, int]:
    """(token, seconds). Raises CallFailedError where there is none that could stand in a header."""
    token, seconds = document.get("access_token"), document.get("expires_in", 0)
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not isinstance(seconds, int):
        raise CallFailedError(Retry(Trouble.BROKEN))
    return token, seconds
