"""What statuses and Retry-After headers mean."""

from datetime import UTC, datetime

import pytest

from essaim_push.providers.answer import Answer
from essaim_push.providers.notice import Notice
from essaim_push.providers.outcome import (
    Delivered,
    Gone,
    Outcome,
    Rejected,
    Rejection,
    Retry,
    Trouble,
    of_status,
    seconds_of,
)

NOW_MS = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()) * 1_000
GONE = frozenset((404, 410))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("999999999", 86_400),
        ("Mon, 23 Nov 2026 12:01:30 GMT", 90),
        ("Mon, 23 Nov 2026 11:59:00 GMT", 0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400),
        *((wrong, None) for wrong in ("", "-1", "1e9", "soon", "٣", "9" * 40, "Mon, 99 Nov 2026 12:00:00 GMT")),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None):
    assert seconds_of(text, NOW_MS) == seconds


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Delivered()) for status in (200, 201, 202, 204)),
        *((status, Gone()) for status in (404, 410)),
        *((status, Rejected(Rejection.REDIRECT)) for status in (301, 302, 303, 307, 308)),
        *((status, Retry(Trouble.DOWN)) for status in (408, 425, 500, 502, 503, 504, 507, 599)),
        *((status, Rejected(Rejection.UNAUTHORIZED)) for status in (401, 403)),
        *((status, Rejected(Rejection.MALFORMED)) for status in (400, 405, 411, 415, 451)),
        (413, Rejected(Rejection.TOO_LARGE)),
        (429, Retry(Trouble.THROTTLED)),
        *((status, Rejected(Rejection.UNEXPECTED)) for status in (101, 600, 999)),
    ],
)
def test_status_has_one_meaning(status: int, outcome: Outcome):
    assert of_status(status, None, GONE) == outcome


def test_retry_after_is_kept():
    assert of_status(429, 7, GONE) == Retry(Trouble.THROTTLED, 7)
    assert of_status(503, 9, GONE) == Retry(Trouble.THROTTLED, 9)
    assert of_status(500, 9, GONE) == Retry(Trouble.DOWN, 9)


@pytest.mark.parametrize("body", [b"", b"no", b"[1]", b'"x"', b"[" * 4_000, b"\xff{}", b'{"a":'])
def test_answer_that_is_no_object_is_an_empty_one(body: bytes):
    assert Answer(400, "", body).document == {}


@pytest.mark.parametrize(
    ("topic", "ttl", "preview"),
    [
        *(("", 1, None), ("a" * 33, 1, None), ("a b", 1, None)),
        *(("a", -1, None), ("a", 1 << 30, None), ("a", 1, bytes(2_801))),
    ],
)
def test_notice_out_of_bounds_is_none(topic: str, ttl: int, preview: bytes | None):
    with pytest.raises(ValueError):
        Notice(topic, ttl, preview=preview)
