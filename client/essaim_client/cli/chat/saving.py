"""Files of the texts that a chat shows, and where they go."""

from pathlib import Path

from essaim.protocol.errors import ProtocolError
from essaim_client.messaging.events import File
from essaim_client.messaging.sender import UnknownMessageError
from essaim_client.messaging.transcript import Shown


def files_in(shown: list[Shown], chosen: bytes) -> tuple[File, ...]:
    """Of the chosen text, else of the last one that has any. Raises UnknownMessageError."""
    texts = [each for each in shown if not chosen or each.message_id == chosen]
    found = next((each.files for each in reversed(texts) if each.files), ())
    if not found:
        raise UnknownMessageError("the chosen message has no file" if chosen else "no message here has a file")
    return found


def directory_of(text: str) -> Path:
    """As it is typed; nothing: where the program was started."""
    return Path(text or ".").expanduser()


class NoSuchCommandError(ProtocolError):
    """A line that begins with a stroke, and is no command."""

    reason = "NO_SUCH_COMMAND"
