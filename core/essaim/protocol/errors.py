"""The root of everything the protocol refuses.

ProtocolError            a closed UPPER_SNAKE reason, and a sentence without secrets
├── KeyRefusedError      keys.py: a key that is not of the curve, or of small order
└── ...                  each module defines its own below this root, beside what raises it
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar


class ProtocolError(Exception):
    """Bad input from somebody else. `reason` is from a closed set, so it may be counted, logged and sent."""

    reason: ClassVar[str] = "INVALID"
    # Set on an instance where it helps the other side; keys from the closed set in essaim.runtime.errors.
    metadata: Mapping[str, str] = MappingProxyType({})
    retry_after_ms: int | None = None
