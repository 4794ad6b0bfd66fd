"""What a provider is given to deliver."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from essaim.protocol.push.preview import MAX_PREVIEW

TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
"""RFC 8030, section 5.4; short enough for a collapse id of APNs (64 bytes) too."""
MAX_TTL_SECONDS: Final = 2_419_200
"""Four weeks: what FCM keeps a message for at most; others keep less."""


class Urgency(StrEnum):
    """RFC 8030, section 5.3."""

    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Notice:
    """A wake on its way. `topic` is the same whenever this wake is sent again: what waits is replaced, not doubled."""

    topic: str = field(repr=False)
    ttl_seconds: int
    urgency: Urgency = Urgency.NORMAL
    preview: bytes | None = field(default=None, repr=False)
    """For the device alone; neither host nor provider can open it."""

    def __post_init__(self) -> None:
        if not TOPIC.fullmatch(self.topic) or not 0 <= self.ttl_seconds <= MAX_TTL_SECONDS:
            raise ValueError("a topic has 1 to 32 base64url characters, a notice lives for 0 to 4 weeks")
        if self.preview is not None and len(self.preview) > MAX_PREVIEW:
            raise ValueError(f"a preview has at most {MAX_PREVIEW} bytes")
