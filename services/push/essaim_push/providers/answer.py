"""What came back of a call, as far as anybody looks at it."""

import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import certifi

from essaim.runtime.refusal import StartError

MAX_BODY: Final = 8_192
"""Longer answers are cut: an error of APNs or FCM has some hundred bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`retry_after` as the header said; `body` at most 8 KiB."""

    status: int
    retry_after: str = ""
    body: bytes = field(default=b"", repr=False)

    @property
    def document(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is none."""
        try:
            parsed = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return parsed if isinstance(parsed, dict) else {}


def trust(extra: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, certificates of the web's authorities and of those in `extra`. Raises StartError."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if extra is not None:
        try:
            context.load_verify_locations(cafile=extra)
        except (OSError, ssl.SSLError):
            raise StartError("the certificates (--provider-ca) cannot be read: a file in PEM.") from None
    return context
