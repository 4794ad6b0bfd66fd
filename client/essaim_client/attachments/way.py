"""To whom a file goes: a conversation, and how a text is said and taken back in it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from essaim_client.messaging.events import File
from essaim_client.messaging.sender import Sent

Sealed = Callable[[], None]
"""Called in the transaction that seals the text."""


@dataclass(frozen=True)
class Way:
    """`check` raises whatever would refuse the text, before anything of a file leaves."""

    conversation: bytes
    check: Callable[[], Awaitable[None]]
    say: Callable[[str, bytes, Sequence[File], Sealed], Awaitable[Sent]]
    unsend: Callable[[bytes, Sealed], Awaitable[Sent]]
