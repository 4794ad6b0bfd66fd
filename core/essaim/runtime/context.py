"""What a servicer may ask of its call, whether it came directly or through the onion."""

from dataclasses import dataclass

from essaim.protocol.geometry import MESSAGE_LIMIT

REPLY_FRAMING = 5
"""What `essaim.onion.v1.Reply` adds to a body: a tag and a length of at most 4 bytes."""


@dataclass(frozen=True, slots=True)
class OnionContext:
    """The context of a request out of a cell: nothing is known of who asks, and nothing can be."""

    request_id: bytes
    """16 bytes, kept across the caller's retries."""
    reply_capacity: int
    """Most bytes of one response message, serialised."""


def reply_capacity_of(context: object) -> int:
    """Most bytes of one response message of this call."""
    return context.reply_capacity if isinstance(context, OnionContext) else MESSAGE_LIMIT - 1_024


def request_id_of(context: object) -> bytes | None:
    """The id that the caller keeps across retries; None for a direct call, which has none."""
    return context.request_id if isinstance(context, OnionContext) else None
