"""To whom a file goes: a conversation, and how a text is said and taken back in it; and what goes beside the file."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from essaim_client.attachments.upload import OnProgress
from essaim_client.messaging.events import File
from essaim_client.messaging.sender import Sent

Sealed = Callable[[], None]
"""Called in the transaction that seals the text."""


class Enclosed(TypedDict, total=False):
    """What may be said with a file, as keywords of `send_file`; what holds without one: `Attachments.send`.

    `voice`: a recording as a voice message. `as_is`: a picture with all its metadata.
    """

    text: str
    reply_to: bytes
    voice: bool
    as_is: bool
    on_progress: OnProgress | None


@dataclass(frozen=True)
class Way:
    """`check` raises whatever would refuse the text, before anything of a file leaves."""

    conversation: bytes
    check: Callable[[], Awaitable[None]]
    say: Callable[[str, bytes, Sequence[File], Sealed], Awaitable[Sent]]
    unsend: Callable[[bytes, Sealed], Awaitable[Sent]]
