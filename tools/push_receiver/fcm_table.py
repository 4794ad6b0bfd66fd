"""What FCM's HTTP v1 answers, row by row of the page "ErrorCode", and OAuth's own errors."""

from dataclasses import dataclass

PAGE = "https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode"
SHAPE_PAGE = "https://firebase.google.com/docs/cloud-messaging/error-codes"
SCALE_PAGE = "https://firebase.google.com/docs/cloud-messaging/scale-fcm"
STATUS_PAGE = "https://cloud.google.com/apis/design/errors"


@dataclass(frozen=True)
class Row:
    """`status` and `canonical` as in the answer's error; `code` as in FcmError, empty where there is none."""

    name: str
    status: int
    canonical: str
    code: str
    page: str = PAGE


ROWS = (
    Row("UNSPECIFIED_ERROR", 500, "UNKNOWN", "UNSPECIFIED_ERROR"),
    Row("INVALID_ARGUMENT", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    Row("BAD_FIELD", 400, "INVALID_ARGUMENT", "", SHAPE_PAGE),
    Row("UNREGISTERED", 404, "NOT_FOUND", "UNREGISTERED"),
    Row("SENDER_ID_MISMATCH", 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
    Row("QUOTA_EXCEEDED", 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", SCALE_PAGE),
    Row("UNAVAILABLE", 503, "UNAVAILABLE", "UNAVAILABLE"),
    Row("INTERNAL", 500, "INTERNAL", "INTERNAL"),
    Row("THIRD_PARTY_AUTH_ERROR", 401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
    Row("UNAUTHENTICATED", 401, "UNAUTHENTICATED", "", STATUS_PAGE),
    Row("PERMISSION_DENIED", 403, "PERMISSION_DENIED", "", STATUS_PAGE),
    Row("NOT_FOUND", 404, "NOT_FOUND", "", STATUS_PAGE),
)
BY_NAME = {row.name: row for row in ROWS}
