"""FCM's HTTP v1 interface.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
https://firebase.google.com/docs/cloud-messaging/error-codes
"""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from essaim.protocol.push.endpoint import Fcm
from essaim_push.providers.answer import Answer
from essaim_push.providers.notice import Notice, Urgency
from essaim_push.providers.outcome import Gone, Outcome, Rejected, Rejection, Retry, Trouble, of_status, seconds_of
from essaim_push.providers.service_account import AccessToken
from essaim_push.providers.vendor import Vendor

FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
QUOTA_SECONDS: Final = 60.0
"""What to wait after 429 without Retry-After (docs/cloud-messaging/scale-fcm)."""
WAKE_KEY: Final = "wake"
"""FCM keeps four collapse keys a device: wakes without preview are alike, and need one."""


class FcmProvider:
    """Posts a data message, which the app's own service receives."""

    def __init__(self, vendor: Vendor, url: str, project: str, token: AccessToken, now_ms: Callable[[], int]) -> None:
        self._vendor = vendor
        self._url = f"{url}/v1/projects/{project}/messages:send"
        self._token = token
        self._now_ms = now_ms

    async def deliver(self, endpoint: Fcm, notice: Notice, *, validate_only: bool = False) -> Outcome:
        """`validate_only`: judged and not sent. Raises CallFailedError."""
        token = await self._token.current()
        document: dict[str, object] = {"message": _message(endpoint.token, notice)}
        if validate_only:
            document["validate_only"] = True
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answer = await self._vendor.post(self._url, headers, json.dumps(document, separators=(",", ":")).encode())
        outcome = self.read(answer)
        if outcome == Retry(Trouble.TOKEN):
            self._token.refused(token)
        return outcome

    def read(self, answer: Answer) -> Outcome:
        """By FCM's own code where there is one, else by the status."""
        after = seconds_of(answer.retry_after, self._now_ms())
        known = _KNOWN.get((answer.status, code_of(answer.document)))
        if known is not None:
            return known
        if answer.status == 429:
            return Retry(Trouble.THROTTLED, QUOTA_SECONDS if after is None else after)
        if answer.status in (403, 404):  # the project is another's, or none: not the device's fault
            return Retry(Trouble.CREDENTIALS)
        return of_status(answer.status, after, frozenset())


_KNOWN: Final[dict[tuple[int, str], Outcome]] = {
    (404, "UNREGISTERED"): Gone(),
    (400, "INVALID_ARGUMENT"): Gone(),  # all but the token is the same in all our messages
    (400, "message.token"): Gone(),
    (403, "SENDER_ID_MISMATCH"): Rejected(Rejection.UNAUTHORIZED),
    (401, "THIRD_PARTY_AUTH_ERROR"): Retry(Trouble.CREDENTIALS),
    (401, ""): Retry(Trouble.TOKEN),
}


def code_of(document: dict[str, Any]) -> str:
    """FCM's error code; or the field that a request failed for, where that is the token; else empty."""
    error = document.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("@type") == FCM_ERROR:
            return str(detail.get("errorCode", ""))
        if isinstance(detail, dict) and detail.get("@type") == BAD_REQUEST and _names_token(detail):
            return "message.token"
    return ""


def _names_token(detail: dict[str, Any]) -> bool:
    violations = detail.get("fieldViolations")
    named = [each.get("field") for each in violations if isinstance(each, dict)] if isinstance(violations, list) else []
    return named == ["message.token"]


def _message(token: str, notice: Notice) -> dict[str, object]:
    """Data alone: what is shown is made on the device."""
    data = {"essaim": "" if notice.preview is None else b64encode(notice.preview).decode()}
    android = {
        "priority": "HIGH" if notice.urgency is Urgency.HIGH else "NORMAL",
        "ttl": f"{notice.ttl_seconds}s",
        "collapse_key": WAKE_KEY if notice.preview is None else notice.topic,
    }
    return {"token": token, "data": data, "android": android}
