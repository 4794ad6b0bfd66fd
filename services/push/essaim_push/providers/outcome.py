"""How a delivery went. Closed sets: they are counted and logged, and nothing else of a delivery is."""

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

LONGEST_WAIT_SECONDS: Final = 86_400
"""A provider that asks for more is asked again tomorrow."""
_DIGITS: Final = 9


class Trouble(StrEnum):
    """What may be over when it is tried again."""

    THROTTLED = "throttled"
    DOWN = "down"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    """No address, no connection, or no certificate that is valid for the name."""
    BROKEN = "broken"
    """The connection ended, or what came was no HTTP."""
    TOKEN = "token"  # noqa: S105  # its name
    """The provider's token of this host has run out; the next try has a new one."""
    CREDENTIALS = "credentials"
    """The provider refuses this host itself: its operator must act. Wakes wait as long as they live."""


class Rejection(StrEnum):
    """What would be refused again."""

    FORBIDDEN = "forbidden"
    """An address that is not to be called: docs/operations/push.md, "Addresses"."""
    UNCONFIGURED = "unconfigured"
    """A kind for which this host has no credentials."""
    REDIRECT = "redirect"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    UNAUTHORIZED = "unauthorized"
    """The endpoint is for another sender than this host."""
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Again, after so many seconds if the provider said."""

    trouble: Trouble
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The endpoint is no more, and nothing need be sent there ever again."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not this notice, never; the endpoint may be good for others."""

    rejection: Rejection


Outcome = Delivered | Retry | Gone | Rejected


class CallFailedError(Exception):
    """A call to a provider that brought no answer. Says what kind of failure, never whose address."""

    def __init__(self, outcome: Retry | Rejected) -> None:
        super().__init__(outcome.trouble if isinstance(outcome, Retry) else outcome.rejection)
        self.outcome = outcome


def of_status(status: int, after_seconds: float | None, gone: frozenset[int]) -> Outcome:
    """What an HTTP status alone says (RFC 9110, 6585, 8030). `gone`: those that mean that the endpoint is no more."""
    if status in gone:
        return Gone()
    if 200 <= status < 300:
        return Delivered()
    if status == 429 or (status == 503 and after_seconds is not None):
        return Retry(Trouble.THROTTLED, after_seconds)
    if 500 <= status < 600 or status in (404, 408, 425):
        return Retry(Trouble.DOWN, after_seconds)
    if 300 <= status < 400:
        return Rejected(Rejection.REDIRECT)
    return Rejected(_REJECTED.get(status, Rejection.MALFORMED if 400 <= status < 500 else Rejection.UNEXPECTED))


_REJECTED: Final = {401: Rejection.UNAUTHORIZED, 403: Rejection.UNAUTHORIZED, 413: Rejection.TOO_LARGE}


def seconds_of(retry_after: str, now_ms: int) -> float | None:
    """A Retry-After header (RFC 9110, 10.2.3), seconds or a date; None where it says neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdecimal() and len(text) <= _DIGITS:
        return float(min(int(text), LONGEST_WAIT_SECONDS))
    try:
        until = parsedate_to_datetime(text)
        seconds = until.replace(tzinfo=until.tzinfo or UTC).timestamp() - now_ms / 1_000
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), float(LONGEST_WAIT_SECONDS))
